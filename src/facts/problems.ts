import { Problem, isCanonicalId, type ProblemCode } from "../contract/index.js";

/** @param field JSON pointer into what was asked */
export function refuse(field: string, expected: string, code: ProblemCode = "fact_invalid"): never {
  throw new Problem(code, { field, expected });
}

export function checkCanonical(id: string, field: string): void {
  if (!isCanonicalId(id)) refuse(field, "a canonical identifier", "identifier_not_canonical");
}
