/**
 * Adds fuel to a WebAssembly module: a global that counts down and a trap when it is below zero. Functions are charged as they are
 * entered and loops at each turn, for every instruction up to the next charge as if each of them ran. All that runs again runs through
 * a function's entry or a loop's head, so nothing runs that isn't paid for. What one instruction does to many bytes is paid for by
 * their number.
 *
 * Everything but the charges is copied as it is: indices of functions, types and locals stay, and so do names. The module can neither
 * read nor write its fuel, since it can't name a global that it doesn't have. Calls of the host are not copied: an abort leaves the address
 * of its message in a global and traps, and what would be printed is dropped, so that no text is read before the module has ended.
 */
import { chargesOf, type Charge, type HostCall } from "./wasm/charges.js";
import { INSTRUCTIONS, OPCODE } from "./wasm/instructions.js";
import { EMPTY_BLOCK, encodeSigned, encodeU32, malformed, unsupported, VALUE_TYPE, valueType, WasmReader } from "./wasm/reader.js";

/** Units for a module's start function and the calls that load it, which are made before anybody can give it any. */
const START_FUEL = 20_000_000;

/** Export of the fuel. */
export const FUEL_EXPORT = "remit.fuel";
/** Export of the address of the message that the module aborted with; 0 if it hasn't. */
export const ABORT_EXPORT = "remit.abort";
/**
 * Beginning of the exports of the module's own mutable globals: whoever holds them can put an instance back to what it was, after a trap
 * has left its stack where it was.
 */
export const STATE_EXPORT = "remit.global.";
/** Beginning of every name that is added; a module that exports one is rejected. */
const RESERVED = "remit.";

const HEADER = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];
const SECTION = {
  custom: 0,
  type: 1,
  import: 2,
  function: 3,
  table: 4,
  memory: 5,
  global: 6,
  export: 7,
  start: 8,
  element: 9,
  code: 10,
} as const;
/** Identifiers of sections in the order in which they have to come (section 5.5.2); 12 counts the data segments. */
const ORDER: readonly number[] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 10, 11];

const FUNCTION_REFERENCE = 0x70;
const FUNCTION_TYPE = 0x60;
const MUTABLE = 1;
const GLOBAL_KIND = 3;
/** Far below what an engine takes, and far above what a compiler writes. */
const LOCALS_MAX = 10_000;
const ENTRIES_MAX = 100_000;
const TABLE_ELEMENTS_MAX = 100_000;
const FUNCTION_KIND = 0;
/** Forms of segments of elements that are lists of functions (section 5.5.12); the others are expressions. */
const ELEMENTS_OF_FUNCTIONS_MAX = 3;
const [PASSIVE, OF_A_TABLE] = [1, 2];

interface Section {
  id: number;
  body: WasmReader;
}

/** Counts of what code refers to. */
interface Declared {
  /** Parameters by type. */
  parameters: number[];
  /** Types of the functions that have a body, in their order. */
  functions: number[];
  globals: number;
  /** Indices of the globals that the module defines and may change. */
  state: number[];
  /** Functions that are imported, with their names; they come before those that have a body. */
  imported: string[];
  tables: number;
  memories: number;
}

/** Host functions that are called in no other way than by what metering puts in their place. */
const HOST_CALLS: Readonly<Record<string, HostCall>> = { opa_abort: "abort", opa_println: "print" };

/**
 * Returns the module with fuel; the same for the same module.
 * @throws BundleError `wasm_invalid`, `wasm_unsupported`
 */
export function metered(wasm: Uint8Array): Uint8Array {
  const declared: Declared = { parameters: [], functions: [], globals: 0, state: [], imported: [], tables: 0, memories: 0 };
  const out = new Output(Math.ceil(wasm.length * 1.25));
  out.bytes(HEADER);
  for (const { id, body } of withFuelSections(readSections(wasm))) {
    if (id === SECTION.global) out.section(id, withGlobal(declared, body));
    else if (id === SECTION.export) out.section(id, withExport(declared, body));
    else if (id === SECTION.code) out.section(id, withCharges(declared, body));
    else {
      out.section(id, body.rest());
      READ[id]?.(body, declared);
    }
  }
  return out.taken();
}

/** Puts empty sections where those are missing that fuel needs. */
function withFuelSections(sections: readonly Section[]): Section[] {
  const all = [...sections];
  for (const id of [SECTION.global, SECTION.export]) {
    if (all.some((section) => section.id === id)) continue;
    const next = all.findIndex((section) => ORDER.indexOf(section.id) > ORDER.indexOf(id));
    all.splice(next < 0 ? all.length : next, 0, { id, body: new WasmReader(Uint8Array.of(0)) });
  }
  return all;
}

