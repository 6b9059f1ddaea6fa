/** Single records of a log's folder, read from where they are. */
import { closeSync, existsSync, readSync } from "node:fs";
import { join } from "node:path";
import { openRegular } from "../system/read_file.js";
import { NEWLINE, segmentsOf } from "../audit/log/record_lines.js";
import { segmentName } from "../audit/log/segments.js";

/** Place of a line in its file, in bytes and without its newline. */
interface LinePlace {
  offset: number;
  length: number;
}

/** Files that stay open to be read from. */
const OPEN_MAX = 8;

/** Bytes that no line that is read can reach; a place that claims more is damaged. */
const LENGTH_MAX = 64 * 1024 * 1024;

/** Error: what was derived from the log disagrees with the log. */
export class Disagreement extends Error {
  override readonly name = "Disagreement";

  constructor(
    /** Record that isn't what was derived from it. */
    readonly seq: number,
    message: string,
  ) {
    super(message);
  }
}

/** A segment, by its first record, is no longer there. */
export class SegmentGone extends Error {
  override readonly name = "SegmentGone";
}

export class RecordLines {
  readonly #folder: string;
  readonly #files = new Map<string, number>();
  #firsts: number[] = [];
  /** A record that was there when the folder was last looked at, or before. */
  #seenTo = 0;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Returns the first record of the segment that holds this one. @throws SegmentGone */
  segmentOf(seq: number): number {
    const first = this.#holding(seq);
    if (first !== undefined && (first !== this.#firsts.at(-1) || seq <= this.#seenTo)) return first;
    // Others may have begun since, after all records that were there.
    this.#look();
    const found = this.#holding(seq);
    if (found === undefined) throw new SegmentGone(`there is no segment with record ${seq}`);
    this.#seenTo = Math.max(this.#seenTo, seq);
    return found;
  }

  /** A record's line, without its newline: a whole one, since part of one can look like a record. @throws Disagreement, SegmentGone */
  record(seq: number, { offset, length }: LinePlace): Buffer {
    const before = offset === 0 ? 0 : 1;
    const bytes = this.#read(segmentName(this.segmentOf(seq)), { offset: offset - before, length: before + length + 1 });
    if ((before > 0 && bytes[0] !== NEWLINE) || bytes[before + length] !== NEWLINE)
      throw new Disagreement(seq, `record ${seq} isn't at byte ${offset} of its segment`);
    return bytes.subarray(before, before + length);
  }

  close(): void {
    for (const name of this.#files.keys()) this.#close(name);
  }

  #holding(seq: number): number | undefined {
    return this.#firsts.findLast((first) => first <= seq);
  }

  #look(): void {
    const segments = segmentsOf(this.#folder);
    this.#firsts = segments.map(({ first }) => first);
    // What was dropped takes room for as long as it is open.
    const names = new Set(segments.map(({ name }) => name));
    for (const name of this.#files.keys()) if (!names.has(name)) this.#close(name);
  }

  #close(name: string): void {
    const file = this.#files.get(name);
    this.#files.delete(name);
    if (file !== undefined) closeSync(file);
  }

  #read(name: string, { offset, length }: LinePlace): Buffer {
    if (!(length >= 0 && length <= LENGTH_MAX && offset >= 0))
      throw new Disagreement(parseInt(name, 10), `${name} has no line of ${length} bytes at byte ${offset}`);
    const bytes = Buffer.alloc(length);
    const file = this.#open(name);
    for (let read = 0; read < length;) {
      const some = readSync(file, bytes, read, length - read, offset + read);
      if (some === 0) return bytes.subarray(0, read);
      read += some;
    }
    return bytes;
  }

  #open(name: string): number {
    let file = this.#files.get(name);
    if (file !== undefined) return file;
    for (const other of this.#files.keys()) {
      if (this.#files.size < OPEN_MAX) break;
      this.#close(other);
    }
    const path = join(this.#folder, name);
    if (!existsSync(path)) throw new SegmentGone(`${name} is not there`);
    file = openRegular(path);
    this.#files.set(name, file);
    return file;
  }
}
