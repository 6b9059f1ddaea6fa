/** What was too large for the records of a segment: canonical lines beside it, found by their digest. */
import { createHash } from "node:crypto";
import { closeSync, existsSync, openSync, readSync } from "node:fs";
import { join } from "node:path";

const CHUNK_BYTES = 1024 * 1024;
const NEWLINE = 0x0a;

interface Place {
  offset: number;
  bytes: number;
}

/** Of one segment at a time, since records are read in order: where each line is, and not what it says. */
export class BesideLines {
  readonly #folder: string;
  #segment: string | null = null;
  #file: number | null = null;
  #places = new Map<string, Place>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** The line of this digest beside `segment`; null where there is none. */
  find(segment: string, digest: string): string | null {
    if (segment !== this.#segment) this.#open(segment);
    const place = this.#places.get(digest);
    if (place === undefined || this.#file === null) return null;
    const bytes = Buffer.alloc(place.bytes);
    for (let read = 0; read < bytes.length;) {
      const more = readSync(this.#file, bytes, read, bytes.length - read, place.offset + read);
      if (more === 0) return null;
      read += more;
    }
    return bytes.toString("utf8");
  }

  close(): void {
    if (this.#file !== null) closeSync(this.#file);
    this.#file = null;
    this.#segment = null;
    this.#places = new Map();
  }

  #open(segment: string): void {
    this.close();
    this.#segment = segment;
    const path = join(this.#folder, segment.replace(/\.jsonl$/, ".beside"));
    if (!existsSync(path)) return;
    this.#file = openSync(path, "r");
    const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
    let hash = createHash("sha256");
    let place: Place = { offset: 0, bytes: 0 };
    for (let at = 0; ;) {
      const read = readSync(this.#file, chunk, 0, CHUNK_BYTES, at);
      if (read === 0) return;
      let start = 0;
      for (let end = chunk.indexOf(NEWLINE); end >= 0 && end < read; end = chunk.indexOf(NEWLINE, start)) {
        hash.update(chunk.subarray(start, end));
        place.bytes += end - start;
        this.#places.set(`sha256:${hash.digest("hex")}`, place);
        hash = createHash("sha256");
        start = end + 1;
        place = { offset: at + start, bytes: 0 };
      }
      hash.update(chunk.subarray(start, read));
      place.bytes += read - start;
      at += read;
    }
  }
}