function readSections(wasm: Uint8Array): Section[] {
  const reader = new WasmReader(wasm);
  for (const byte of HEADER) reader.expect(byte, "WebAssembly 1.0");
  const sections: Section[] = [];
  let last = -1;
  while (!reader.isDone) {
    const at = reader.at;
    const id = reader.byte();
    const body = reader.part();
    if (id !== SECTION.custom) {
      const place = ORDER.indexOf(id);
      if (place < 0) throw unsupported(at, `section ${id}`);
      if (place <= last) throw malformed(at, "sections in their order");
      last = place;
    }
    sections.push({ id, body });
  }
  return sections;
}

/** Readers of the sections that say what code may refer to, or how it is encoded. */
const READ: Partial<Record<number, (reader: WasmReader, declared: Declared) => void>> = {
  [SECTION.type]: (reader, declared) => {
    reader.each(() => {
      const { at } = reader;
      if (reader.byte() !== FUNCTION_TYPE) throw unsupported(at, "a type that isn't a function's");
      const each = (): void => {
        valueType(reader);
      };
      declared.parameters.push(reader.each(each));
      reader.each(each);
    });
    if (declared.parameters.length > ENTRIES_MAX) throw unsupported(reader.at, `more than ${ENTRIES_MAX} types`);
    reader.finish();
  },
  [SECTION.import]: (reader, declared) => {
    reader.each(() => {
      reader.name();
      const name = reader.name();
      const { at } = reader;
      const kind = reader.byte();
      if (kind === FUNCTION_KIND) {
        reader.u32();
        declared.imported.push(name);
      } else if (kind === 1) table(reader, declared);
      else if (kind === 2) memory(reader, declared);
      else if (kind === GLOBAL_KIND) {
        globalType(reader);
        declared.globals++;
      } else throw unsupported(at, `an import of kind ${kind}`);
    });
    reader.finish();
  },
  [SECTION.function]: (reader, declared) => {
    reader.each(() => declared.functions.push(reader.u32()));
    if (declared.functions.length > ENTRIES_MAX) throw unsupported(reader.at, `more than ${ENTRIES_MAX} functions`);
    reader.finish();
  },
  [SECTION.table]: (reader, declared) => {
    reader.each(() => {
      table(reader, declared);
    });
    reader.finish();
  },
  [SECTION.memory]: (reader, declared) => {
    reader.each(() => {
      memory(reader, declared);
    });
    reader.finish();
  },
  [SECTION.start]: (reader, { imported }) => {
    if (reader.u32() < imported.length) throw unsupported(reader.at, "a host function that is called at the start");
    reader.finish();
  },
  [SECTION.element]: (reader, declared) => {
    reader.each(() => {
      elements(reader, declared);
    });
    reader.finish();
  },
};

/** Checks a table: the elements that it has from the beginning take memory at once, whatever it is used for. */
function table(reader: WasmReader, declared: Declared): void {
  const { at } = reader;
  if (reader.byte() !== FUNCTION_REFERENCE) throw unsupported(at, "a table of something else than functions");
  if (++declared.tables > 1) throw unsupported(at, "a second table");
  if (limits(reader) > TABLE_ELEMENTS_MAX) throw unsupported(at, `a table of more than ${TABLE_ELEMENTS_MAX} elements`);
}

function memory(reader: WasmReader, declared: Declared): void {
  const { at } = reader;
  if (++declared.memories > 1) throw unsupported(at, "a second memory");
  limits(reader);
}

/** Without the flags of memories that are shared or of 64 bits. @returns the minimum */
function limits(reader: WasmReader): number {
  const { at } = reader;
  const flags = reader.byte();
  if (flags > 1) throw unsupported(at, `limits of kind ${flags}`);
  const minimum = reader.u32();
  if (flags === 1) reader.u32();
  return minimum;
}

/** Rejects a segment that has a host function: what is called through a table is what it is. */
function elements(reader: WasmReader, { imported }: Declared): void {
  const { at } = reader;
  const form = reader.u32();
  if (form > ELEMENTS_OF_FUNCTIONS_MAX) throw unsupported(at, `elements of form ${form}`);
  const isPassive = (form & PASSIVE) !== 0;
  if (!isPassive) {
    if ((form & OF_A_TABLE) !== 0) reader.u32();
    initialValue(reader);
  }
  if (form !== 0) reader.expect(FUNCTION_KIND, "elements that are functions");
  reader.each(() => {
    if (reader.u32() < imported.length) throw unsupported(at, "a host function in a table");
  });
}

