/** Gaps of the records within the period, and why: without them, nothing found would pass for nothing done. */
import type { Gap } from "./report.js";

const GAPS_MAX = 500;
/** A log that ends this near the period's end covers it: agents needn't act each hour. */
const NEAR_MS = 86_400_000;

export class Coverage {
  readonly #from: number;
  readonly #to: number;
  readonly #gaps: Gap[] = [];
  #leftOff = 0;
  #next: number | null = null;
  #firstMs: number | null = null;
  #lastMs: number | null = null;
  #running = false;
  #dropped = 0;

  constructor(from_ms: number, to_ms: number) {
    [this.#from, this.#to] = [from_ms, to_ms];
  }

  /** Records up to this one are no longer there. */
  dropped(to: number): void {
    this.#dropped = to;
  }

  line(seq: number, time_ms: number, within: boolean): void {
    const expected = this.#next ?? seq;
    if (seq > expected && within) {
      const records = seq - expected;
      this.#add({
        what: "missing",
        from: expected,
        to: seq - 1,
        time: null,
        records,
        says: "the records' numbers skip: somebody took them away",
      });
    }
    this.#next = seq + 1;
    if (Number.isNaN(time_ms)) return;
    this.#firstMs ??= time_ms;
    this.#lastMs = Math.max(this.#lastMs ?? time_ms, time_ms);
  }

  unreadable(seq: number, why: string, within: boolean): void {
    const last = this.#gaps.at(-1);
    if (last?.what === "unreadable" && last.to === seq - 1 && last.says === why) {
      last.to = seq;
      last.records = (last.records ?? 0) + 1;
    } else if (within) this.#add({ what: "unreadable", from: seq, to: seq, time: null, records: 1, says: why });
  }

  lost(seq: number, time: string, count: unknown): void {
    const records = typeof count === "number" ? count : null;
    this.#add({
      what: "lost",
      from: seq,
      to: seq,
      time,
      records,
      says: "answered for, and never on disk: the log's durability was relaxed",
    });
  }

  service(seq: number, time: string, change: string, durability: string, within: boolean): void {
    const started = change === "started";
    if (started && this.#running && within) {
      const says =
        durability === "relaxed"
          ? "the service ended without a word, and with relaxed durability the last decisions before this start may be lost"
          : "the service ended without a word before this start; what it had answered for is on record";
      this.#add({ what: "ended", from: seq, to: seq, time, records: durability === "relaxed" ? null : 0, says });
    }
    this.#running = started;
  }

  gaps(): { gaps: Gap[]; left_off: number } {
    const [first, last] = [this.#firstMs, this.#lastMs];
    const around: Gap[] = [];
    const gap = (what: Gap["what"], time: number | null, says: string, records: number | null = null): void => {
      around.push({ what, from: null, to: null, time: time === null ? null : new Date(time).toISOString(), records, says });
    };
    if (first === null) gap("empty", null, "there is no record that says when it was");
    else if (this.#dropped > 0 && first > this.#from) {
      const to = this.#dropped;
      around.push({
        what: "dropped",
        from: 1,
        to,
        time: new Date(first).toISOString(),
        records: to,
        says: "retention dropped what was before this time",
      });
    } else if (first >= this.#to) gap("empty", first, "the log begins then: there is no record of the period");
    if (last !== null && last < this.#to - NEAR_MS) gap("early", last, "the log ends then: a copy of it, or nothing happened since");
    // A service that ended and lost nothing is no gap in what is known.
    const real = this.#gaps.filter(({ records }) => records !== 0);
    return { gaps: [...around, ...real], left_off: this.#leftOff };
  }

  #add(gap: Gap): void {
    if (this.#gaps.length < GAPS_MAX) this.#gaps.push(gap);
    else this.#leftOff++;
  }
}
