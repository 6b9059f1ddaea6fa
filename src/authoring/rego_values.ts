/** Values and comparisons of OPA's syntax tree, as an author writes them. */

export interface Term {
  type: string;
  value: unknown;
}

const TEXT_MAX = 200;

/** A term's value as Rego text, cut after 200 characters. */
export function termText(term: Term): string {
  const text = wholeText(term);
  return text.length <= TEXT_MAX ? text : `${text.slice(0, TEXT_MAX)}…`;
}

function wholeText({ type, value }: Term): string {
  const list = (): string => (value as Term[]).map(wholeText).join(", ");
  switch (type) {
    case "null":
      return "null";
    case "array":
      return `[${list()}]`;
    case "set":
      return (value as Term[]).length === 0 ? "set()" : `{${list()}}`;
    case "object":
      return `{${(value as [Term, Term][]).map(([key, member]) => `${wholeText(key)}: ${wholeText(member)}`).join(", ")}}`;
    default:
      return JSON.stringify(value);
  }
}

const CONSTANTS = new Set(["null", "boolean", "number", "string", "array", "set", "object"]);

/** Function of a comparison → its sign. */
const SIGNS: Readonly<Record<string, string>> = {
  eq: "==",
  equal: "==",
  neq: "!=",
  gt: ">",
  gte: ">=",
  lt: "<",
  lte: "<=",
};

/**
 * Both sides of an expression that compares two values: the one that came, and the one that was wanted. The constant side is
 * the wanted one, else the right one.
 * @param valueOf a variable's value; undefined when it has none
 * @returns null when the expression compares nothing
 */
export function comparisonIn(
  terms: unknown,
  valueOf: (variable: string) => Term | undefined,
): { got: string | null; wanted: string | null } | null {
  const [called, left, right, ...more] = Array.isArray(terms) ? (terms as Term[]) : [];
  if (called === undefined || left === undefined || right === undefined || more.length > 0) return null;
  const sign = SIGNS[Array.isArray(called.value) ? String((called.value as Term[])[0]?.value) : ""];
  if (sign === undefined) return null;
  const isEqual = sign === "==";
  const turned = isEqual && CONSTANTS.has(left.type) && !CONSTANTS.has(right.type);
  const [one, other] = turned ? [right, left] : [left, right];
  const text = (term: Term): string | null => {
    const value = CONSTANTS.has(term.type) ? term : valueOf(String(term.value));
    return value === undefined ? null : termText(value);
  };
  const wanted = text(other);
  return { got: text(one), wanted: wanted === null || isEqual ? wanted : `${sign} ${wanted}` };
}
