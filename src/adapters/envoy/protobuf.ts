/**
 * Protocol Buffers on the wire (https://protobuf.dev/programming-guides/encoding), for messages that are declared as tables of their
 * fields. What has more than one reading is refused: a field of another wire type than its own, a number of more bits than it has, a
 * group (proto3 has none). Fields that aren't declared are skipped; of one that comes twice the last counts.
 */

/** A varint, eight bytes, a length and as many bytes. */
type WireType = 0 | 1 | 2;

/** What a field holds. */
export interface Kind<T> {
  wire: WireType;
  /** @param before what the same field has held already @throws RangeError */
  read(from: Wire, before: T | undefined): T;
  /** @param tag of the field @returns a character a byte: short texts are put together in less time than short buffers */
  write(tag: string, value: T): string;
}

/** Messages within messages, as deep as any reader goes. */
const DEPTH_MAX = 100;
/** https://protobuf.dev/programming-guides/encoding/#varints: ten bytes hold 64 bits. */
const VARINT_BYTES_MAX = 10;

const SHORT = "less than was announced";

/** Bytes that are read from their beginning to their end, or to that of the message within them. */
export class Wire {
  readonly #bytes: Buffer;
  #at = 0;
  #end: number;
  #depth = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
    this.#end = bytes.length;
  }

  get whole(): Buffer {
    return this.#bytes;
  }

  get at(): number {
    return this.#at;
  }

  get isOver(): boolean {
    return this.#at >= this.#end;
  }

  /** @throws RangeError for more than 32 bits */
  uint32(): number {
    const bytes = this.#bytes;
    let value = 0;
    for (let shift = 0; this.#at < this.#end; shift += 7) {
      const byte = bytes[this.#at++] as number;
      if (shift === 28 && byte > 0x0f) throw new RangeError("more than 32 bits");
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
    throw new RangeError(SHORT);
  }

  /** As a double, so beyond 2^53 the nearest that there is. */
  int64(): number {
    let [low, high] = [0, 0];
    for (let i = 0; i < VARINT_BYTES_MAX; i++) {
      const byte = this.#byte();
      if (i === VARINT_BYTES_MAX - 1 && byte > 1) break;
      const bits = byte & 0x7f;
      if (i < 5) low |= bits << (7 * i);
      if (i === 4) high = bits >>> 4;
      if (i > 4) high |= bits << (7 * i - 32);
      if (byte < 0x80) return (high | 0) * 2 ** 32 + (low >>> 0);
    }
    throw new RangeError("more than 64 bits");
  }

  /** What is below 0 has 64 bits on the wire. @throws RangeError for what is none of 32 */
  int32(): number {
    const value = this.int64();
    if (value !== (value | 0)) throw new RangeError("more than 32 bits");
    return value;
  }

  double(): number {
    return this.#bytes.readDoubleLE(this.#past(8));
  }

  text(): string {
    const at = this.place();
    return this.#bytes.toString("utf8", at, this.#at);
  }

  bytes(): Buffer {
    const at = this.place();
    return this.#bytes.subarray(at, this.#at);
  }

  /** @returns where what has its length before it begins: it ends where this is then */
  place(): number {
    const length = this.uint32();
    return this.#past(length);
  }

  /** Whatever stands behind the tag. @throws RangeError for a group, and what is none */
  skip(tag: number): void {
    switch (tag & 7) {
      case 0:
        this.int64();
        break;
      case 1:
        this.#past(8);
        break;
      case 2:
        this.#past(this.uint32());
        break;
      case 5:
        this.#past(4);
        break;
      default:
        throw new RangeError(`wire type ${tag & 7}`);
    }
  }

  /** Into what has its length before it, which is all that there is then. @returns what `leave` takes */
  enter(): number {
    const length = this.uint32();
    const end = this.#end;
    if (length > end - this.#at) throw new RangeError(SHORT);
    if (++this.#depth > DEPTH_MAX) throw new RangeError("too deep");
    this.#end = this.#at + length;
    return end;
  }

  /** Behind it, once it is over. */
  leave(end: number): void {
    this.#end = end;
    this.#depth--;
  }

  #byte(): number {
    return this.#bytes[this.#past(1)] as number;
  }

  /** @returns where it was */
  #past(length: number): number {
    const at = this.#at;
    if (length > this.#end - at) throw new RangeError(SHORT);
    this.#at = at + length;
    return at;
  }
}

const CHARS = Array.from({ length: 0x80 }, (_, code) => String.fromCharCode(code));
/** U+0000 to U+007F. */

const ASCII = /^[\x00-\x7f]*$/;

/** @param value an integer from 0 to 2^53 - 1 */
function varint(value: number): string {
  let written = "";
  let rest = value;
  for (; rest > 0x7f; rest = Math.floor(rest / 0x80)) written += String.fromCharCode(0x80 | (rest % 0x80));
  return written + (CHARS[rest] ?? "");
}

function sized(body: string): string {
  return varint(body.length) + body;
}

export const text: Kind<string> = {
  wire: 2,
  read: (from) => from.text(),
  write: (tag, value) => tag + sized(ASCII.test(value) ? value : Buffer.from(value).toString("latin1")),
};

export const bytes: Kind<Buffer> = {
  wire: 2,
  read: (from) => from.bytes(),
  write: (tag, value) => tag + sized(value.toString("latin1")),
};

export const bool: Kind<boolean> = {
  wire: 0,
  read: (from) => from.uint32() !== 0,
  write: (tag, value) => tag + varint(Number(value)),
};

const writeInteger = (tag: string, value: number): string => tag + varint(value);
/** Of these none below 0 is written. */
export const uint32: Kind<number> = { wire: 0, read: (from) => from.uint32(), write: writeInteger };
export const int32: Kind<number> = { wire: 0, read: (from) => from.int32(), write: writeInteger };
export const int64: Kind<number> = { wire: 0, read: (from) => from.int64(), write: writeInteger };

const eight = Buffer.alloc(8);
export const double: Kind<number> = {
  wire: 1,
  read: (from) => from.double(),
  write(tag, value) {
    eight.writeDoubleLE(value);
    return tag + eight.toString("latin1");
  },
};

export function list<T>(of: Kind<T>): Kind<T[]> {
  return {
    wire: of.wire,
    read(from, before = []) {
      before.push(of.read(from, undefined));
      return before;
    },
    write: (tag, values) => values.reduce((written, value) => written + of.write(tag, value), ""),
  };
}

const KEY = 0x0a;
const VALUE = 0x12;

/** An entry of a map is a message of its own. @param read what stands at one of its two tags */
function readEntry(from: Wire, read: (tag: typeof KEY | typeof VALUE) => void): void {
  const end = from.enter();
  while (!from.isOver) {
    const tag = from.uint32();
    if (tag === KEY || tag === VALUE) read(tag);
    else if (tag >>> 3 === KEY >>> 3 || tag >>> 3 === VALUE >>> 3) throw new RangeError("no entry of a map");
    else from.skip(tag);
  }
  from.leave(end);
}

function writeEntry<T>(tag: string, key: string, of: Kind<T>, value: T): string {
  return tag + sized(text.write(varint(KEY), key) + of.write(varint(VALUE), value));
}

/** A map of texts, of which only those are made that are asked for: of many headers few are. */
export class Texts {
  readonly #bytes: Buffer;
  /** Of each entry where its key begins and ends, and its value. */
  readonly #places: number[] = [];

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  read(from: Wire): void {
    let [key, keyEnd, value, valueEnd] = [0, 0, 0, 0];
    readEntry(from, (tag) => {
      const at = from.place();
      if (tag === KEY) [key, keyEnd] = [at, from.at];
      else [value, valueEnd] = [at, from.at];
    });
    this.#places.push(key, keyEnd, value, valueEnd);
  }

  /** Of several under one key the last counts. */
  get(key: string): string | undefined {
    const length = Buffer.byteLength(key);
    for (let i = this.#places.length - 4; i >= 0; i -= 4) {
      if (this.#length(i) === length && this.#text(i) === key) return this.#text(i + 2);
    }
    return undefined;
  }

  /** In the order in which they came. */
  entries(): [key: string, value: string][] {
    const found: [string, string][] = [];
    for (let i = 0; i < this.#places.length; i += 4) found.push([this.#text(i), this.#text(i + 2)]);
    return found;
  }

  #length(place: number): number {
    return (this.#places[place + 1] ?? 0) - (this.#places[place] ?? 0);
  }

  #text(place: number): string {
    return this.#bytes.toString("utf8", this.#places[place], this.#places[place + 1]);
  }
}

export const texts: Kind<Texts> = {
  wire: 2,
  read(from, before = new Texts(from.whole)) {
    before.read(from);
    return before;
  },
  write: (tag, value) => value.entries().map(([key, one]) => writeEntry(tag, key, text, one)).join(""),
}; // prettier-ignore

/** Of messages by texts. */
export function map<T>(of: Kind<T>): Kind<Record<string, T>> {
  return {
    wire: 2,
    read(from, before = Object.create(null) as Record<string, T>) {
      let key = "";
      let value: T | undefined;
      readEntry(from, (tag) => {
        if (tag === KEY) key = from.text();
        else value = of.read(from, undefined);
      });
      if (value === undefined) throw new RangeError("a key without a value");
      before[key] = value;
      return before;
    },
    write(tag, values) {
      let written = "";
      for (const [key, value] of Object.entries(values)) written += writeEntry(tag, key, of, value);
      return written;
    },
  };
}

type Fields = Readonly<Record<string, readonly [id: number, kind: Kind<unknown>]>>;
/** What wasn't sent isn't there. */
export type Message<F extends Fields> = {
  -readonly [N in keyof F]?: F[N][1] extends Kind<infer T> ? T | undefined : never;
};

/** @param fields in the order of their numbers, which is that in which they are written */
export function message<F extends Fields>(fields: F): Kind<Message<F>> {
  const { read, write } = codec(fields);
  return {
    wire: 2,
    read(from) {
      const end = from.enter();
      const found = read(from);
      from.leave(end);
      return found;
    },
    write: (tag, value) => tag + sized(write(value)),
  };
}

/** A message that nothing is around. */
export interface Whole<T> {
  /** @throws RangeError for bytes that are no such message */
  read: (bytes: Buffer) => T;
  write: (value: T) => Buffer;
}

export function whole<F extends Fields>(fields: F): Whole<Message<F>> {
  const { read, write } = codec(fields);
  return { read: (all) => read(new Wire(all)), write: (value) => Buffer.from(write(value), "latin1") };
}

/** A message that has itself in it, further down. */
export function later<T>(of: () => Kind<T>): Kind<T> {
  return { wire: 2, read: (from, before) => of().read(from, before), write: (tag, value) => of().write(tag, value) };
}

interface Codec<T> {
  read: (from: Wire) => T;
  write: (value: T) => string;
}

function codec<F extends Fields>(fields: F): Codec<Message<F>> {
  const all = Object.entries(fields).map(([name, [id, kind]]) => ({ name, id, kind, tag: varint((id << 3) | kind.wire) }));
  const byId: ((typeof all)[0] | undefined)[] = [];
  for (const field of all) byId[field.id] = field;
  return {
    read(from) {
      const found: Record<string, unknown> = {};
      while (!from.isOver) {
        const tag = from.uint32();
        const field = byId[tag >>> 3];
        if (field === undefined) from.skip(tag);
        else if (field.kind.wire !== (tag & 7)) throw new RangeError(`${field.name} of wire type ${tag & 7}`);
        else found[field.name] = field.kind.read(from, found[field.name]);
      }
      return found as Message<F>;
    },
    write(value) {
      let written = "";
      for (const { name, kind, tag } of all) {
        const given: unknown = value[name];
        if (given !== undefined) written += kind.write(tag, given);
      }
      return written;
    },
  };
} // prettier-ignore
