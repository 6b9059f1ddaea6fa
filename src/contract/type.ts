/**
 * TypeBox's `Type`, as far as it is used here: its types, and plain JSON Schemas at run time. TypeBox itself is not loaded:
 * importing it takes longer, and more memory, than everything that a service does until its first decision.
 */
import type * as TypeBox from "typebox";

export type { Static, TProperties, TSchema } from "typebox";

type Schema = Record<string, unknown>;
type UsedMembers =
  | ("Array" | "Boolean" | "Enum" | "Integer" | "Literal" | "Never" | "Null" | "Number" | "Object")
  | ("Optional" | "Record" | "String" | "Tuple" | "Union" | "Unknown" | "Unsafe");

const optional = new WeakSet<Schema>();

const builders: Record<UsedMembers, (...args: never[]) => Schema> = {
  Array: (items: Schema, options?: Schema) => ({ type: "array", items, ...options }),
  Boolean: (options?: Schema) => ({ type: "boolean", ...options }),
  Enum: (values: unknown[], options?: Schema) => ({ enum: values, ...options }),
  Integer: (options?: Schema) => ({ type: "integer", ...options }),
  Literal: (value: string | number | boolean, options?: Schema) => ({ type: typeof value, const: value, ...options }),
  Never: (options?: Schema) => ({ not: {}, ...options }),
  Null: (options?: Schema) => ({ type: "null", ...options }),
  Number: (options?: Schema) => ({ type: "number", ...options }),
  Object: (properties: Record<string, Schema>, options?: Schema) => {
    const required = Object.entries(properties).flatMap(([name, member]) => (optional.has(member) ? [] : [name]));
    return { type: "object", ...(required.length > 0 && { required }), properties, ...options };
  },
  Optional: (schema: Schema) => {
    const copy = { ...schema };
    optional.add(copy);
    return copy;
  },
  Record: ({ pattern = "^.*$" }: { pattern?: string }, member: Schema, options?: Schema) => ({
    type: "object",
    patternProperties: { [pattern]: member },
    ...options,
  }),
  String: (options?: Schema) => ({ type: "string", ...options }),
  Tuple: (items: Schema[], options?: Schema) => ({
    ...{ type: "array", additionalItems: false, items, minItems: items.length },
    ...options,
  }),
  Union: (anyOf: Schema[], options?: Schema) => ({ anyOf, ...options }),
  Unknown: (options?: Schema) => ({ ...options }),
  Unsafe: (schema: Schema) => schema,
};

/** Symbol under which a described use of a schema keeps the schema itself: no reader of JSON Schema sees it. */
const ORIGIN = Symbol("origin");

/**
 * Returns the schema with another description, for one field that uses it. A schema with a `title` is a component of the OpenAPI
 * document by that name; the field refers to it.
 */
export function about<T extends TypeBox.TSchema>(schema: T, description: string): T {
  return { ...schema, description, [ORIGIN]: originOf(schema) };
}

/** Returns the schema as it was before `about` described a use of it. */
export function originOf(schema: object): object {
  return (schema as { [ORIGIN]?: object })[ORIGIN] ?? schema;
}

/** Builders of schemas; a test compares each result with TypeBox's. */
export const Type = builders as unknown as Pick<typeof TypeBox.Type, UsedMembers>;
