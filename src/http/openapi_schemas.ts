/**
 * Schemas as generators of clients read them best: each titled one is a component, an enumeration is `enum`, and a value that may
 * be null has `null` among its types. The validators have the same schemas as they were written.
 */
import { originOf } from "../contract/type.js";

export type OpenapiSchema = Record<string, unknown>;

export interface Components {
  /** Name → schema, in the order in which they were first referred to. */
  readonly schemas: Record<string, OpenapiSchema>;
  /** Returns the schema, or a reference to the component that its title names. */
  use: (schema: object) => OpenapiSchema;
}

export function components(): Components {
  const schemas: Record<string, OpenapiSchema> = {};
  const texts = new Map<string, string>();

  function use(given: object): OpenapiSchema {
    const schema = given as OpenapiSchema;
    const { title, ...component } = originOf(schema) as OpenapiSchema;
    if (typeof title !== "string") return plain(schema);
    declare(title, component);
    const reference = { $ref: `#/components/schemas/${title}` };
    const { description } = schema;
    return description === component["description"] ? reference : { ...reference, description };
  }

  function declare(title: string, component: OpenapiSchema): void {
    // Descriptions may differ from use to use.
    const text = JSON.stringify({ ...component, description: undefined });
    const known = texts.get(title);
    if (known !== undefined && known !== text) throw new Error(`two schemas are titled ${title}`);
    if (known !== undefined) return;
    texts.set(title, text);
    // It has its place before those that it refers to, one of which may be itself.
    schemas[title] = {};
    schemas[title] = plain(component);
  }

  function plain({ title: _, anyOf, patternProperties, ...schema }: OpenapiSchema): OpenapiSchema {
    if (anyOf !== undefined) return { ...union(anyOf as OpenapiSchema[]), ...schema };
    if (schema["const"] !== undefined && typeof schema["const"] !== "boolean") return enumeration([schema["const"]], schema);
    if (schema["enum"] !== undefined) return enumeration(schema["enum"] as unknown[], schema);
    const { properties, items, contentSchema } = schema as {
      properties?: Record<string, OpenapiSchema>;
      items?: OpenapiSchema;
      contentSchema?: OpenapiSchema;
    };
    return {
      ...schema,
      ...(properties && { properties: Object.fromEntries(Object.entries(properties).map(([name, member]) => [name, use(member)])) }),
      ...(items && { items: use(items) }),
      ...(contentSchema && { contentSchema: use(contentSchema) }),
      ...(patternProperties !== undefined && named(patternProperties as Record<string, OpenapiSchema>)),
    };
  }

  /** Names of one pattern, which all that there are have to match. */
  function named(patterns: Record<string, OpenapiSchema>): OpenapiSchema {
    const [[pattern, member] = ["", {}]] = Object.entries(patterns);
    return { additionalProperties: use(member), ...(pattern === ANY_NAME ? {} : { propertyNames: { type: "string", pattern } }) };
  }

  function union(branches: OpenapiSchema[]): OpenapiSchema {
    const present = branches.filter(({ type }) => type !== "null");
    const values = present.map((branch) => branch["const"]);
    const one = values.includes(undefined) ? (present.length === 1 ? use(present[0] as OpenapiSchema) : null) : enumeration(values, {});
    const isNullable = present.length < branches.length;
    if (one === null) return { anyOf: [...present.map(use), ...(isNullable ? [NULL] : [])], ...discriminator(present) };
    if (!isNullable) return one;
    // Beside a reference the words of the component would be lost.
    const { description } = present[0] as OpenapiSchema;
    return orNull(one["$ref"] !== undefined && description !== undefined ? { ...one, description } : one);
  }

  function discriminator(branches: OpenapiSchema[]): OpenapiSchema {
    const names = branches.map((branch) => (originOf(branch) as OpenapiSchema)["title"]);
    const found = DISCRIMINATORS.find((name) => branches.every((branch) => valuesOf(branch, name).length > 0));
    if (found === undefined || names.includes(undefined)) return {};
    const mapping = branches.flatMap((branch, i) =>
      valuesOf(branch, found).map((value) => [value, `#/components/schemas/${String(names[i])}`]),
    );
    return { discriminator: { propertyName: found, mapping: Object.fromEntries(mapping) as Record<string, string> } };
  }

  return { schemas, use };
}

const ANY_NAME = "^.*$";
const NULL: OpenapiSchema = { type: "null" };
/** Members by whose value one can tell which form of several an object has. */
const DISCRIMINATORS = ["type", "kind", "event"];

/** The values that a member of the form may have, where these are named. */
function valuesOf(form: OpenapiSchema, member: string): string[] {
  const { properties = {} } = form as { properties?: Record<string, OpenapiSchema> };
  const { const: only, anyOf = [] } = (properties[member] ?? {}) as { const?: string; anyOf?: { const?: string }[] };
  return [only, ...anyOf.map((branch) => branch.const)].filter((value) => value !== undefined);
}

function enumeration(values: readonly unknown[], { const: _, ...schema }: OpenapiSchema): OpenapiSchema {
  const types = [...new Set(values.map((value) => (typeof value === "number" ? "integer" : typeof value)))];
  return { type: types.length === 1 ? types[0] : types, ...schema, enum: values };
}

function orNull(schema: OpenapiSchema): OpenapiSchema {
  const { description, ...rest } = schema;
  const told = description === undefined ? {} : { description };
  if (rest["$ref"] !== undefined || rest["type"] === undefined) return { anyOf: [rest, NULL], ...told };
  const values = rest["enum"] as unknown[] | undefined;
  return { ...rest, type: [rest["type"], "null"].flat(), ...(values && { enum: [...values, null] }), ...told };
}
