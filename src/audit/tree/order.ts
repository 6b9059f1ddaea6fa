/**
 * Which record each line is, where they don't stand in order: a line that is out of place is judged by the one behind it, so
 * that one that was dropped, put in or moved doesn't make all that follow look altered.
 */
import { records, type Damage } from "./damage.js";
import { ENTRY_BYTES_MAX, type Hash } from "./hash.js";

interface Line {
  seq: number | null;
  /** Null: it is too long to be a leaf. */
  leaf: Hash | null;
}

type Odd =
  | { kind: "missing"; from: number; to: number }
  /** A line between `before - 1` and `before` that is neither. */
  | { kind: "extra"; before: number; says: number | null; twice: boolean }
  /** A line where another record should stand. */
  | { kind: "instead"; of: number; says: number | null }
  /** A line in its place that no record can be. */
  | { kind: "too_long"; at: number };

/**
 * Receives each record in order, whichever line has it; null if no line does, and then of several at once, or if its line can't be a leaf.
 */
export type Accept = (from: number, to: number, leaf: Hash | null) => void;

/** More are not worth telling apart. */
const ODD_MAX = 1000;

export class Order {
  readonly #accept: Accept;
  readonly #size: number;
  readonly #odd: Odd[] = [];
  #next = 1;
  #last: Line | null = null;
  #pending: Line | null = null;
  #lines = 0;

  /** @param size number of records by the log's own checkpoint, to tell which end of the log is odd */
  constructor(size: number, accept: Accept) {
    this.#size = size;
    this.#accept = accept;
  }

  /** The record that should come next. */
  get next(): number {
    return this.#next;
  }

  /** Accepts the next line. @returns true if the line stands in its place, and nothing odd before it waits for it */
  take(line: Line): boolean {
    this.#lines++;
    if (this.#pending !== null) this.#judge(this.#pending, line.seq);
    this.#pending = null;
    if (line.seq === this.#next) {
      this.#keep(line);
      return true;
    }
    this.#pending = line;
    return false;
  }

  /** A file begins with this record, by its name. */
  begin(first: number): void {
    if (this.#pending !== null) this.#judge(this.#pending, first);
    this.#pending = null;
    if (first > this.#next) this.#miss(this.#next, first - 1);
  }

  end(): void {
    const line = this.#pending;
    this.#pending = null;
    if (line === null) return;
    // With as many lines as there should be, it stands in for the last one.
    const isLast = this.#lines === this.#size && this.#next === this.#size;
    this.#judge(line, isLast ? this.#next + 1 : null);
  }

  get damage(): Damage[] {
    return worded(paired(this.#odd));
  }

  /** Judges a line by the next one. @param behind number of the next line's record; null: there is no next line, or it has no number */
  #judge(line: Line, behind: number | null): void {
    const { seq } = line;
    const next = this.#next;
    if (behind !== next && seq !== null && seq > next && (behind === null || behind === seq + 1)) {
      this.#miss(next, seq - 1);
      this.#keep(line);
    } else if (behind === next || (behind === null && seq !== null && seq < next)) {
      this.#note({
        kind: "extra",
        before: next,
        says: seq,
        twice: seq === this.#last?.seq && line.leaf !== null && line.leaf === this.#last.leaf,
      });
    } else {
      this.#note({ kind: "instead", of: next, says: seq });
      this.#accept(next, next, line.leaf);
      this.#next++;
    }
  }

  #keep(line: Line): void {
    if (line.leaf === null) this.#note({ kind: "too_long", at: this.#next });
    this.#accept(this.#next, this.#next, line.leaf);
    this.#last = line;
    this.#next++;
  }

  #miss(from: number, to: number): void {
    this.#note({ kind: "missing", from, to });
    this.#accept(from, to, null);
    this.#next = to + 1;
  }

  #note(odd: Odd): void {
    if (this.#odd.length < ODD_MAX) this.#odd.push(odd);
  }
}

/** Two oddities that are one: a record that is missing in its place and stands elsewhere. */
function paired(odd: readonly Odd[]): (Odd | { kind: "swapped"; a: number; b: number })[] {
  const told: ReturnType<typeof paired> = [];
  const done = new Set<Odd>();
  for (const one of odd) {
    if (done.has(one)) continue;
    const other = odd.find((candidate) => candidate !== one && !done.has(candidate) && makesPair(one, candidate));
    if (other === undefined) {
      told.push(one);
      continue;
    }
    done.add(other);
    if (one.kind === "instead") told.push({ kind: "swapped", a: one.of, b: one.says ?? one.of });
    else if (one.kind === "extra") told.push({ kind: "swapped", a: one.before, b: one.says ?? one.before });
  }
  return told;
}

function makesPair(one: Odd, other: Odd): boolean {
  if (one.kind === "instead") return other.kind === "instead" && one.says === other.of && other.says === one.of;
  return one.kind === "extra" && other.kind === "missing" && one.says === other.from && other.to === other.from;
}

function worded(odd: ReturnType<typeof paired>): Damage[] {
  return odd.map((one) => {
    switch (one.kind) {
      case "missing":
        return { kind: "dropped", from: one.from, to: one.to, message: `${records(one.from, one.to)}: not there` };
      case "extra":
        return {
          kind: "inserted",
          from: one.says === one.before - 1 ? one.says : one.before,
          to: one.before,
          message: `a line before record ${one.before} ${one.twice ? "is the record before it, once more" : says(one.says)}`,
        };
      case "instead":
        return {
          kind: one.says === null ? "unreadable" : "altered",
          from: one.of,
          to: one.of,
          message: `the line in the place of record ${one.of} ${says(one.says)}`,
        };
      case "too_long":
        return {
          kind: "unreadable",
          from: one.at,
          to: one.at,
          message: `record ${one.at}: the line in its place is longer than the ${ENTRY_BYTES_MAX} bytes that a record can have`,
        };
      case "swapped":
        return {
          kind: "swapped",
          from: Math.min(one.a, one.b),
          to: Math.max(one.a, one.b),
          message: `record ${one.b} stands in the place of record ${one.a}`,
        };
    }
  });
}

function says(seq: number | null): string {
  return seq === null ? "says of no record that it is it" : `says that it is record ${seq}`;
}
