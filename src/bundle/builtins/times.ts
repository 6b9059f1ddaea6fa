/**
 * `time.*` in UTC, as OPA has them by Go's `time`: moments are nanoseconds in 64 bits. A zone's rules come with a bundle, and
 * `hours` reads them; here an evaluation that asks for a zone fails.
 */
import { integerOf, ofStrings, type Builtin } from "./function.js";
import type { RegoTerm } from "./term.js";

const MS_NS = 1_000_000n;
const SECOND_NS = 1_000_000_000n;
const DAY_NS = 86_400n * SECOND_NS;
const DAY_MS = 86_400_000;
const [MOMENT_LEAST, MOMENT_MOST] = [-(2n ** 63n), 2n ** 63n - 1n];
/** Years, months or days beyond which Go's arithmetic overflows sooner or later. */
const STEP_MAX = 10_000_000;
const WEEKDAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/** Moments that Go's `time.Parse` reads by the layout RFC3339: with hours of one digit, a comma, and offsets of 24 hours. */
const RFC3339 = /^(\d{4})-(\d\d)-(\d\d)T(\d\d?):(\d\d):(\d\d)(?:[.,](\d+))?(?:Z|([+-])(\d\d):(\d\d))$/;

const inRange = (ns: bigint): bigint | undefined => (ns >= MOMENT_LEAST && ns <= MOMENT_MOST ? ns : undefined);

/** Returns the moment of `ns`, `[ns]` or `[ns, zone]`; null for what OPA doesn't take. @throws RangeError for a zone other than UTC */
function momentOf(term: RegoTerm | undefined): bigint | null {
  const [ns, zone = "", layout = ""] = Array.isArray(term) ? term : [term];
  const moment = integerOf(ns);
  if (typeof zone !== "string" || typeof layout !== "string") return null;
  if (zone !== "" && zone !== "UTC") throw new RangeError(`zone ${zone} isn't UTC`);
  return moment === null || inRange(moment) === undefined ? null : moment;
}

const floored = (a: bigint, b: bigint): bigint => a / b - (a % b < 0n ? 1n : 0n);
const dateOf = (moment: bigint): Date => new Date(Number(floored(moment, MS_NS)));

/** Days from the epoch to a day that may lie outside its month, and the month outside its year. */
function daysTo(year: number, month: number, day: number): bigint {
  const first = Math.floor(month / 12) + year;
  // A calendar of 400 years comes again to the day.
  const cycles = Math.floor((first - 2000) / 400);
  const within = Date.UTC(first - cycles * 400, month - Math.floor(month / 12) * 12) / DAY_MS;
  return BigInt(cycles) * 146_097n + BigInt(within) + BigInt(day - 1);
}

/** Wraps a function of a moment in UTC. */
function ofMoment(of: (date: Date) => RegoTerm): Builtin {
  return ([term]) => {
    const moment = momentOf(term);
    return moment === null ? undefined : of(dateOf(moment));
  };
}

function parseRfc3339(text: string): bigint | undefined {
  const [
    matched,
    year = "",
    month = "",
    day = "",
    hour = "",
    minute = "",
    second = "",
    fraction = "",
    sign,
    zoneHour = "0",
    zoneMinute = "0",
  ] = RFC3339.exec(text) ?? [];
  if (matched === undefined) return undefined;
  const [y, m, d] = [Number(year), Number(month), Number(day)];
  const isValid = m >= 1 && m <= 12 && d >= 1 && BigInt(d) <= daysTo(y, m, 1) - daysTo(y, m - 1, 1);
  if (!isValid || Number(hour) > 23 || Number(minute) > 59 || Number(second) > 59) return undefined;
  if (Number(zoneHour) > 24 || Number(zoneMinute) > 60) return undefined;
  const offset_s = (Number(zoneHour) * 60 + Number(zoneMinute)) * (sign === "-" ? -60 : 60);
  const within_s = (Number(hour) * 60 + Number(minute)) * 60 + Number(second) - offset_s;
  return inRange(daysTo(y, m - 1, d) * DAY_NS + BigInt(within_s) * SECOND_NS + BigInt(fraction.slice(0, 9).padEnd(9, "0")));
}

function addDate([term, ...steps]: readonly RegoTerm[]): RegoTerm | undefined {
  const moment = momentOf(term);
  const whole = steps.map(integerOf);
  if (moment === null || whole.some((one) => one === null || inRange(one) === undefined)) return undefined;
  const [years = 0, months = 0, days = 0] = whole.map(Number);
  if ([years, months, days].some((one) => Math.abs(one) > STEP_MAX)) throw new RangeError(`more than ${STEP_MAX} years, months or days`);
  const date = dateOf(moment);
  const day = daysTo(date.getUTCFullYear() + years, date.getUTCMonth() + months, date.getUTCDate() + days);
  return inRange(day * DAY_NS + (moment - floored(moment, DAY_NS) * DAY_NS));
}

/** Years, months, days, hours, minutes and seconds between two moments. */
function diff([one, other]: readonly RegoTerm[]): RegoTerm | undefined {
  const moments = [momentOf(one), momentOf(other)];
  const [a, b] = moments;
  if (a === null || a === undefined || b === null || b === undefined) return undefined;
  const [from, to] = [dateOf(a < b ? a : b), dateOf(a < b ? b : a)];
  const fields = (date: Date): number[] => [
    ...[date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()],
    ...[date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds()],
  ];
  const begun = fields(from);
  const between = fields(to).map((field, i) => field - (begun[i] ?? 0));
  const [year, month] = [from.getUTCFullYear(), from.getUTCMonth()];
  const sizes = [Infinity, 12, Number(daysTo(year, month + 1, 1) - daysTo(year, month, 1)), 24, 60, 60];
  for (let i = sizes.length - 1; i > 0; i--) {
    if ((between[i] ?? 0) >= 0) continue;
    between[i] = (between[i] ?? 0) + (sizes[i] ?? 0);
    between[i - 1] = (between[i - 1] ?? 0) - 1;
  }
  return between;
}

export const TIMES: Readonly<Record<string, Builtin>> = {
  "time.parse_rfc3339_ns": ofStrings(([text = ""]) => parseRfc3339(text)),
  "time.date": ofMoment((date) => [date.getUTCFullYear(), date.getUTCMonth() + 1, date.getUTCDate()]),
  "time.clock": ofMoment((date) => [date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds()]),
  "time.weekday": ofMoment((date) => WEEKDAYS[date.getUTCDay()] ?? ""),
  "time.add_date": addDate,
  "time.diff": diff,
};
