/** `open: {mon-fri: "08:00-18:00"}` → half-open spans in milliseconds of the week, Monday 00:00 = 0. */
import type { Path, Sheet } from "./source.js";

export const DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
export const MINUTE_MS = 60_000;
export const DAY_MS = 24 * 60 * MINUTE_MS;
export const WEEK_MS = 7 * DAY_MS;
export const SPAN = /^([01]\d|2[0-3]):([0-5]\d)-(?:([01]\d|2[0-3]):([0-5]\d)|(24):(00))$/;

export function compileOpen(sheet: Sheet, value: unknown, path: Path): [number, number][] {
  const spans = sheet.map(value, path, "`open`").flatMap(([days, times]) => {
    const at = [...path, days];
    const numbers = dayNumbers(sheet, days, at);
    return sheet.words(times, at, "hours").flatMap((text) => numbers.flatMap((day) => span(sheet, day, text, at)));
  });
  if (spans.length === 0) sheet.error(path, "no hour is open", "leave `hours` out, or name some");
  return merge(spans);
}

function dayNumbers(sheet: Sheet, text: string, at: Path): number[] {
  const [first = "", last = first, ...more] = text.split("-");
  const [from, to] = [DAYS.indexOf(first), DAYS.indexOf(last)];
  if (from < 0 || to < 0 || more.length > 0) {
    sheet.unknownWord(at, "day", from < 0 ? first : last, DAYS);
    return [];
  }
  // `sat-mon` goes over the end of the week.
  const count = ((to - from + 7) % 7) + 1;
  return Array.from({ length: count }, (_, i) => (from + i) % 7);
}

/** A span that ends at or before its start goes over midnight; over Sunday's, it is two. */
function span(sheet: Sheet, day: number, text: string, at: Path): [number, number][] {
  const parts = SPAN.exec(text);
  if (parts === null) {
    sheet.error(at, `\`${text}\` is not a span of hours`, 'write "08:00-18:00", quoted; an end may be 24:00');
    return [];
  }
  const ms = (hour?: string, minute?: string): number => (Number(hour) * 60 + Number(minute)) * MINUTE_MS;
  const from = ms(parts[1], parts[2]);
  const to = ms(parts[3] ?? parts[5], parts[4] ?? parts[6]);
  if (from === to) {
    sheet.error(at, `\`${text}\` is empty`, 'a whole day is "00:00-24:00"');
    return [];
  }
  const start = day * DAY_MS + from;
  const end = day * DAY_MS + to + (to < from ? DAY_MS : 0);
  return end <= WEEK_MS
    ? [[start, end]]
    : [
        [start, WEEK_MS],
        [0, end - WEEK_MS],
      ];
}

function merge(spans: [number, number][]): [number, number][] {
  const merged: [number, number][] = [];
  for (const [from, to] of spans.sort((a, b) => a[0] - b[0] || a[1] - b[1])) {
    const last = merged.at(-1);
    if (last !== undefined && from <= last[1]) last[1] = Math.max(last[1], to);
    else merged.push([from, to]);
  }
  return merged;
}
