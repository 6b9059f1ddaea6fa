/** Terms of rules as analyses read them: what may be null, what a variable is bound by, and how an author writes a term. */
import type { JsonSchema } from "../contract/schema.js";
import { EACH, type Origin } from "./origins.js";
import { isText, type RegoExpression, type Node } from "./rego_tree.js";

/**
 * Returns whether a value may be null, or missing since what it is in may be null. What is in a list counts from its element on: that the
 * list is null shows where it is gone through.
 * @param input schema of the policy's input
 */
export function mayBeNull({ path, elseNull }: Origin, input: JsonSchema): boolean {
  if (elseNull) return true;
  for (let length = Math.max(1, path.lastIndexOf(EACH) + 1); length <= path.length; length++) {
    const schemas = schemasAt([input], path.slice(0, length));
    // A path that isn't in the schema is an error of its own.
    if (schemas.length === 0 || schemas.some((schema) => typesOf(schema).includes("null"))) return true;
  }
  return false;
}

/** Returns whether something in a value may be null. @param input schema of the policy's input */
export function mayHoldNull({ path }: Origin, input: JsonSchema): boolean {
  const inside = schemasAt([input], [...path, EACH]);
  return inside.some((schema) => typesOf(schema).includes("null")) || (inside.length > 0 && mayHoldNull(deeper(path), input));
}

const deeper = (path: readonly string[]): Origin => ({ path: [...path, EACH], elseNull: false, tested: false });

/** Returns whether there may be nothing at all at a path, not even null. @param input schema of the policy's input */
export function mayBeMissing({ path, elseNull }: Origin, input: JsonSchema): boolean {
  if (elseNull) return false;
  return path.some((step, i) => {
    const around = schemasAt([input], path.slice(0, i));
    const isNull = i > 0 && around.some((schema) => typesOf(schema).includes("null"));
    const isThere = step === EACH || around.every(({ required }) => (required as string[] | undefined)?.includes(step) === true);
    return isNull || !isThere;
  });
}

/** Returns the builtin that tests for the type of such a value. */
export function testOf(origins: readonly Origin[], input: JsonSchema): string {
  const types = origins.flatMap(({ path }) => schemasAt([input], path).flatMap(typesOf));
  return TESTS[types.find((type) => type !== "null") ?? ""] ?? "is_string";
}

const TESTS: Readonly<Record<string, string>> = {
  integer: "is_number",
  number: "is_number",
  boolean: "is_boolean",
  array: "is_array",
  object: "is_object",
};

function typesOf({ type }: JsonSchema): string[] {
  return Array.isArray(type) ? (type as string[]) : typeof type === "string" ? [type] : [];
}

/** The schemas of what is at a path; several when types of resources differ. */
export function schemasAt(schemas: JsonSchema[], [step, ...rest]: readonly string[]): JsonSchema[] {
  const each = schemas.flatMap((schema) => (schema["anyOf"] as JsonSchema[] | undefined) ?? [schema]);
  if (step === undefined) return each;
  const members = each.flatMap(({ properties, items }) => {
    const named = Object.entries((properties ?? {}) as Record<string, JsonSchema>);
    const fields = named.flatMap(([name, schema]) => (step === EACH || step === name ? [schema] : []));
    return step === EACH && isSchema(items) ? [items, ...fields] : fields;
  });
  return schemasAt(members, rest);
}

function isSchema(value: unknown): value is JsonSchema {
  return typeof value === "object" && value !== null;
}

/** An `every`, as the iteration that gives its variables their values. */
export function iteration(key: Node | null, value: Node, domain: Node): RegoExpression {
  const name = { type: "string", value: key === null ? "member_2" : "member_3" };
  const member: Node = { type: "ref", value: [{ type: "var", value: "internal" }, name] };
  return { terms: { symbols: [{ type: "call", value: [member, ...(key === null ? [] : [key]), value, domain] }] } };
}

/** `x = input.a` gives a variable its value. */
export function binds({ type }: Node): boolean {
  return type === "var" || type === "array" || type === "object";
}

export function placeOf(node: Node | undefined): RegoExpression["location"] | null {
  return (node as RegoExpression | undefined)?.location ?? null;
}

/** A term as its author writes it, nearly. */
export function written(term: Node): string {
  const { type, value } = term;
  if (type === "call") {
    const [called, ...args] = value as Node[];
    return `${written(called ?? {})}(${args.map(written).join(", ")})`;
  }
  if (type === "set") return `{${(value as Node[]).map(written).join(", ")}}`;
  if (type === "array") return `[${(value as Node[]).map(written).join(", ")}]`;
  if (type === "var") return String(value).startsWith("$") ? "_" : String(value);
  if (type !== "ref") return type === "null" ? "null" : JSON.stringify(value);
  const [head, ...steps] = value as Node[];
  return steps.reduce(
    (so_far, step) =>
      so_far + (isText(step) && /^[A-Za-z_]\w*$/.test(String(step.value)) ? `.${String(step.value)}` : `[${written(step)}]`),
    written(head ?? {}),
  );
}
