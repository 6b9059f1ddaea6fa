/**
 * Strict reader of the WebAssembly binary format (WebAssembly Core Specification 2.0, section 5.2). It accepts no number longer than
 * its type needs and nothing that reaches beyond its section, so that what is read here is what the engine reads.
 */
import { BundleError } from "../../bundle/errors.js";

const CONTINUES = 0x80;
const LOW_BITS = 0x7f;
const SIGN = 0x40;
const ALIGNMENT_MAX = 3;

export const VALUE_TYPE = { i32: 0x7f, i64: 0x7e, f64: 0x7c } as const;
export const EMPTY_BLOCK = 0x40;

export class WasmReader {
  readonly bytes: Uint8Array;
  readonly end: number;
  at: number;

  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    this.bytes = bytes;
    this.at = start;
    this.end = end;
  }

  get isDone(): boolean {
    return this.at === this.end;
  }

  /** Bytes that are left. */
  rest(): Uint8Array {
    return this.bytes.subarray(this.at, this.end);
  }

  byte(): number {
    if (this.at >= this.end) throw malformed(this.at, "more bytes");
    return this.bytes[this.at++] ?? 0;
  }

  /** Reads a byte that has to be this one. */
  expect(value: number, what: string): void {
    const at = this.at;
    if (this.byte() !== value) throw malformed(at, what);
  }

  skip(count: number): void {
    if (count > this.end - this.at) throw malformed(this.at, `${count} more bytes`);
    this.at += count;
  }

  /** Reads an unsigned LEB128 number of 32 bits. */
  u32(): number {
    const at = this.at;
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.byte();
      value += (byte & LOW_BITS) * 2 ** shift;
      if ((byte & CONTINUES) === 0) {
        if (value > 0xffff_ffff) break;
        return value;
      }
    }
    throw malformed(at, "a number of 32 bits");
  }

  /** Skips a signed LEB128 number of at most so many bits. @returns its first byte */
  skipSigned(bits: number): number {
    const at = this.at;
    const first = this.byte();
    let byte = first;
    for (let read = 7; ; read += 7) {
      if ((byte & CONTINUES) === 0) {
        // Bits of the last byte beyond the type repeat the sign.
        const spare = read - bits;
        if (spare > 0) {
          const sign = (byte & SIGN) !== 0 ? LOW_BITS : 0;
          const mask = (LOW_BITS << (6 - spare)) & LOW_BITS;
          if ((byte & mask) !== (sign & mask)) break;
        }
        return first;
      }
      if (read >= bits) break;
      byte = this.byte();
    }
    throw malformed(at, `a signed number of ${bits} bits`);
  }

  /** Reads a length and returns a reader of that many bytes, which are skipped here. */
  part(): WasmReader {
    const length = this.u32();
    const start = this.at;
    this.skip(length);
    return new WasmReader(this.bytes, start, this.at);
  }

  /** Reads a name. */
  name(): string {
    const { at, end } = this.part();
    return Buffer.from(this.bytes.buffer, this.bytes.byteOffset + at, end - at).toString("utf8");
  }

  /** Reads a count, then as many entries. */
  each(read: () => void): number {
    const count = this.u32();
    for (let index = 0; index < count; index++) read();
    return count;
  }

  /** Reads an alignment and an offset. */
  memoryArgument(): void {
    const { at } = this;
    // A larger one would name a memory, or be wrong.
    if (this.u32() > ALIGNMENT_MAX) throw unsupported(at, "a memory that is named");
    this.u32();
  }

  /** Rejects whatever follows the last entry. */
  finish(): void {
    if (!this.isDone) throw malformed(this.at, "the end of its section");
  }
}

/** Reads the type of a value. */
export function valueType(reader: WasmReader): void {
  const { at } = reader;
  const type = reader.byte();
  if (type < VALUE_TYPE.f64 || type > VALUE_TYPE.i32) throw unsupported(at, `a value of type 0x${type.toString(16)}`);
}

/** Reads the type of a structure: nothing, one value, or the index of a type. */
export function blockType(reader: WasmReader): void {
  const { at } = reader;
  const first = reader.skipSigned(33);
  const isIndex = first >= CONTINUES || first < SIGN;
  if (!isIndex && first !== EMPTY_BLOCK && (first < VALUE_TYPE.f64 || first > VALUE_TYPE.i32)) {
    throw unsupported(at, `a block of type 0x${first.toString(16)}`);
  }
}

export function malformed(at: number, expected: string): BundleError {
  return new BundleError("wasm_invalid", { file: "policy.wasm", expected: `${expected} at byte ${at}` });
}

export function unsupported(at: number, found: string): BundleError {
  return new BundleError("wasm_unsupported", { file: "policy.wasm", found: `${found} at byte ${at}` });
}

/** Returns a number as unsigned LEB128. */
export function encodeU32(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  do {
    const low = rest % 128;
    rest = Math.floor(rest / 128);
    bytes.push(rest > 0 ? low | CONTINUES : low);
  } while (rest > 0);
  return bytes;
}

/** Returns a number that isn't negative as signed LEB128. */
export function encodeSigned(value: number): number[] {
  const bytes = encodeU32(value);
  const last = bytes.length - 1;
  const byte = bytes[last] ?? 0;
  // Its highest bit would be read as a sign.
  if ((byte & SIGN) !== 0) bytes.splice(last, 1, byte | CONTINUES, 0);
  return bytes;
}
