import { Problem, isCanonicalId, type ProblemCode } from "../contract/index.js";

/** @param field JSON pointer into what was asked */
export function refuse(field: string, expected: string, code: ProblemCode = "fact_invalid"): never {
  throw new Problem(code, { field, expected });
}

const UNITS = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1000],
] as const;

/** A length of time as the command line takes it: `7d`, `90s`; in ms where it is no whole number of seconds. */
export function span(ms: number): string {
  const [unit, unit_ms] = UNITS.find(([, one_ms]) => ms % one_ms === 0) ?? [" ms", 1];
  return `${ms / unit_ms}${unit}`;
}

export function checkCanonical(id: string, field: string): void {
  if (!isCanonicalId(id)) refuse(field, "a canonical identifier", "identifier_not_canonical");
}
