/** What stands beside a segment: lines that its records name by their digest, in about the order of the records. */
import { createHash } from "node:crypto";
import { closeSync, existsSync, openSync, readSync } from "node:fs";
import type { Beside } from "./line.js";

const CHUNK_BYTES = 1024 * 1024;
const NEWLINE = 0x0a;

/** Read no further than what was looked for, and each line once, however long it is. */
export class BesideFile {
  readonly #path: string;
  /** By digest, the length of each line. */
  readonly #seen = new Map<string, number>();
  #file: { descriptor: number; chunk: Buffer } | null = null;
  #offset = 0;
  #line = createHash("sha256");
  #lineBytes = 0;

  constructor(path: string) {
    this.#path = path;
  }

  /** @returns null where it is there; otherwise what is wrong */
  find({ digest, bytes }: Beside): string | null {
    while (!this.#seen.has(digest))
      if (!this.#readOn()) return "what stands beside it is not there, or not what it was";
    const found = this.#seen.get(digest);
    return found === bytes ? null : `what stands beside it has ${found ?? 0} bytes, and the record says ${bytes}`;
  }

  close(): void {
    if (this.#file !== null) closeSync(this.#file.descriptor);
    this.#file = null;
  }

  #readOn(): boolean {
    if (this.#file === null && !existsSync(this.#path)) return false;
    this.#file ??= { descriptor: openSync(this.#path, "r"), chunk: Buffer.allocUnsafe(CHUNK_BYTES) };
    const { descriptor, chunk } = this.#file;
    const read = readSync(descriptor, chunk, 0, CHUNK_BYTES, this.#offset);
    const bytes = chunk.subarray(0, read);
    this.#offset += read;
    let start = 0;
    for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, start)) {
      this.#line.update(bytes.subarray(start, end));
      this.#seen.set(`sha256:${this.#line.digest("hex")}`, this.#lineBytes + end - start);
      this.#line = createHash("sha256");
      this.#lineBytes = 0;
      start = end + 1;
    }
    this.#line.update(bytes.subarray(start));
    this.#lineBytes += read - start;
    return read > 0;
  }
}
