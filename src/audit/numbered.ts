/** Records by the numbers that they say themselves: where lines are missing or too many, those behind them aren't where they were. */
import { readLines, type Line } from "./reading.js";

export interface Numbered extends Line {
  /** What the line says. */
  record: unknown;
}

export interface Reading {
  folder: string;
  /** The first record of a segment, and of the one behind it. */
  rangeOf: (segment: string) => { first: number; end: number };
  /** The first of a segment, or the one that stands at `at`. */
  from: number;
  to: number;
  at?: { segment: string; offset: number } | undefined;
  chunk?: Buffer;
  /** Told of each line that is passed over. */
  passed?: (line: Line) => void;
}

/**
 * The records from `from` on, up to `to`, in order. Lines that are no records are passed over, and so are records in the place of others:
 * those of another segment, and those with a number that doesn't lie between the ones before and behind.
 * @throws LineTooLong
 */
export function* numbered({ folder, rangeOf, from, to, at, chunk, passed }: Reading): Generator<Numbered, void, undefined> {
  let [next, segment, end] = [from, "", Infinity];
  for (const line of readLines(folder, from, Infinity, at, chunk)) {
    if (line.segment !== segment) {
      segment = line.segment;
      const range = rangeOf(segment);
      if (range.first > to) return;
      next = Math.max(next, range.first);
      end = range.end;
    }
    const record = parse(line.bytes.toString("utf8"));
    const seq = numberOf(record);
    // One whose number was altered would hide all up to there.
    if (seq === null || seq < next || seq >= end || (seq > next && !goesOn(folder, line, seq))) {
      passed?.(line);
      continue;
    }
    if (seq > to) return;
    yield { ...line, seq, record };
    next = seq + 1;
  }
} // prettier-ignore

/** Whether the record behind a line has a higher number, or there is none. */
function goesOn(folder: string, { bytes, segment, offset }: Line, seq: number): boolean {
  const behind = { segment, offset: offset + bytes.length + 1 };
  for (const line of readLines(folder, seq, Infinity, behind)) {
    const next = numberOf(parse(line.bytes.toString("utf8")));
    if (next !== null) return next > seq;
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
