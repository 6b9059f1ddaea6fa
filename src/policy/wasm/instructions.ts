/**
 * Instructions of WebAssembly that a policy may use, with their immediates and their costs: those of WebAssembly 1.0, sign extension,
 * saturating conversion, several results of a block, and bulk memory. OPA's compiler uses a part of them; an instruction that isn't
 * here has no cost, and a module that has one is rejected.
 */

/** Parts of an instruction that follow its opcode. */
export type Immediate =
  | "none"
  | "structure"
  | "label"
  | "labels"
  | "function"
  | "type"
  | "local"
  | "global"
  | "memory"
  | "pages"
  | "i32"
  | "i64"
  | "f32"
  | "f64"
  | "prefixed";

export interface Instruction {
  immediate: Immediate;
  cost: number;
}

/** Opcodes from the first to the last, what follows each, and what each costs. */
type Row = [first: number, last: number, immediate: Immediate, cost: number];

/**
 * One unit is a simple instruction: some tenths of a nanosecond compiled by V8's first compiler, less by its second. The others cost as
 * many units as simple instructions take their time, rounded up. Structure alone costs nothing, but the code that it leads to does.
 */
const SIMPLE = 1;
const NOTHING = 0;
const DIVISION = 10;
const ROOT = 10;
const CALL = 8;
const INDIRECT_CALL = 12;
const JUMP_TABLE = 4;

const ROWS: readonly Row[] = [
  [0x00, 0x01, "none", NOTHING], // unreachable, nop
  [0x02, 0x03, "structure", NOTHING], // block, loop
  [0x04, 0x04, "structure", SIMPLE], // if
  [0x05, 0x05, "none", SIMPLE], // else
  [0x0b, 0x0b, "none", NOTHING], // end
  [0x0c, 0x0d, "label", SIMPLE], // br, br_if
  [0x0e, 0x0e, "labels", JUMP_TABLE], // br_table
  [0x0f, 0x0f, "none", SIMPLE], // return
  [0x10, 0x10, "function", CALL], // call
  [0x11, 0x11, "type", INDIRECT_CALL], // call_indirect
  [0x1a, 0x1a, "none", NOTHING], // drop
  [0x1b, 0x1b, "none", SIMPLE], // select
  [0x20, 0x20, "local", NOTHING], // local.get
  [0x21, 0x22, "local", SIMPLE], // local.set, local.tee
  [0x23, 0x24, "global", SIMPLE], // global.get, global.set
  [0x28, 0x3e, "memory", SIMPLE], // loads and stores
  [0x3f, 0x40, "pages", SIMPLE], // memory.size, memory.grow
  [0x41, 0x41, "i32", NOTHING],
  [0x42, 0x42, "i64", NOTHING],
  [0x43, 0x43, "f32", NOTHING],
  [0x44, 0x44, "f64", NOTHING],
  [0x45, 0x6c, "none", SIMPLE], // comparisons; i32: count bits, add, sub, mul
  [0x6d, 0x70, "none", DIVISION], // i32: div, rem
  [0x71, 0x7e, "none", SIMPLE], // i32: bits; i64: count bits, add, sub, mul
  [0x7f, 0x82, "none", DIVISION], // i64: div, rem
  [0x83, 0x90, "none", SIMPLE], // i64: bits; f32: abs, neg, rounding
  [0x91, 0x91, "none", ROOT], // f32.sqrt
  [0x92, 0x94, "none", SIMPLE], // f32: add, sub, mul
  [0x95, 0x95, "none", DIVISION], // f32.div
  [0x96, 0x9e, "none", SIMPLE], // f32: min, max, copysign; f64: abs, neg, rounding
  [0x9f, 0x9f, "none", ROOT], // f64.sqrt
  [0xa0, 0xa2, "none", SIMPLE], // f64: add, sub, mul
  [0xa3, 0xa3, "none", DIVISION], // f64.div
  [0xa4, 0xc4, "none", SIMPLE], // f64: min, max, copysign; conversions, sign extension
  [0xfc, 0xfc, "prefixed", SIMPLE],
];

function table(rows: readonly Row[]): readonly (Instruction | undefined)[] {
  const instructions = new Array<Instruction | undefined>(256).fill(undefined);
  for (const [first, last, immediate, cost] of rows) instructions.fill({ immediate, cost }, first, last + 1);
  return instructions;
}

/** Instructions by their opcodes. */
export const INSTRUCTIONS = table(ROWS);

export const OPCODE = {
  unreachable: 0x00,
  loop: 0x03,
  if: 0x04,
  else: 0x05,
  end: 0x0b,
  br: 0x0c,
  return: 0x0f,
  drop: 0x1a,
  local_get: 0x20,
  local_tee: 0x22,
  global_get: 0x23,
  global_set: 0x24,
  memory_grow: 0x40,
  i32_const: 0x41,
  i64_const: 0x42,
  i64_eqz: 0x50,
  i64_lt_s: 0x53,
  i64_sub: 0x7d,
  i64_mul: 0x7e,
  i32_wrap_i64: 0xa7,
  i64_extend_i32_u: 0xad,
} as const;

/** An instruction of two opcodes: its cost, how many indices follow, and what a unit of its last operand costs, if that is a number of them. */
export interface PrefixedInstruction {
  /** Units where it stands, whatever the number is. */
  cost: number;
  indices: number;
  by_number: number | null;
  /** Units if that number is 0, beside its cost. @default 0 */
  at_zero?: number;
}

/**
 * Units of instructions that call the engine, however little they do: growth by nothing takes 300 ns, filling nothing 110 ns, filling or
 * copying anything 6 ns, where a unit is about a tenth of a nanosecond. What compilers don't write costs as much as the dearest of these.
 */
export const GROWTH_COST = 5_000;
const BULK = 60;
const FILLING_NOTHING = 1_000;
const UNUSUAL = 5_000;

/** Units for a byte that is copied or filled, and for an element of a table. */
const BYTE = 1;
const ELEMENT = 8;

/** Instructions after the prefix 0xfc. */
export const PREFIXED: readonly PrefixedInstruction[] = [
  ...new Array<PrefixedInstruction>(8).fill({ cost: NOTHING, indices: 0, by_number: null }), // saturating conversions
  { cost: UNUSUAL, indices: 2, by_number: BYTE }, // memory.init
  { cost: UNUSUAL, indices: 1, by_number: null }, // data.drop
  { cost: BULK, indices: 2, by_number: BYTE }, // memory.copy
  { cost: BULK, indices: 1, by_number: BYTE, at_zero: FILLING_NOTHING }, // memory.fill
  { cost: UNUSUAL, indices: 2, by_number: ELEMENT }, // table.init
  { cost: UNUSUAL, indices: 1, by_number: null }, // elem.drop
  { cost: UNUSUAL, indices: 2, by_number: ELEMENT }, // table.copy
];

/** Units for a page of 64 KiB: the kernel clears it when it is first written. */
export const PAGE_COST = 20_000;
