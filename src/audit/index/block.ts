/**
 * A block: what so many records in a row are found by, as columns. A column of texts holds, for each record, a number of the
 * block's own that stands for a term (`terms.ts`), so that a filter compares bytes, and mostly finds at once that a block has
 * nothing for it.
 */
import { SEVERITIES, type DecisionKind } from "../../contract/index.js";
import { DECISIONS } from "../../contract/query.js";
import { KIND_CODES, severityOf, type Row } from "./row.js";

export const BLOCK_RECORDS = 4096;

export const COLUMNS = ["caller", "agent", "purpose", "task", "verb", "type", "resource", "bundle", "key", "reasons"] as const;
export type Column = (typeof COLUMNS)[number];

/** Not there: of terms, and of kinds. */
export const NONE = 0;

export interface Terms {
  /** Of each code, its term. */
  readonly ids: readonly number[] | Uint32Array;
  readonly codes: Uint8Array | Uint16Array;
}

/** All arrays have an element for each position; before `from`, and from `to` on, nothing is said. */
export interface Block {
  readonly number: number;
  readonly from: number;
  readonly to: number;
  readonly kinds: Uint8Array;
  readonly marks: Uint8Array;
  readonly times: Float64Array;
  /** How long an answer was valid, in milliseconds. */
  readonly valid: Uint32Array;
  readonly offsets: Uint32Array;
  readonly lengths: Uint32Array;
  /** Eight bytes of each decision's id; see `idKey`. */
  readonly ids: Buffer;
  column(name: Column): Terms;
}

export const blockOf = (seq: number): number => Math.floor((seq - 1) / BLOCK_RECORDS);
export const positionOf = (seq: number): number => (seq - 1) % BLOCK_RECORDS;
export const seqAt = (block: number, position: number): number => block * BLOCK_RECORDS + position + 1;

const PROCEED = 0b100;
const FINDING = 0b1000;

/** Decision, whether it may go on, whether it has a finding, and its highest severity, in one byte. */
export function markOf(row: Row): number {
  const decision = row.decision === null ? 0 : DECISIONS.indexOf(row.decision) + 1;
  return decision | (row.proceed ? PROCEED : 0) | (row.finding ? FINDING : 0) | ((severityOf(row) + 1) << 4);
}

export interface Mark {
  decision: DecisionKind | null;
  proceed: boolean;
  finding: boolean;
  /** Index into `SEVERITIES`; -1 without a reason. */
  severity: number;
}

export const MARKS: readonly Mark[] = Array.from({ length: (SEVERITIES.length + 1) << 4 }, (_, mark) => ({
  decision: DECISIONS[(mark & 0b11) - 1] ?? null,
  proceed: (mark & PROCEED) !== 0,
  finding: (mark & FINDING) !== 0,
  severity: (mark >> 4) - 1,
}));

const ID_BYTES = 8;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** When an id was made (of a UUID of version 7; 0 of any other text), and eight bytes that tell it from others. */
export function idKey(id: string): { ms: number; bytes: Buffer } {
  if (UUID.test(id)) {
    const hex = id.replaceAll("-", "");
    return { ms: parseInt(hex.slice(0, 12), 16), bytes: Buffer.from(hex.slice(16), "hex") };
  }
  const bytes = Buffer.alloc(ID_BYTES);
  for (const [i, byte] of Buffer.from(id).entries()) bytes[i % ID_BYTES] = ((bytes[i % ID_BYTES] ?? 0) * 31 + byte) & 0xff;
  return { ms: 0, bytes };
}

/** The positions that may be those of an id. */
export function* positionsOfId({ ids, marks }: Block, wanted: Buffer): Generator<number> {
  for (let at = ids.indexOf(wanted); at >= 0; at = ids.indexOf(wanted, at + 1)) {
    // What has no id has zeros.
    if (at % ID_BYTES !== 0) continue;
    const mark = MARKS[marks[at / ID_BYTES] ?? 0];
    if (mark !== undefined && mark.decision !== null) yield at / ID_BYTES;
  }
}

class ColumnBuilder implements Terms {
  readonly ids: number[] = [];
  readonly codes = new Uint16Array(BLOCK_RECORDS);
  readonly #codeOf = new Map<number, number>();

  set(position: number, term: number): void {
    let code = this.#codeOf.get(term);
    if (code === undefined) {
      code = this.ids.push(term) - 1;
      this.#codeOf.set(term, code);
    }
    this.codes[position] = code;
  }
}

/** Where a record stands in its segment, in bytes. */
export interface Place {
  offset: number;
  length: number;
}

/** A block that grows. */
export class BlockBuilder implements Block {
  readonly kinds = new Uint8Array(BLOCK_RECORDS);
  readonly marks = new Uint8Array(BLOCK_RECORDS);
  readonly times = new Float64Array(BLOCK_RECORDS);
  readonly valid = new Uint32Array(BLOCK_RECORDS);
  readonly offsets = new Uint32Array(BLOCK_RECORDS);
  readonly lengths = new Uint32Array(BLOCK_RECORDS);
  readonly ids = Buffer.alloc(BLOCK_RECORDS * ID_BYTES);
  /** When the first and the last id in it were made. */
  idMs = { first: Infinity, last: -Infinity };
  to: number;
  readonly #columns = new Map(COLUMNS.map((name) => [name, new ColumnBuilder()]));

  /** @param from the position of its first record */
  constructor(
    readonly number: number,
    readonly from: number,
  ) {
    this.to = from;
  }