/** Returns whether the global is mutable. */
function globalType(reader: WasmReader): boolean {
  valueType(reader);
  const { at } = reader;
  const mutability = reader.byte();
  if (mutability > MUTABLE) throw malformed(at, "whether a global is mutable");
  return mutability === MUTABLE;
}

/** Returns the section of globals with one more, whose index is that of the last. */
function withGlobal(declared: Declared, body: WasmReader): Uint8Array {
  const imported = declared.globals;
  let index = imported;
  const [count, entries] = entriesOf(body, () => {
    if (globalType(body)) declared.state.push(index);
    index++;
    initialValue(body);
  });
  declared.globals = imported + count;
  if (declared.globals > ENTRIES_MAX) throw unsupported(body.at, `more than ${ENTRIES_MAX} globals`);
  const out = new Output(entries.length + 16);
  out.bytes(encodeU32(count + 2));
  out.bytes(entries);
  out.bytes([VALUE_TYPE.i64, MUTABLE, OPCODE.i64_const, ...encodeSigned(START_FUEL), OPCODE.end]);
  out.bytes([VALUE_TYPE.i32, MUTABLE, OPCODE.i32_const, 0, OPCODE.end]);
  return out.taken();
}

/** Reads a section to its end. @returns how many entries it has, and their bytes */
function entriesOf(body: WasmReader, read: () => void): [count: number, entries: Uint8Array] {
  const entries = new WasmReader(body.bytes, body.at, body.end);
  entries.u32();
  const count = body.each(read);
  body.finish();
  return [count, entries.rest()];
}

/** One constant, or the value of a global before it. */
function initialValue(reader: WasmReader): void {
  const { at } = reader;
  const opcode = reader.byte();
  const immediate = INSTRUCTIONS[opcode]?.immediate;
  if (immediate === "i32") reader.skipSigned(32);
  else if (immediate === "i64") reader.skipSigned(64);
  else if (immediate === "f32") reader.skip(4);
  else if (immediate === "f64") reader.skip(8);
  else if (opcode === OPCODE.global_get) reader.u32();
  else throw unsupported(at, `an initial value by instruction 0x${opcode.toString(16)}`);
  reader.expect(OPCODE.end, "the end of an initial value");
}

function withExport(declared: Declared, body: WasmReader): Uint8Array {
  const [count, entries] = entriesOf(body, () => {
    const { at } = body;
    if (body.name().startsWith(RESERVED)) throw unsupported(at, `an export whose name begins with ${RESERVED}`);
    const kind = body.byte();
    const index = body.u32();
    if (kind === GLOBAL_KIND && index >= declared.globals) throw malformed(at, "an export of a global that there is");
    if (kind === FUNCTION_KIND && index < declared.imported.length) throw unsupported(at, "an export of a host function");
  });
  const added: [name: string, global: number][] = [
    [FUEL_EXPORT, declared.globals],
    [ABORT_EXPORT, declared.globals + 1],
    ...declared.state.map((global): [string, number] => [`${STATE_EXPORT}${global}`, global]),
  ];
  const out = new Output(entries.length + 32 * added.length + 16);
  out.bytes(encodeU32(count + added.length));
  out.bytes(entries);
  for (const [text, global] of added) {
    const name = Buffer.from(text);
    out.bytes([...encodeU32(name.length), ...name, GLOBAL_KIND, ...encodeU32(global)]);
  }
  return out.taken();
}

function withCharges(declared: Declared, body: WasmReader): Uint8Array {
  const out = new Output(Math.ceil((body.end - body.at) * 1.25) + 16);
  const { at } = body;
  const host = declared.imported.map((name) => HOST_CALLS[name] ?? null);
  const count = body.u32();
  if (count !== declared.functions.length) throw malformed(at, "as many bodies as functions");
  out.bytes(encodeU32(count));
  for (const type of declared.functions) {
    const parameters = declared.parameters[type];
    if (parameters === undefined) throw malformed(body.at, "a function of a type that there is");
    const code = withCharge(declared.globals, parameters, body.part(), host);
    out.bytes(encodeU32(code.length));
    out.bytes(code);
  }
  body.finish();
  return out.taken();
}

