const DATE_TIME = /^(\d{4})-(\d{2})-(\d{2})[Tt](\d{2}):(\d{2}):(\d{2})(\.\d{1,9})?(?:[Zz]|([+-])(\d{2}):(\d{2}))$/;

/**
 * Returns an RFC 3339 date-time (section 5.6) as milliseconds since the epoch; null if the text isn't a date-time or names a moment that
 * does not exist. A leap second (`:60`) is refused: POSIX time has no place for it.
 * @example
 * import assert from "node:assert/strict";
 * import { parseTime } from "@remit-pdp/contract";
 *
 * assert.equal(parseTime("1970-01-01T00:00:01Z"), 1000);
 * assert.equal(parseTime("1970-02-30T00:00:00Z"), null);
 */
export function parseTime(text: string): number | null {
  const parts = DATE_TIME.exec(text);
  if (parts === null) return null;
  const [year, month, day, hour, minute, second] = parts.slice(1, 7).map(Number) as [number, number, number, number, number, number];
  const [offsetHour, offsetMinute] = [Number(parts[9] ?? 0), Number(parts[10] ?? 0)];
  if (hour > 23 || minute > 59 || second > 59 || offsetHour > 23 || offsetMinute > 59) return null;
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return null;
  const offset = (parts[8] === "-" ? -1 : 1) * (offsetHour * 60 + offsetMinute);
  return date.getTime() + (hour * 3600 + (minute - offset) * 60 + second) * 1000 + Math.floor(Number(parts[7] ?? 0) * 1000);
}

const MOMENT = /^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}:\d{2}(?:\.\d{3})?Z)?$/;
export const TIME_PATTERN = "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{3})?Z$";
export const DATE_PATTERN = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$";
export const DURATION_PATTERN = "^(0|[1-9][0-9]{0,8})(ms|s|m|h|d)$";
const DURATION = new RegExp(DURATION_PATTERN);
const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/**
 * Returns a date (its beginning in UTC) or a time in UTC, as the vocabulary's types `date` and `time` write them, as milliseconds since the
 * epoch; null if the text is neither or names a moment that does not exist.
 * @example
 * import assert from "node:assert/strict";
 * import { momentMs } from "@remit-pdp/contract";
 *
 * assert.equal(momentMs("1970-01-02"), 86_400_000);
 * assert.equal(momentMs("1970-01-01T00:00:01.500Z"), 1500);
 * assert.equal(momentMs("1970-01-01T01:00:00+01:00"), null);
 */
export function momentMs(text: string): number | null {
  if (!MOMENT.test(text)) return null;
  return parseTime(text.length === 10 ? `${text}T00:00:00Z` : text);
}

/**
 * Returns a duration such as `90s`, `36h` or `30d` in milliseconds; null for any other text.
 * @example
 * import assert from "node:assert/strict";
 * import { durationMs } from "@remit-pdp/contract";
 *
 * assert.equal(durationMs("36h"), 129_600_000);
 * assert.equal(durationMs("1w"), null);
 */
export function durationMs(text: string): number | null {
  const [, count, unit = ""] = DURATION.exec(text) ?? [];
  return count === undefined ? null : Number(count) * (UNIT_MS[unit] ?? 0);
}