  /** The next record. Positions that are passed over have none. */
  add(position: number, row: Row, place: Place, termOf: (column: Column) => number): void {
    this.kinds[position] = row.kind === null ? NONE : (KIND_CODES.get(row.kind) ?? NONE);
    this.marks[position] = markOf(row);
    this.times[position] = row.time_ms;
    this.valid[position] = row.valid_for_ms;
    this.offsets[position] = place.offset;
    this.lengths[position] = place.length;
    for (const [name, column] of this.#columns) column.set(position, termOf(name));
    if (row.decision_id !== null && row.decision !== null) {
      const { ms, bytes } = idKey(row.decision_id);
      bytes.copy(this.ids, position * ID_BYTES);
      this.idMs = { first: Math.min(this.idMs.first, ms), last: Math.max(this.idMs.last, ms) };
    }
    this.to = position + 1;
  }

  column(name: Column): ColumnBuilder {
    const column = this.#columns.get(name);
    if (column === undefined) throw new RangeError(`no column ${name}`);
    return column;
  }

  /** The first and last time of its records; null where it has none that is readable. */
  get span(): { first: number; last: number } {
    let [first, last] = [Infinity, -Infinity];
    for (let i = this.from; i < this.to; i++) {
      if (this.kinds[i] === NONE) continue;
      first = Math.min(first, this.times[i] ?? first);
      last = Math.max(last, this.times[i] ?? last);
    }
    return { first, last };
  }
}

/** In the order in which they are stored, and of how many bytes a record. */
const FIXED = { kinds: 1, marks: 1, times: 8, valid: 4, offsets: 4, lengths: 4, ids: ID_BYTES } as const;
type Fixed = keyof typeof FIXED;
type Part = Fixed | Column;
export const PARTS: readonly Part[] = [...(Object.keys(FIXED) as Fixed[]), ...COLUMNS];

const BYTE_CODES = 256;

/** Each part of a block as bytes, little-endian as the machine is. */
export function encode(block: BlockBuilder): Buffer[] {
  return PARTS.map((part) => {
    if (isFixed(part)) return bytesOf(block[part]);
    const { ids, codes } = block.column(part);
    const terms = Uint32Array.of(ids.length, ...ids);
    return Buffer.concat([bytesOf(terms), bytesOf(ids.length <= BYTE_CODES ? Uint8Array.from(codes) : codes)]);
  });
}

const COUNT_BYTES = 4;

/** Whether so many bytes can be a part. */
export function isPart(part: Part, bytes: Buffer): boolean {
  if (isFixed(part)) return bytes.length === FIXED[part] * BLOCK_RECORDS;
  const count = bytes.length < COUNT_BYTES ? 0 : bytes.readUInt32LE(0);
  return bytes.length === COUNT_BYTES * (count + 1) + (count <= BYTE_CODES ? 1 : 2) * BLOCK_RECORDS;
}

/** A block as it was stored: each part is read when it is first looked at. */
export class StoredBlock implements Block {
  readonly #read: (part: number) => Buffer;
  readonly #parts = new Map<Fixed, Buffer>();
  readonly #columns = new Map<Column, Terms>();

  /** @param read a part's bytes, by its index in `PARTS` */
  constructor(
    readonly number: number,
    readonly from: number,
    readonly to: number,
    read: (part: number) => Buffer,
  ) {
    this.#read = read;
  }

  get kinds(): Uint8Array {
    return this.#fixed("kinds");
  }

  get marks(): Uint8Array {
    return this.#fixed("marks");
  }

  get times(): Float64Array {
    return new Float64Array(this.#fixed("times").buffer);
  }

  get valid(): Uint32Array {
    return new Uint32Array(this.#fixed("valid").buffer);
  }

  get offsets(): Uint32Array {
    return new Uint32Array(this.#fixed("offsets").buffer);
  }

  get lengths(): Uint32Array {
    return new Uint32Array(this.#fixed("lengths").buffer);
  }

  get ids(): Buffer {
    return this.#fixed("ids");
  }

  column(name: Column): Terms {
    let column = this.#columns.get(name);
    if (column === undefined) {
      const bytes = aligned(this.#read(PARTS.indexOf(name)));
      const count = bytes.readUInt32LE(0);
      const ids = new Uint32Array(bytes.buffer, COUNT_BYTES, count);
      const at = COUNT_BYTES * (count + 1);
      const codes =
        count <= BYTE_CODES ? new Uint8Array(bytes.buffer, at, BLOCK_RECORDS) : new Uint16Array(bytes.buffer, at, BLOCK_RECORDS);
      this.#columns.set(name, (column = { ids, codes }));
    }
    return column;
  }

  #fixed(part: Fixed): Buffer {
    let bytes = this.#parts.get(part);
    if (bytes === undefined) this.#parts.set(part, (bytes = aligned(this.#read(PARTS.indexOf(part)))));
    return bytes;
  }
}

function isFixed(part: Part): part is Fixed {
  return part in FIXED;
}

function bytesOf(array: Uint8Array | Uint16Array | Uint32Array | Float64Array): Buffer {
  return Buffer.from(array.buffer, array.byteOffset, array.byteLength);
}

/** At the start of memory of its own, as arrays of wider elements need it. */
function aligned(bytes: Buffer): Buffer {
  if (bytes.byteOffset === 0 && bytes.buffer.byteLength === bytes.length) return bytes;
  const copy = Buffer.from(new ArrayBuffer(bytes.length));
  bytes.copy(copy);
  return copy;
}
