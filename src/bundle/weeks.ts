/** Local weeks of a zone, from the moments at which its offset changes. */
import { WEEKS_BUCKET_MS, type LocalWeek, type Zone } from "../contract/policy.js";
import { DAY_MS, WEEK_MS } from "./hours.js";

/** 1970-01-01 was a Thursday, and a week begins on Monday. */
const EPOCH_OF_WEEK_MS = 3 * DAY_MS;

/** Milliseconds east of Greenwich, from a moment on. */
export interface ZoneOffset {
  since: number;
  east: number;
}

/** Returns the weeks that these offsets make, from the first one's moment to `endMs`. */
export function weeksOf(offsets: readonly ZoneOffset[], endMs: number): Zone {
  return inBuckets(offsets.flatMap(({ since, east }, i) => localWeeks(since, offsets[i + 1]?.since ?? endMs, east)));
}

/** The weeks that an offset of `east` milliseconds makes between two moments; the first is under way, the last may be cut. */
function localWeeks(from: number, to: number, east: number): LocalWeek[] {
  const found: LocalWeek[] = [];
  const ofEpoch = EPOCH_OF_WEEK_MS + east;
  for (let began = Math.floor((from + ofEpoch) / WEEK_MS) * WEEK_MS - ofEpoch; began < to; began += WEEK_MS) {
    found.push([Math.max(from, began), Math.min(to, began + WEEK_MS), began]);
  }
  return found;
}

function inBuckets(all: readonly LocalWeek[]): Zone {
  const first = Math.floor((all[0]?.[0] ?? 0) / WEEKS_BUCKET_MS);
  const weeks: LocalWeek[][] = [];
  for (const [since, until, began] of all) {
    for (let from = since; from < until;) {
      const bucket = Math.floor(from / WEEKS_BUCKET_MS);
      const to = Math.min(until, (bucket + 1) * WEEKS_BUCKET_MS);
      (weeks[bucket - first] ??= []).push([from, to, began]);
      from = to;
    }
  }
  return { first, weeks };
}
