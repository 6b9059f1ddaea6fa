/** Time zones from the browser's own data: what is tried here needs no table of them. A bundle carries those of its build. */
import type { Zone } from "../../../contract/policy.js";
import { weeksOf, type ZoneOffset } from "../../../bundle/weeks.js";

/** No zone changes its offset twice within this time. */
const STEP_MS = 7 * 86_400_000;

export const zoneNames = (): string[] => Intl.supportedValuesOf("timeZone");

export function isZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return /^[A-Z]/.test(name);
  } catch {
    return false;
  }
}

export function zone(name: string, fromMs: number, toMs: number): Zone {
  const east = offsetReader(name);
  const offsets: ZoneOffset[] = [{ since: fromMs, east: east(fromMs) }];
  for (let at = fromMs; at < toMs; at += STEP_MS) {
    const end = Math.min(at + STEP_MS, toMs);
    const [before, after] = [east(at), east(end)];
    if (before === after) continue;
    let [low, high] = [at, end];
    while (high - low > 1000) {
      const middle = Math.floor((low + high) / 2000) * 1000;
      if (middle <= low) break;
      if (east(middle) === before) low = middle;
      else high = middle;
    }
    offsets.push({ since: high, east: after });
  }
  return weeksOf(offsets, toMs);
}

/** Returns a function from a moment to milliseconds east of Greenwich. */
function offsetReader(name: string): (ms: number) => number {
  const format = new Intl.DateTimeFormat("en", {
    timeZone: name,
    calendar: "iso8601",
    hourCycle: "h23",
    ...({ year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric", second: "numeric" } as const),
  });
  return (ms) => {
    const parts = Object.fromEntries(format.formatToParts(ms).map(({ type, value }) => [type, Number(value)]));
    const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts;
    return Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(ms / 1000) * 1000;
  };
}
