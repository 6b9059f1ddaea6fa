/**
 * Random WebAssembly programs that end, for holding the metering against a count that knows nothing of it: the same program is written
 * twice, plainly and with a counter that is raised before each instruction by the instruction's own cost.
 */
import { INSTRUCTIONS, OPCODE } from "../../src/policy/wasm/instructions.js";
import { encodeSigned, encodeU32 } from "../../src/policy/wasm/reader.js";
import type { Dice } from "../differential/dice.js";

const I32 = 0x7f;
const I64 = 0x7e;
const EMPTY = 0x40;
const OP = { block: 0x02, br_if: 0x0d, br_table: 0x0e, call: 0x10, local_set: 0x21, i32_const: 0x41, i64_add: 0x7c } as const;
const I32_OP = { eqz: 0x45, sub: 0x6b, and: 0x71, div_u: 0x6e } as const;
/** Instructions of two i32 to one. */
const BINARY = [0x6a, 0x6b, 0x6c, 0x71, 0x72, 0x73, 0x74, 0x46, 0x48, 0x4e];

/** Locals of each function: its parameter, turns that its loops have left, and two to work with. */
const [ARGUMENT, TURNS, A, B] = [0, 1, 2, 3];
/** The global that counts what runs. */
const COUNTER = 0;
const NESTING_MAX = 5;

/** One instruction, as it is encoded. */
type Code = number[][];

export interface Program {
  plain: Uint8Array;
  /** The same, with a counter of what its instructions cost, exported as `counter`. */
  counted: Uint8Array;
  /** Cost of all instructions of the dearest function: no path without a turn or a call costs more. */
  function_cost_max: number;
}

/** Draws a program of some functions, of which the first is exported as `f` and takes one number. */
export function drawProgram(dice: Dice): Program {
  const count = 1 + dice.below(4);
  const functions = Array.from({ length: count }, (_, index) => new Drawing(dice, index, count).body());
  const costs = functions.map((code) => code.reduce((sum, instruction) => sum + costOf(instruction), 0));
  return {
    plain: moduleOf(functions, false),
    counted: moduleOf(functions, true),
    function_cost_max: Math.max(...costs),
  };
}

class Drawing {
  readonly #dice: Dice;
  readonly #index: number;
  readonly #count: number;
  readonly #code: Code = [];
  /** Labels around what is drawn, the outermost first. */
  #depth = 0;

  constructor(dice: Dice, index: number, count: number) {
    this.#dice = dice;
    this.#index = index;
    this.#count = count;
  }

  body(): Code {
    this.#put([OP.i32_const, ...encodeSigned(1 + this.#dice.below(12))], [OP.local_set, TURNS]);
    this.#structure(OP.block, () => {
      this.#statements(6);
    });
    return this.#code;
  }

  #put(...instructions: Code): void {
    this.#code.push(...instructions);
  }

  #structure(opcode: number, draw: () => void): void {
    this.#put([opcode, EMPTY]);
    this.#depth++;
    draw();
    this.#depth--;
    this.#put([OPCODE.end]);
  }

  #statements(most: number): void {
    const count = this.#dice.below(most + 1);
    for (let i = 0; i < count; i++) this.#statement();
  }

  #statement(): void {
    const nests = this.#depth < NESTING_MAX;
    switch (this.#dice.below(nests ? 9 : 5)) {
      case 0:
      case 1:
        this.#work(1 + this.#dice.below(40));
        return;
      case 2:
        this.#value();
        this.#put([OP.br_if, this.#label()]);
        return;
      case 3:
        this.#jump();
        return;
      case 4:
        this.#call();
        return;
      case 5:
        this.#structure(OP.block, () => {
          this.#statements(4);
        });
        return;
      case 6:
      case 7:
        this.#loop();
        return;
      case 8:
        this.#choice();
    }
  }

  #work(operations: number): void {
    for (let i = 0; i < operations; i++) {
      this.#value();
      if (this.#dice.chance(10)) this.#put([OP.i32_const, 3], [I32_OP.div_u]);
      this.#put([OPCODE.local_get, this.#dice.of([ARGUMENT, A, B])], [this.#dice.of(BINARY)], [OP.local_set, this.#dice.of([A, B])]);
    }
  }

  #value(): void {
    if (this.#dice.chance(30)) this.#put([OP.i32_const, ...encodeSigned(this.#dice.below(1000))]);
    else this.#put([OPCODE.local_get, this.#dice.of([ARGUMENT, A, B])]);
  }

  /** Any label around: a loop's is its head, and its turns end all the same. */
  #label(): number {
    return this.#dice.below(this.#depth);
  }

  /** Away for good, so that some of what follows can't be reached. */
  #jump(): void {
    if (this.#dice.chance(50)) {
      this.#put([OPCODE.br, this.#label()]);
      return;
    }
    const labels = Array.from({ length: 1 + this.#dice.below(4) }, () => this.#label());
    this.#value();
    this.#put([OP.br_table, ...encodeU32(labels.length - 1), ...labels]);
  }

  /** Of a function behind this one, so that calls end. */
  #call(): void {
    if (this.#index + 1 >= this.#count) return;
    this.#value();
    this.#put([OP.call, this.#index + 1 + this.#dice.below(this.#count - this.#index - 1)]);
  }

  /** Leaves the function when its turns are used up. */
  #loop(): void {
    this.#structure(OPCODE.loop, () => {
      this.#put([OPCODE.local_get, TURNS], [OP.i32_const, 1], [I32_OP.sub], [OPCODE.local_tee, TURNS], [I32_OP.eqz]);
      this.#put([OP.br_if, this.#depth - 1]);
      this.#statements(4);
    });
  }

  #choice(): void {
    this.#value();
    this.#put([OP.i32_const, 1], [I32_OP.and]);
    this.#structure(OPCODE.if, () => {
      this.#statements(4);
      if (this.#dice.chance(50)) return;
      this.#put([OPCODE.else]);
      this.#statements(4);
    });
  }
}

function costOf([opcode = 0]: readonly number[]): number {
  return INSTRUCTIONS[opcode]?.cost ?? 0;
}

function moduleOf(functions: readonly Code[], counts: boolean): Uint8Array {
  const bodies = functions.map((code) => {
    const bytes = [1, 3, I32, ...code.flatMap((one) => (counts ? [...countOf(one), ...one] : one)), OPCODE.end];
    return [...encodeU32(bytes.length), ...bytes];
  });
  const section = (id: number, bytes: number[]): number[] => [id, ...encodeU32(bytes.length), ...bytes];
  const name = (text: string): number[] => [text.length, ...Buffer.from(text)];
  const exported = [[...name("f"), 0, 0], ...(counts ? [[...name("counter"), 3, COUNTER]] : [])];
  return Uint8Array.from([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [1, 0x60, 1, I32, 0]),
    ...section(3, [functions.length, ...functions.map(() => 0)]),
    ...(counts ? section(6, [1, I64, 1, OPCODE.i64_const, 0, OPCODE.end]) : []),
    ...section(7, [exported.length, ...exported.flat()]),
    ...section(10, [functions.length, ...bodies.flat()]),
  ]);
}

/** Nothing stands between an `if` and its `else`, or a structure and its end, that isn't an instruction: a counter may stand anywhere. */
function countOf(instruction: readonly number[]): number[] {
  const cost = costOf(instruction);
  if (cost === 0) return [];
  return [OPCODE.global_get, COUNTER, OPCODE.i64_const, ...encodeSigned(cost), OP.i64_add, OPCODE.global_set, COUNTER];
}