/** Returns a function's body with its charges, and with a local to work them out in. */
function withCharge(fuel: number, parameters: number, body: WasmReader, host: readonly (HostCall | null)[]): Uint8Array {
  const { bytes, at: start } = body;
  const declarations = body.u32();
  const first = body.at;
  let locals = parameters;
  for (let index = 0; index < declarations; index++) {
    locals += body.u32();
    valueType(body);
    if (locals > LOCALS_MAX) throw unsupported(body.at, `more than ${LOCALS_MAX} locals`);
  }
  const code = body.at;
  const charges = chargesOf(body, fuel, locals, host);
  const out = new Output(body.end - start + charges.length * 24 + 16);
  out.bytes(encodeU32(declarations + 1));
  out.bytes(bytes.subarray(first, code));
  out.bytes([1, VALUE_TYPE.i64]);
  let from = code;
  const indices = { fuel: encodeU32(fuel), abort: encodeU32(fuel + 1), local: encodeU32(locals) };
  for (const { at, kind, cost, base = 0, at_zero = 0, instead = 0 } of charges) {
    out.bytes(bytes.subarray(from, at));
    out.bytes(
      CHARGES[kind]({
        ...indices,
        cost: encodeSigned(cost),
        base: encodeSigned(base),
        at_zero: at_zero === 0 ? [] : encodeSigned(at_zero),
      }),
    );
    from = at + instead;
  }
  out.bytes(bytes.subarray(from, body.end));
  return out.taken();
}

/** Numbers that the code of a charge has in it, as they are encoded. */
interface Encoded {
  fuel: number[];
  abort: number[];
  local: number[];
  cost: number[];
  base: number[];
  /** Empty where nothing is charged at 0. */
  at_zero: number[];
}

/** Code that charges, or stands instead of a call. */
const CHARGES: Record<Charge["kind"], (of: Encoded) => number[]> = {
  abort: ({ abort }) => [OPCODE.global_set, ...abort, OPCODE.unreachable],
  print: () => [OPCODE.drop],
  unchecked: ({ fuel, cost }) => [
    ...[OPCODE.global_get, ...fuel, OPCODE.i64_const, ...cost, OPCODE.i64_sub],
    ...[OPCODE.global_set, ...fuel],
  ],
  checked: ({ fuel, local, cost }) => [
    ...[OPCODE.global_get, ...fuel, OPCODE.i64_const, ...cost, OPCODE.i64_sub],
    ...takeChecked(fuel, local),
  ],
  // The number stays on the stack for its instruction.
  by_number: ({ fuel, local, cost, base, at_zero }) => [
    ...[OPCODE.i64_extend_i32_u, OPCODE.local_tee, ...local],
    ...[OPCODE.i32_wrap_i64, OPCODE.global_get, ...fuel],
    ...[OPCODE.i64_const, ...base, OPCODE.i64_sub],
    ...[OPCODE.local_get, ...local, OPCODE.i64_const, ...cost, OPCODE.i64_mul, OPCODE.i64_sub],
    ...(at_zero.length === 0
      ? []
      : [
          ...[OPCODE.local_get, ...local, OPCODE.i64_eqz, OPCODE.i64_extend_i32_u],
          ...[OPCODE.i64_const, ...at_zero, OPCODE.i64_mul, OPCODE.i64_sub],
        ]),
    ...takeChecked(fuel, local),
  ],
};

/** Sets the fuel to what is on top, and traps if that is below zero; it stays so. */
function takeChecked(fuel: number[], local: number[]): number[] {
  return [
    ...[OPCODE.local_tee, ...local, OPCODE.global_set, ...fuel],
    ...[OPCODE.local_get, ...local, OPCODE.i64_const, 0, OPCODE.i64_lt_s],
    ...[OPCODE.if, EMPTY_BLOCK, OPCODE.unreachable, OPCODE.end],
  ];
}

/** Bytes as they are written, in memory that grows. */
class Output {
  #buffer: Uint8Array;
  #length = 0;

  constructor(room: number) {
    this.#buffer = new Uint8Array(room);
  }

  bytes(bytes: ArrayLike<number>): void {
    const length = this.#length + bytes.length;
    if (length > this.#buffer.length) {
      const larger = new Uint8Array(length * 2);
      larger.set(this.#buffer);
      this.#buffer = larger;
    }
    this.#buffer.set(bytes, this.#length);
    this.#length = length;
  }

  section(id: number, body: Uint8Array): void {
    this.bytes([id]);
    this.bytes(encodeU32(body.length));
    this.bytes(body);
  }

  taken(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }
}
