/** `time.parse_duration_ns`: Go's durations, and OPA's days, weeks and years of 365 days. */
import { ofStrings, type Builtin } from "./function.js";

const INT64_END = 2n ** 63n;
const UNITS: ReadonlyMap<string, bigint> = new Map([
  ["ns", 1n],
  ["us", 1_000n],
  ["µs", 1_000n],
  ["μs", 1_000n],
  ["ms", 1_000_000n],
  ["s", 1_000_000_000n],
  ["m", 60_000_000_000n],
  ["h", 3_600_000_000_000n],
]);
const HOURS: Readonly<Record<string, number>> = { d: 24, w: 7 * 24, y: 365 * 24 };
const PART = /(\d*)(?:\.(\d*))?([^\d.]+)/y;
const LONG_PART = /([\d.]+)(ms|us|µs|ns|[a-z])/y;

/** Whole parts of a text, from its sign to its end; null if something else is in it. */
function parts(text: string, pattern: RegExp): RegExpExecArray[] | null {
  const found: RegExpExecArray[] = [];
  for (let at = /^[+-]/.test(text) ? 1 : 0; at < text.length || found.length === 0; at = pattern.lastIndex) {
    pattern.lastIndex = at;
    const part = pattern.exec(text);
    if (part === null) return null;
    found.push(part);
  }
  return found;
}

/** Writes days, weeks and years as hours, by the floating-point arithmetic that OPA uses; null for a text that isn't a duration. */
function inHours(text: string): string | null {
  const found = parts(text, LONG_PART);
  const written = found?.map(([part, digits = "", unit = ""]) => {
    const hours = HOURS[unit];
    if (hours === undefined) return part;
    const value = /^(?:\d+\.?\d*|\.\d+)$/.test(digits) ? Number(digits) * hours : Infinity;
    return value < 1e21 ? `${plain(value)}h` : null;
  });
  return written === undefined || written.includes(null) ? null : (/^[+-]/.exec(text)?.[0] ?? "") + written.join("");
}

/** Decimals of a number below 10^21 without an exponent. */
function plain(value: number): string {
  const [mantissa = "", exponent] = String(value).split("e-");
  return exponent === undefined ? mantissa : `0.${"0".repeat(Number(exponent) - 1)}${mantissa.replace(".", "")}`;
}

/** Nanoseconds of one part, as Go computes them; null beyond 2^63. */
function nanoseconds([, whole = "", fraction, name = ""]: RegExpExecArray): bigint | null {
  const unit = UNITS.get(name);
  if (unit === undefined || (whole === "" && (fraction ?? "") === "")) return null;
  let value = BigInt(whole === "" ? 0 : whole);
  if (value > INT64_END || value > INT64_END / unit) return null;
  value *= unit;
  const [digits, scale] = leading(fraction ?? "");
  if (digits > 0n) value += BigInt(Math.trunc(Number(digits) * (Number(unit) / scale)));
  return value > INT64_END ? null : value;
}

/** Digits of a fraction that fit into 63 bits, and the power of ten that they are over: Go drops the rest. */
function leading(fraction: string): [digits: bigint, scale: number] {
  let [digits, scale] = [0n, 1];
  for (const digit of fraction) {
    const next = digits * 10n + BigInt(digit);
    if (digits > (INT64_END - 1n) / 10n || next > INT64_END) break;
    digits = next;
    scale *= 10;
  }
  return [digits, scale];
}

function parse(text: string): bigint | undefined {
  if (/^[+-]?0$/.test(text)) return 0n;
  let sum = 0n;
  for (const part of parts(text, PART) ?? [null]) {
    const value = part === null ? null : nanoseconds(part);
    if (value === null) return undefined;
    sum += value;
    if (sum > INT64_END) return undefined;
  }
  if (text.startsWith("-")) return -sum;
  return sum < INT64_END ? sum : undefined;
}

export const DURATIONS: Readonly<Record<string, Builtin>> = {
  "time.parse_duration_ns": ofStrings(([text = ""]) => {
    const written = /[dwy]/.test(text) ? inHours(text) : text;
    return written === null || written === "" ? undefined : parse(written);
  }),
};
