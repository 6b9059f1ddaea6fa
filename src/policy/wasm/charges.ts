/**
 * Finds what a function's code has to be charged, and where. A stretch begins at the function's entry and at each loop's head, and ends
 * where the next one begins; within it control only goes forward. It is charged at its beginning for its dearest path, so that no path
 * costs more than was paid. Where a path is long and may not be gone, another stretch begins, so that what isn't gone isn't paid for
 * either; that fuel is left is checked at entries and heads only, beyond which nothing runs for long. What one instruction does to many bytes or pages is charged before it, by their number.
 */
import { INSTRUCTIONS, OPCODE, PAGE_COST, PREFIXED } from "./instructions.js";
import { blockType, malformed, unsupported, type WasmReader } from "./reader.js";

/** A place in a function's code, and what is charged there. */
export interface Charge {
  at: number;
  kind: "checked" | "unchecked" | "by_number";
  /** Units; by number, for each of what the operand on top counts, an i32. */
  cost: number;
}

/** Cost of a path that can't be gone. */
const DEAD = -1;
/** What a charge costs itself. */
const CHARGE = 4;
/** Cost of a path from which on the next place that control may or may not reach begins a stretch. */
const STRETCH = 96;

/** A structure that is open. */
interface Frame {
  isLoop: boolean;
  /** Charge of the stretch that leads to its beginning, and the cost of the dearest path there. */
  paying: Charge;
  begun: number;
  /** Cost of the dearest path of that stretch that leads to its end otherwise than through its last instruction. */
  arrived: number;
  /** A path of another stretch leads there. */
  isMixed: boolean;
}

/** Reads a function's instructions to their end. @returns the charges in the order of their places */
export function chargesOf(reader: WasmReader, globals: number, locals: number): Charge[] {
  let paying: Charge = { at: reader.at, kind: "checked", cost: CHARGE };
  let cost = CHARGE;
  const charges = [paying];
  const begin = (kind: Charge["kind"]): void => {
    paying = { at: reader.at, kind, cost: CHARGE };
    cost = CHARGE;
    charges.push(paying);
  };
  const beginIfLong = (): void => {
    if (cost >= STRETCH) begin("unchecked");
  };
  const frames: Frame[] = [{ isLoop: false, paying, begun: cost, arrived: DEAD, isMixed: false }];

  const arrive = (frame: Frame, from: Charge, dearest: number): void => {
    if (dearest === DEAD) return;
    if (from === frame.paying) frame.arrived = Math.max(frame.arrived, dearest);
    else frame.isMixed = true;
  };

  const branch = (at: number): void => {
    const index = frames.length - 1 - reader.u32();
    const frame = frames[index];
    if (frame === undefined) throw malformed(at, "a label that there is");
    // A loop's head begins a stretch of its own.
    if (frame.isLoop) return;
    // What is left with a loop goes on where the loop began.
    const left = frames.find((other, i) => i > index && other.isLoop);
    if (left === undefined) arrive(frame, paying, cost);
    else arrive(frame, left.paying, left.begun);
  };

  const prefixed = (at: number): void => {
    const found = reader.u32();
    const instruction = PREFIXED[found];
    if (instruction === undefined) throw unsupported(at, `instruction 0xfc ${found}`);
    for (let index = 0; index < instruction.indices; index++) reader.u32();
    if (instruction.by_number !== null) charges.push({ at, kind: "by_number", cost: instruction.by_number });
  };

  const structure = (opcode: number): void => {
    blockType(reader);
    const isLoop = opcode === OPCODE.loop;
    const isIf = opcode === OPCODE.if;
    // An `if` without `else` leads to its end from its beginning.
    frames.push({ isLoop, paying, begun: cost, arrived: isIf ? cost : DEAD, isMixed: false });
    if (isLoop) begin("checked");
    else if (isIf) beginIfLong();
  };

  const otherwise = (at: number): void => {
    const frame = frames.at(-1);
    if (frame === undefined) throw malformed(at, "`else` in an `if`");
    arrive(frame, paying, cost);
    paying = frame.paying;
    cost = frame.begun;
    beginIfLong();
  };

  const end = (): void => {
    const frame = frames.pop();
    if (frame === undefined || frames.length === 0) return;
    if (frame.isLoop) {
      if (cost !== DEAD) cost = frame.begun;
      paying = frame.paying;
      return;
    }
    arrive(frame, paying, cost);
    paying = frame.paying;
    cost = frame.arrived;
    if (frame.isMixed) begin("unchecked");
    else beginIfLong();
  };

  while (frames.length > 0) {
    const { at } = reader;
    const opcode = reader.byte();
    const instruction = INSTRUCTIONS[opcode];
    if (instruction === undefined) throw unsupported(at, `instruction 0x${opcode.toString(16)}`);
    if (cost !== DEAD) {
      cost += instruction.cost;
      paying.cost = Math.max(paying.cost, cost);
    }
    switch (instruction.immediate) {
      case "none":
        if (opcode === OPCODE.end) end();
        else if (opcode === OPCODE.else) otherwise(at);
        else if (opcode === OPCODE.unreachable || opcode === OPCODE.return) cost = DEAD;
        break;
      case "structure":
        structure(opcode);
        break;
      case "label":
        branch(at);
        if (opcode === OPCODE.br) cost = DEAD;
        else beginIfLong();
        break;
      case "labels":
        reader.each(() => {
          branch(at);
        });
        branch(at);
        cost = DEAD;
        break;
      case "function":
        reader.u32();
        break;
      case "type":
        reader.u32();
        reader.u32();
        break;
      case "local":
        if (reader.u32() >= locals) throw malformed(at, "a local that there is");
        break;
      case "global":
        if (reader.u32() >= globals) throw malformed(at, "a global that there is");
        break;
      case "memory":
        reader.memoryArgument();
        break;
      case "pages":
        reader.expect(0, "the only memory");
        if (opcode === OPCODE.memory_grow) charges.push({ at, kind: "by_number", cost: PAGE_COST });
        break;
      case "i32":
        reader.skipSigned(32);
        break;
      case "i64":
        reader.skipSigned(64);
        break;
      case "f32":
        reader.skip(4);
        break;
      case "f64":
        reader.skip(8);
        break;
      case "prefixed":
        prefixed(at);
        break;
    }
  }
  if (!reader.isDone) throw malformed(reader.at, "the end of a function");
  return charges;
}
