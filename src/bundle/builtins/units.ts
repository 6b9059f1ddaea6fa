/** `units.parse` and `units.parse_bytes`, by exact arithmetic where OPA uses Go's `math/big`. */
import { ofStrings, type Spend } from "./function.js";

type Fraction = readonly [numerator: bigint, denominator: bigint];

const POWERS = "kmgtpe";
/** Go's 0.001, to the bit. */
const MILLI: Fraction = [1_152_921_504_606_847n, 2n ** 60n];
const EXPONENT_DIGITS_MAX = 6;
const NUMBER = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d+))?$/;
/** Precision of Go's `big.Float` that a string is read into. */
const FLOAT_BITS = 64n;
const DECIMALS = 10n ** 10n;

export const UNITS = {
  "units.parse": ofStrings(([text = ""], spend) => {
    const read = parts(text.replaceAll('"', ""));
    if (read === null) return undefined;
    const unit = read.unit.slice(0, 1) + read.unit.slice(1).toLowerCase();
    const factor =
      unit === "m" ? MILLI : unit === "M" ? ([1_000_000n, 1n] as const) : factorOf(unit.toLowerCase(), unit.toLowerCase().endsWith("i"));
    const number = fraction(read.number, spend);
    if (factor === null || number === null) return undefined;
    return rounded(times(number, factor));
  }),
  "units.parse_bytes": ofStrings(([text = ""], spend) => {
    const read = parts(text.toLowerCase().replaceAll('"', ""));
    if (read === null) return undefined;
    const unit = read.unit.replace(/^(.+)b$/, "$1");
    const factor = factorOf(unit, unit.endsWith("i"));
    const number = fraction(read.number, spend);
    if (factor === null || number === null) return undefined;
    const [numerator, denominator] = asFloat(times(asFloat(number), factor));
    return numerator / denominator;
  }),
};

/** Returns the number and the unit of a text as OPA cuts it; null if there is no number, or an exponent of too many digits. */
function parts(text: string): { number: string; unit: string } | null {
  if (text.includes(" ")) return null;
  let at = 0;
  for (; at < text.length; at++) {
    const one = text[at] ?? "";
    if (!/[\d.eE+-]/.test(one)) break;
    if (!/[eE]/.test(one)) continue;
    if (!/[\d+-]/.test(text[at + 1] ?? "")) break;
    if (/[+-]/.test(text[at + 1] ?? "")) at++;
    if ((/^\d*/.exec(text.slice(at + 1))?.[0] ?? "").length > EXPONENT_DIGITS_MAX) return null;
  }
  return at === 0 ? null : { number: text.slice(0, at), unit: text.slice(at) };
}

function factorOf(unit: string, isBinary: boolean): Fraction | null {
  if (unit === "") return [1n, 1n];
  const power = POWERS.indexOf(unit[0] ?? "") + 1;
  if (power === 0 || unit.length !== (isBinary ? 2 : 1)) return null;
  return [(isBinary ? 1024n : 1000n) ** BigInt(power), 1n];
}

function fraction(text: string, spend: Spend): Fraction | null {
  const [matched, sign, whole = "", decimals = "", exponent = "0"] = NUMBER.exec(text) ?? [];
  if (matched === undefined || whole + decimals === "") return null;
  const power = Number(exponent) - decimals.length;
  // Arithmetic on that many digits.
  spend((Math.abs(power) + whole.length + decimals.length) * 50);
  const digits = BigInt(`${whole}${decimals}`) * (sign === "-" ? -1n : 1n);
  return power >= 0 ? [digits * 10n ** BigInt(power), 1n] : [digits, 10n ** BigInt(-power)];
}

function times([a, b]: Fraction, [c, d]: Fraction): Fraction {
  return [a * c, b * d];
}

/** Rounds to ten decimals, half away from zero, unless it is whole. */
function rounded([numerator, denominator]: Fraction): number | bigint {
  if (numerator % denominator === 0n) return numerator / denominator;
  const size = numerator < 0n ? -numerator : numerator;
  const scaled = (size * DECIMALS * 2n + denominator) / (denominator * 2n);
  const text = `${scaled / DECIMALS}.${String(scaled % DECIMALS).padStart(10, "0")}`;
  return Number(numerator < 0n ? `-${text}` : text);
}

/** Rounds to the nearest number of 64 bits, to even. */
function asFloat([numerator, denominator]: Fraction): Fraction {
  if (numerator === 0n) return [0n, 1n];
  const isNegative = numerator < 0n;
  const size = isNegative ? -numerator : numerator;
  const shift = FLOAT_BITS - BigInt(size.toString(2).length - denominator.toString(2).length);
  for (let by = shift - 1n; ; by++) {
    const [n, d] = by >= 0n ? [size << by, denominator] : [size, denominator << -by];
    let mantissa = n / d;
    if (BigInt(mantissa.toString(2).length) < FLOAT_BITS) continue;
    const twice = (n % d) * 2n;
    if (twice > d || (twice === d && mantissa % 2n === 1n)) mantissa++;
    const signed = isNegative ? -mantissa : mantissa;
    return by >= 0n ? [signed, 1n << by] : [signed << -by, 1n];
  }
}
