/** Finds what was too large for a record among the lines beside its segment, which are in the order of the records. */
import { hash } from "node:crypto";
import { closeSync, openSync, readSync } from "node:fs";
import { join } from "node:path";
import { besideName } from "../segments.js";

const NEWLINE = 0x0a;
const CHUNK_BYTES = 256 * 1024;
/** What stands beside one record is made of one request and of facts, and is far smaller; a line that is longer is damage. */
const LINE_BYTES_MAX = 64 * 1024 * 1024;

export class BesideReader {
  readonly #folder: string;
  #segment: string | null = null;
  #file: number | null = null;
  /** Where the next line begins. */
  #offset = 0;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /**
   * Lines that no record names are passed over. Soonest where records are asked for in their order.
   * @param digest `sha256:` and hex
   * @returns null where the file has no such line
   */
  find(segment: string, { digest, bytes }: { digest: string; bytes: number }): string | null {
    this.#open(segment);
    if (this.#file === null || bytes > LINE_BYTES_MAX) return null;
    for (const from of this.#offset === 0 ? [0] : [this.#offset, 0]) {
      for (const { line, next } of linesOf(this.#file, from)) {
        if (line.length !== bytes || `sha256:${hash("sha256", line)}` !== digest) continue;
        this.#offset = next;
        return line.toString();
      }
    }
    return null;
  }

  close(): void {
    if (this.#file !== null) closeSync(this.#file);
    this.#file = null;
    this.#segment = null;
  }

  #open(segment: string): void {
    if (this.#segment === segment) return;
    this.close();
    this.#segment = segment;
    this.#offset = 0;
    try {
      this.#file = openSync(join(this.#folder, besideName(segment)), "r");
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== "ENOENT") throw cause;
    }
  }
}

function* linesOf(file: number, from: number): Generator<{ line: Buffer; next: number }> {
  let kept: Buffer[] = [];
  let keptBytes = 0;
  let offset = from;
  for (;;) {
    const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
    const read = readSync(file, chunk, 0, chunk.length, offset);
    if (read === 0) return;
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0 && end < read; end = chunk.indexOf(NEWLINE, start)) {
      yield { line: Buffer.concat([...kept, chunk.subarray(start, end)]), next: offset + end + 1 };
      kept = [];
      keptBytes = 0;
      start = end + 1;
    }
    kept.push(chunk.subarray(start, read));
    keptBytes += read - start;
    if (keptBytes > LINE_BYTES_MAX) return;
    offset += read;
  }
}
