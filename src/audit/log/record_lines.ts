/** Reads the records of a log's folder, whether or not a service writes it: whole lines only, in order. */
import { closeSync, readSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { RECORD_BYTES_MAX } from "../../contract/index.js";
import { naming, openRegular } from "../../system/read_file.js";
import { segmentsIn } from "./files.js";

export const NEWLINE = 0x0a;
const CHUNK_BYTES = 1024 * 1024;
/** No record is as long; a line that is, is damage. */
const LINE_BYTES_MAX = 4 * RECORD_BYTES_MAX;
const TIME = Buffer.from('"time":"');
const TIME_LENGTH = "2026-11-01T00:00:00.000Z".length;

/** A record as it stands on the disk. */
export interface Line {
  /** Number of the record by its place: one more than the leaf's index. The number that the record itself has is `seq` in `bytes`. */
  seq: number;
  /** Without the newline. Valid until the next one is asked for: copy what is kept. */
  bytes: Buffer;
  segment: string;
  offset: number;
}

export class LineTooLong extends Error {
  override readonly name = "LineTooLong";

  constructor(
    readonly segment: string,
    readonly offset: number,
    readonly seq: number,
  ) {
    super(`${segment}: record ${seq} at byte ${offset} is longer than ${LINE_BYTES_MAX} bytes`);
  }
}

/** For who reads again and again: a chunk for each time would be dead memory until the next collection. */
export function lineChunk(): Buffer {
  return Buffer.allocUnsafeSlow(CHUNK_BYTES);
}

/** The segments of a folder, by the number of their first record. */
export function segmentsOf(folder: string): { name: string; first: number }[] {
  return segmentsIn({ list: () => readdirSync(folder) });
}

/**
 * Lines from record `from` on, up to `to` if given. A last line without its newline is left out: it is being written, or was torn. Segments
 * that don't begin where the one before ended are read anyway, by their own names.
 * @param at where to begin within the segment that contains `from`, if that is known
 * @param chunk buffer to read into: the reader's until it ends, and a line's bytes are in it until the next is requested
 * @throws LineTooLong
 */
export function* readLines(
  folder: string,
  from = 1,
  to = Infinity,
  at?: { segment: string; offset: number },
  chunk = lineChunk(),
): Generator<Line, void, undefined> {
  const segments = segmentsOf(folder);
  for (const [i, { name, first }] of segments.entries()) {
    const next = segments[i + 1]?.first ?? Infinity;
    if (next <= from) continue;
    if (first > to) return;
    const known = at?.segment === name;
    let seq = known ? from : first;
    let offset = known ? at.offset : 0;
    const path = join(folder, name);
    const file = openRegular(path);
    try {
      let kept = Buffer.alloc(0);
      for (;;) {
        const position = offset + kept.length;
        const read = naming(path, () => readSync(file, chunk, 0, chunk.length, position));
        if (read === 0) break;
        const bytes = kept.length === 0 ? chunk.subarray(0, read) : Buffer.concat([kept, chunk.subarray(0, read)]);
        let start = 0;
        for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, start)) {
          if (seq > to) return;
          if (seq >= from) yield { seq, bytes: bytes.subarray(start, end), segment: name, offset: offset + start };
          seq++;
          start = end + 1;
        }
        offset += start;
        kept = Buffer.from(bytes.subarray(start));
        if (kept.length > LINE_BYTES_MAX) throw new LineTooLong(name, offset, seq);
      }
    } finally {
      closeSync(file);
    }
  }
}

/**
 * Returns the time of a record, without parsing it: in canonical form nothing that could contain this stands behind it. Infinity if it has
 * none.
 */
export function timeIn(line: Buffer): number {
  const at = line.lastIndexOf(TIME) + TIME.length;
  const ms = Date.parse(line.toString("latin1", at, at + TIME_LENGTH));
  return Number.isNaN(ms) ? Infinity : ms;
}
