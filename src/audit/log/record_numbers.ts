/** Records by the numbers that they say themselves: where lines are missing or too many, those behind them aren't where they were. */
import { statSync } from "node:fs";
import { join } from "node:path";
import { LineTooLong, readLines, segmentsOf, type Line } from "./record_lines.js";

export interface Numbered extends Line {
  /** Record in the line. */
  record: unknown;
}

/** The first record of a segment, and of the one behind it; Infinity behind the last. */
export interface RecordNumbers {
  first: number;
  end: number;
}

export interface NumberedReading {
  folder: string;
  rangeOf: (segment: string) => RecordNumbers;
  /** The first of a segment, or the one that stands at `at`. */
  from: number;
  to: number;
  at?: { segment: string; offset: number } | undefined;
  chunk?: Buffer;
  /** Receives each line that is passed over. */
  passed?: ((line: Line) => void) | undefined;
}

/** Most records that are looked at behind one that comes too early: where one was altered, others can be as well. */
const LOOKED_AT = 16;

/**
 * The records from `from` on, up to `to`, in order. Lines that are no records are passed over, and so are records in the place of others:
 * those of another segment, and those with a number that doesn't lie between the ones before and behind.
 * @throws LineTooLong
 */
export function* numbered({ folder, rangeOf, from, to, at, chunk, passed }: NumberedReading): Generator<Numbered, void, undefined> {
  let [next, segment] = [from, ""];
  let range: RecordNumbers = { first: from, end: Infinity };
  for (const line of readLines(folder, from, Infinity, at, chunk)) {
    if (line.segment !== segment) {
      segment = line.segment;
      range = rangeOf(segment);
      if (range.first > to) return;
      next = Math.max(next, range.first);
    }
    const record = parse(line.bytes.toString("utf8"));
    const seq = numberOf(record);
    // One whose number was altered would hide all up to there.
    if (seq === null || seq < next || seq >= range.end || (seq > next && !isGap(folder, line, range, next, seq))) {
      passed?.(line);
      continue;
    }
    if (seq > to) return;
    yield { ...line, seq, record };
    next = seq + 1;
  }
}

/** The records from `from` on, as `numbered` has them, of a folder as it is now. */
export function* numberedIn({
  folder,
  from,
  passed,
}: Pick<NumberedReading, "folder" | "from" | "passed">): Generator<Numbered, void, undefined> {
  const firsts = segmentsOf(folder).map(({ first }) => first);
  const rangeOf = (segment: string): RecordNumbers => {
    const first = parseInt(segment, 10);
    return { first, end: firsts.find((other) => other > first) ?? Infinity };
  };
  // Where in its segment a record is, only the segment says, from its beginning on.
  const begin = firsts.findLast((first) => first <= from) ?? from;
  for (const line of numbered({ folder, rangeOf, from: begin, to: Infinity, passed })) if (line.seq >= from) yield line;
}

/** Returns true if the records from `next` up to a record can be missing: its segment has room for them, and none of them is behind it. */
function isGap(folder: string, { bytes, segment, offset }: Line, range: RecordNumbers, next: number, seq: number): boolean {
  // Behind the last segment there is nothing to hold a number against, and each record takes many bytes.
  if (range.end === Infinity && seq - range.first >= statSync(join(folder, segment)).size) return false;
  let looked = 0;
  try {
    for (const line of readLines(folder, seq, Infinity, { segment, offset: offset + bytes.length + 1 })) {
      const other = numberOf(parse(line.bytes.toString("utf8")));
      if (other === null) continue;
      if (other >= next && other <= seq) return false;
      if (++looked === LOOKED_AT) break;
    }
  } catch (cause) {
    // Whoever gets there is told of it.
    if (!(cause instanceof LineTooLong)) throw cause;
  }
  return true;
}

function numberOf(record: unknown): number | null {
  const seq = (record as { seq?: unknown } | null)?.seq;
  return typeof seq === "number" && Number.isSafeInteger(seq) ? seq : null;
}

/** Null for what is no JSON. */
export function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
