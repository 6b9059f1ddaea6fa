/** Type of the host's builtins, and readers of their operands. */
import { TermSet, type RegoTerm } from "./term.js";

/** Takes units of fuel for work that the size of operands and result doesn't pay for. @throws RangeError once the fuel is used up */
export type Spend = (units: number) => void;

/** Returns the result; undefined is what OPA makes of a builtin's error. Pure, and as fast as its size. */
export type Builtin = (operands: readonly RegoTerm[], spend: Spend) => RegoTerm | undefined;

/** Wraps a function of strings: any other operand leaves it undefined. */
export function ofStrings(of: (texts: readonly string[], spend: Spend) => RegoTerm | undefined): Builtin {
  return (operands, spend) => (operands.every((one) => typeof one === "string") ? of(operands, spend) : undefined);
}

/** Members of a list or a set; null for any other value. */
export function membersOf(term: RegoTerm | undefined): readonly RegoTerm[] | null {
  return Array.isArray(term) ? term : term instanceof TermSet ? term.items : null;
}

/** Returns a whole number; null for any other value. */
export function integerOf(term: RegoTerm | undefined): bigint | null {
  if (typeof term === "bigint") return term;
  return typeof term === "number" && Number.isInteger(term) ? BigInt(term) : null;
}
