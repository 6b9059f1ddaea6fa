const DATE_TIME = /^(\d{4})-(\d{2})-(\d{2})[Tt](\d{2}):(\d{2}):(\d{2})(\.\d{1,9})?(?:[Zz]|([+-])(\d{2}):(\d{2}))$/;

/**
 * Returns an RFC 3339 date-time (section 5.6) as milliseconds since the epoch; null if the text is none or names a moment that does not
 * exist. A leap second (`:60`) is refused: POSIX time has no place for it.
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
