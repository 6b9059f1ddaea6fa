/**
 * Finds what a function's code has to be charged, and where. A stretch begins at the function's entry and at each loop's head, and ends
 * where the next one begins; within it control only goes forward. It is charged at its beginning for its dearest path, so that no path
 * costs more than was paid. Where a path is long and may not be gone, another stretch begins, so that what isn't gone isn't paid for
 * either; that fuel is left is checked at entries and heads only, beyond which nothing runs for long. What one instruction does to many bytes or pages is charged before it, by their number.
 */
import { GROWTH_COST, INSTRUCTIONS, OPCODE, PAGE_COST, PREFIXED } from "./instructions.js";
import { blockType, malformed, unsupported, type WasmReader } from "./reader.js";

/** A place in a function's code, and what is charged there. */
export interface Charge {
  at: number;
  kind: "checked" | "unchecked" | "by_number" | HostCall;
  /** Units; by number, for each of what the operand on top counts, an i32. */
  cost: number;
  /** Units by number, whatever that is. @default 0 */
  base?: number;
  /** Units if what is counted is 0. @default 0 */
  at_zero?: number;
  /** Bytes of the instruction that it takes the place of. @default 0: none */
  instead?: number;
}

/** Calls of the host that are put otherwise: one that ends the evaluation, and one that has no effect. */
export type HostCall = "abort" | "print";

/** Cost of a path that can't be gone. */
const DEAD = -1;
/** Cost of a charge itself. */
const CHARGE = 4;
/** Cost of a path from which on the next place that control may or may not reach begins a stretch. */
const STRETCH = 96;
/** An entry clears the function's locals: a call's cost has room for some, and further ones take a unit for so many. */
const LOCALS_OF_A_CALL = 32;
const LOCALS_IN_A_UNIT = 4;
/** Far above what a compiler writes; each open structure and each label is kept while a function is read. */
const NESTING_MAX = 1_000;
const LABELS_MAX = 65_520;

/** A structure that is open. */
interface Frame {
  isLoop: boolean;
  /** Charge of the stretch that leads to its beginning, and the cost of the dearest path there. */
  paying: Charge;
  begun: number;
  /** Cost of the dearest path of that stretch that leads to its end, but not through its last instruction. */
  arrived: number;
  /** A path of another stretch leads there. */
  isMixed: boolean;
  /** Loops that are open around it, itself among them. */
  loops: number;
}

/**
 * Reads a function's instructions to their end.
 * @param host calls of the host by the index of the function, null for one that is called as it is
 * @returns the charges in the order of their places
 */
export function chargesOf(reader: WasmReader, globals: number, locals: number, host: readonly (HostCall | null)[] = []): Charge[] {
  const entry = CHARGE + Math.ceil(Math.max(0, locals - LOCALS_OF_A_CALL) / LOCALS_IN_A_UNIT);
  let paying: Charge = { at: reader.at, kind: "checked", cost: entry };
  let cost = entry;
  const charges = [paying];
  const begin = (kind: Charge["kind"]): void => {
    paying = { at: reader.at, kind, cost: CHARGE };
    cost = CHARGE;
    charges.push(paying);
  };
  const beginIfLong = (): void => {
    if (cost >= STRETCH) begin("unchecked");
  };
  const frames: Frame[] = [{ isLoop: false, paying, begun: cost, arrived: DEAD, isMixed: false, loops: 0 }];
  /** Loops that are open, the outermost first. */
  const loops: Frame[] = [];
  const spend = (units: number): void => {
    if (cost === DEAD) return;
    cost += units;
    paying.cost = Math.max(paying.cost, cost);
  };

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
    const left = loops[frame.loops];
    if (left === undefined) arrive(frame, paying, cost);
    else arrive(frame, left.paying, left.begun);
  };

  const prefixed = (at: number): void => {
    const found = reader.u32();
    const instruction = PREFIXED[found];
    if (instruction === undefined) throw unsupported(at, `instruction 0xfc ${found}`);
    for (let index = 0; index < instruction.indices; index++) reader.u32();
    const { cost: base, by_number, at_zero } = instruction;
    // Charged where it stands: a path that it is on, and that may not be gone, would be charged for it otherwise.
    if (by_number !== null) charges.push({ at, kind: "by_number", cost: by_number, base, ...(at_zero !== undefined && { at_zero }) });
    else if (base > 0) charges.push({ at, kind: "checked", cost: base });
  };

  const structure = (opcode: number): void => {
    blockType(reader);
    const isLoop = opcode === OPCODE.loop;
    const isIf = opcode === OPCODE.if;
    // An `if` without `else` leads to its end from its beginning.
    if (frames.length > NESTING_MAX) throw unsupported(reader.at, `more than ${NESTING_MAX} structures in each other`);
    const around = loops.length + (isLoop ? 1 : 0);
    const frame: Frame = { isLoop, paying, begun: cost, arrived: isIf ? cost : DEAD, isMixed: false, loops: around };
    frames.push(frame);
    if (isLoop) {
      loops.push(frame);
      begin("checked");
    }
    if (isIf) beginIfLong();
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
      loops.pop();
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
    spend(instruction.cost);
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
        if (
          reader.each(() => {
            branch(at);
          }) > LABELS_MAX
        )
          throw unsupported(at, `a jump to more than ${LABELS_MAX} labels`);
        branch(at);
        cost = DEAD;
        break;
      case "function": {
        const kind = host[reader.u32()] ?? null;
        if (kind === null) break;
        charges.push({ at, kind, cost: 0, instead: reader.at - at });
        if (kind === "abort") cost = DEAD;
        break;
      }
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
        if (opcode === OPCODE.memory_grow) charges.push({ at, kind: "by_number", cost: PAGE_COST, base: GROWTH_COST });
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
