/** `semver.is_valid` and `semver.compare`, as OPA reads versions: semver 2.0 with a `v` before it, or without. */
import { ofStrings, type Builtin } from "./function.js";

interface Version {
  numbers: readonly bigint[];
  pre: readonly string[];
}

const VERSION =
  /^v?(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?$/;
const INT64_MAX = 2n ** 63n - 1n;
const isNumber = (part: string): boolean => /^\d+$/.test(part);

function versionOf(text: string): Version | null {
  const [matched, major = "", minor = "", patch = "", pre] = VERSION.exec(text) ?? [];
  if (matched === undefined) return null;
  const numbers = [major, minor, patch].map(BigInt);
  const parts = pre?.split(".") ?? [];
  if (numbers.some((one) => one > INT64_MAX) || parts.some((part) => /^0\d+$/.test(part))) return null;
  return { numbers, pre: parts };
}

function compare(a: Version, b: Version): number {
  for (const [i, number] of a.numbers.entries()) {
    const other = b.numbers[i] ?? 0n;
    if (number !== other) return number > other ? 1 : -1;
  }
  if (a.pre.length === 0 || b.pre.length === 0) return Math.sign(b.pre.length - a.pre.length);
  for (const [i, part] of a.pre.entries()) {
    const other = b.pre[i];
    if (other === undefined) return 1;
    if (isNumber(part) !== isNumber(other)) return isNumber(part) ? -1 : 1;
    const [x, y] = isNumber(part) ? [BigInt(part), BigInt(other)] : [part, other];
    if (x !== y) return x > y ? 1 : -1;
  }
  return a.pre.length < b.pre.length ? -1 : 0;
}

export const VERSIONS: Readonly<Record<string, Builtin>> = {
  "semver.is_valid": ([text]) => typeof text === "string" && versionOf(text) !== null,
  "semver.compare": ofStrings(([a = "", b = ""]) => {
    const [left, right] = [versionOf(a), versionOf(b)];
    return left === null || right === null ? undefined : compare(left, right);
  }),
};
