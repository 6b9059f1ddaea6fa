/** Lines beside the records of a segment, for what was too large for a record, which names its line by a digest. */
import { createHash } from "node:crypto";
import { closeSync, existsSync, readSync } from "node:fs";
import { join } from "node:path";
import { naming, openRegular } from "../../system/read_file.js";
import { besideName } from "./segments.js";

const CHUNK_BYTES = 1024 * 1024;
const NEWLINE = 0x0a;
/** Most bytes of a line: a line beside one record is made from one request and from facts, and is far smaller; a longer line is damage. */
const LINE_BYTES_MAX = 64 * 1024 * 1024;

/** Digest and length of a line, as a record names them. */
export interface LineReference {
  /** `sha256:` and hex. */
  digest: string;
  bytes: number;
}

/** Place of a line, in bytes of its file. */
export interface BesidePlace {
  offset: number;
  bytes: number;
}

/**
 * Reads the lines beside one segment at a time, since records are read in order. Each line is read once, and no further than to the line
 * that is looked for: the file may be growing. Lines that no record names belong to records that were refused.
 */
export class BesideLines {
  readonly #folder: string;
  #segment: string | null = null;
  #file: number | null = null;
  #chunk: Buffer | null = null;
  /** Places of lines, by digest. */
  #places = new Map<string, BesidePlace>();
  /** Place up to which it was read, and the line that goes on there. */
  #offset = 0;
  #line = createHash("sha256");
  #lineOffset = 0;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Returns the place of the line with this digest; null if no line has it. */
  placeOf(segment: string, { digest }: Pick<LineReference, "digest">): Readonly<BesidePlace> | null {
    return this.#find(segment, digest);
  }

  /** Returns the length in bytes of the line with this digest; null if no line has it. */
  bytesOf(segment: string, { digest }: LineReference): number | null {
    return this.#find(segment, digest)?.bytes ?? null;
  }

  /** Returns the line that a record names; null if no line has this digest and length. */
  text(segment: string, { digest, bytes }: LineReference): string | null {
    const place = this.#find(segment, digest);
    if (place === null || this.#file === null || place.bytes !== bytes || bytes > LINE_BYTES_MAX) return null;
    const line = Buffer.alloc(bytes);
    for (let read = 0; read < bytes;) {
      const more = readSync(this.#file, line, read, bytes - read, place.offset + read);
      if (more === 0) return null;
      read += more;
    }
    return line.toString("utf8");
  }

  close(): void {
    if (this.#file !== null) closeSync(this.#file);
    this.#file = null;
    this.#segment = null;
    this.#places = new Map();
    this.#offset = 0;
    this.#line = createHash("sha256");
    this.#lineOffset = 0;
  }

  #find(segment: string, digest: string): BesidePlace | null {
    if (segment !== this.#segment) {
      this.close();
      this.#segment = segment;
    }
    while (!this.#places.has(digest)) if (!this.#readOn(segment)) return null;
    return this.#places.get(digest) ?? null;
  }

  #readOn(segment: string): boolean {
    const path = join(this.#folder, besideName(segment));
    if (this.#file === null) {
      if (!existsSync(path)) return false;
      this.#file = openRegular(path);
    }
    const file = this.#file;
    const chunk = (this.#chunk ??= Buffer.allocUnsafe(CHUNK_BYTES));
    const read = naming(path, () => readSync(file, chunk, 0, CHUNK_BYTES, this.#offset));
    const bytes = chunk.subarray(0, read);
    let start = 0;
    for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, start)) {
      this.#line.update(bytes.subarray(start, end));
      const offset = this.#lineOffset;
      this.#places.set(`sha256:${this.#line.digest("hex")}`, { offset, bytes: this.#offset + end - offset });
      this.#line = createHash("sha256");
      start = end + 1;
      this.#lineOffset = this.#offset + start;
    }
    this.#line.update(bytes.subarray(start));
    this.#offset += read;
    return read > 0;
  }
}
