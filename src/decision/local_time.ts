/** Local time from the weeks that a bundle has of a zone: nobody's zone database is asked. */
import { WEEKS_BUCKET_MS, type Zone } from "../contract/index.js";

const DAY_MS = 24 * 60 * 60_000;
const WEEK_MS = 7 * DAY_MS;
/** 1970-01-05, the first Monday after the epoch. */
const MONDAY_MS = 4 * DAY_MS;

/**
 * Returns the milliseconds to add to a moment for what clocks show then: more than minus half a week, and at most half a week. 0 if the
 * zone's weeks don't reach it.
 */
export function offsetOf(zone: Zone | undefined, ms: number): number {
  const weeks = zone?.weeks[Math.floor(ms / WEEKS_BUCKET_MS) - zone.first];
  if (weeks === undefined) return 0;
  for (const [since, until, began] of weeks) {
    if (ms < since || ms >= until) continue;
    // A week of clocks begins on a Monday at 00:00, as they show it.
    const late = (((began - MONDAY_MS) % WEEK_MS) + WEEK_MS) % WEEK_MS;
    return late === 0 ? 0 : late < WEEK_MS / 2 ? -late : WEEK_MS - late;
  }
  return 0;
}
