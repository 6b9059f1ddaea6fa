/** Reads the schemas that a server gives for its tools' arguments, for a draft. */
import { isObject } from "../../mapping/call_mapping.js";

/** A JSON Schema, as far as anything is known of it. */
export type Schema = Readonly<Record<string, unknown>>;

export interface ToolSchema {
  /** Parameter → its schema, with what it refers to in its place. */
  properties: Schema;
  /** The same of those that every call has, and not as null: an id that may be missing would refuse each call without it. */
  required: Schema;
}

const SCHEMA_NODES_MAX = 20_000;
const SCHEMA_DEPTH_MAX = 24;

export function readToolSchema({ inputSchema }: Schema): ToolSchema {
  const schema = isObject(inputSchema) ? new Inlined(inputSchema).schema : {};
  const properties = isObject(schema["properties"]) ? schema["properties"] : {};
  const names: unknown[] = Array.isArray(schema["required"]) ? schema["required"] : [];
  const always = Object.entries(properties).filter(([name, of]) => names.includes(name) && isObject(of) && withoutNull(of) === of);
  return { properties, required: Object.fromEntries(always) };
}

/** Simplifies a schema of a value that may be left out, often written as one schema or null; all fields of a vocabulary are optional. */
export function withoutNull(schema: Schema): Schema {
  const { anyOf, type } = schema;
  if (Array.isArray(type)) {
    const [only, ...others] = type.filter((one) => one !== "null") as unknown[];
    return others.length === 0 ? { ...schema, type: only } : schema;
  }
  if (!Array.isArray(anyOf)) return schema;
  const [only, ...others] = anyOf.filter((one: unknown) => !isObject(one) || one["type"] !== "null") as unknown[];
  return isObject(only) && others.length === 0 ? only : schema;
}

/** A schema with what it refers to in its place, as far as that is within it. Whoever writes a schema can make it grow without end. */
class Inlined {
  #left = SCHEMA_NODES_MAX;
  /** References that are being followed: what refers to itself ends there. */
  readonly #open = new Set<string>();
  readonly #root: Schema;

  constructor(root: Schema) {
    this.#root = root;
  }

  get schema(): Schema {
    const whole = this.#inline(this.#root, 0);
    return isObject(whole) ? whole : {};
  }

  #inline(schema: unknown, depth: number): unknown {
    if (--this.#left < 0 || depth > SCHEMA_DEPTH_MAX) return {};
    if (Array.isArray(schema)) return schema.map((one: unknown) => this.#inline(one, depth + 1));
    if (!isObject(schema)) return schema;
    const { $ref, allOf, ...rest } = schema;
    if (typeof $ref === "string") return this.#followed($ref, rest, depth);
    if (Array.isArray(allOf) && allOf.length === 1 && isObject(allOf[0])) return this.#inline({ ...allOf[0], ...rest }, depth + 1);
    return Object.fromEntries(Object.entries(schema).map(([name, member]) => [name, this.#inline(member, depth + 1)]));
  }

  #followed(reference: string, beside: Schema, depth: number): unknown {
    const target = this.#open.has(reference) ? {} : this.#target(reference);
    this.#left -= Object.keys(target).length;
    if (this.#left < 0) return {};
    this.#open.add(reference);
    const inlined = this.#inline({ ...target, ...beside }, depth + 1);
    this.#open.delete(reference);
    return inlined;
  }

  #target(reference: string): Schema {
    let found: unknown = reference.startsWith("#/") ? this.#root : undefined;
    for (const step of reference.slice(2).split("/")) found = isObject(found) && Object.hasOwn(found, step) ? found[step] : undefined;
    return isObject(found) ? found : {};
  }
}
