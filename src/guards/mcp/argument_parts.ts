/**
 * Takes what a tool is called with apart, by its JSON Schema: typed arguments of a vocabulary, and where each comes from in a call.
 */
import { isObject } from "../../mapping/call_mapping.js";
import { FIELDS_MAX, TAKEN, numbered, wordOf } from "./policy_words.js";
import { snake, wordsOf } from "./tool_names.js";
import { withoutNull, type Schema } from "./tool_schemas.js";
import type { Yaml } from "./yaml_text.js";

/** A text that is content, such as a file, may be as long as a service's request holds. */
const LENGTH_MAX = { usual: 4096, content: 60_000, most: 65_536 };
const LIST_MAX = { usual: 100, most: 1000 };
const DEPTH_MAX = 4;

/** Part of a tool's arguments that is one argument of a type. */
export interface ArgumentPart {
  words: readonly string[];
  /** Names of members of its values, however deep, in words. */
  inside: readonly string[];
  value: Yaml;
  source: Yaml;
  /** Member of its values that has the role @default the values themselves */
  member?: "text";
}

/** The argument at a path, as the guard's configuration names it. */
export function sourceOf(path: readonly string[]): Yaml {
  return path.every((name) => name !== "" && !name.includes(".")) ? path.join(".") : [...path];
}

/** A part of an id, in one spelling: servers take `05` for 5. */
export function idSource(argument: string, schema: unknown): Yaml {
  const { type } = isObject(schema) ? withoutNull(schema) : {};
  const source = sourceOf([argument]);
  return type === "integer" || type === "number" ? { integer: source } : source;
}

/**
 * Takes an argument apart as far as it has to be: members whose names are no words of a policy set are arguments of their own, or get other names in a list.
 * @returns null where something in it has no type
 */
export function partsOf(path: readonly string[], said: readonly string[], schema: unknown): ArgumentPart[] | null {
  const value = valueType(schema, 0);
  const inside = namesIn(schema, 0);
  if (value !== null) return [{ words: said, inside, value, source: sourceOf(path) }];
  if (!isObject(schema) || path.length > DEPTH_MAX) return null;
  const listed = listedType(schema);
  if (listed !== null) return [{ words: said, inside, value: listed, source: { listed: sourceOf(path) } }];
  const { type, items, maxItems, properties } = withoutNull(schema);
  if (type === "array") {
    const found = elementsOf(items);
    if (found === null) return null;
    const list = { list: { object: found.fields }, max: within(maxItems, LIST_MAX) };
    return [{ words: said, inside, value: list, source: { list: sourceOf(path), of: found.of } }];
  }
  if (type !== "object" || !isObject(properties) || Object.keys(properties).length === 0) return null;
  const parts = Object.entries(properties).map(([name, member]) => partsOf([...path, name], [...said, ...wordsOf(name)], member));
  return parts.includes(null) ? null : parts.flatMap((part) => part ?? []);
}

/** All values within an argument, whose schema says nothing that a vocabulary has a type for. */
export function leavesOf(argument: string, schema: unknown): ArgumentPart {
  const leaf = {
    path: { string: { max: LENGTH_MAX.usual } },
    kind: ["boolean", "list", "name", "null", "number", "object", "text"],
    text: { string: { max: LENGTH_MAX.most } },
  };
  const value = { list: { object: leaf }, max: LIST_MAX.most };
  return { words: wordsOf(argument), inside: namesIn(schema, 0), value, source: { leaves: sourceOf([argument]) }, member: "text" };
}

/** A type whose texts of no said length may be as long as content is. */
export function roomy(value: Yaml): Yaml {
  if (Array.isArray(value) || !isObject(value)) return value;
  const { string, ...rest } = value;
  if (isObject(string) && string["max"] === LENGTH_MAX.usual) return { string: { max: LENGTH_MAX.content } };
  return string === undefined ? Object.fromEntries(Object.entries(rest).map(([key, member]) => [key, roomy(member)])) : value;
}

/** The type of a list that may be written as its only element; null where the schema says something else. */
function listedType({ anyOf, oneOf, type, items, ...rest }: Schema): Yaml | null {
  const options = Array.isArray(type)
    ? type.map((one: unknown) => ({ ...rest, type: one, ...(one === "array" && { items }) }))
    : ([anyOf, oneOf].find((all) => Array.isArray(all)) ?? []).filter(isObject);
  const [list, ...lists] = options.filter((one) => one["type"] === "array");
  const [single, ...singles] = options.filter((one) => one["type"] !== "array" && one["type"] !== "null");
  if (list === undefined || single === undefined || lists.length > 0 || singles.length > 0) return null;
  const of = isObject(list["items"]) ? list["items"] : single;
  if (of["type"] !== single["type"] || valueType(single, 1) === null) return null;
  return valueType({ ...list, items: of }, 0);
}

/** Names of the members of a value, and of theirs, in words. */
function namesIn(schema: unknown, depth: number): string[] {
  if (!isObject(schema) || depth > DEPTH_MAX) return [];
  const { items, properties } = withoutNull(schema);
  const own = Object.entries(isObject(properties) ? properties : {});
  return own
    .flatMap(([name, member]) => [snake(name), ...namesIn(member, depth + 1)])
    .concat(items === undefined ? [] : namesIn(items, depth + 1));
}

/** Fields of a list's objects, under words of a policy set, and where each comes from; null where one has no type. */
function elementsOf(schema: unknown): { fields: { [key: string]: Yaml }; of: { [key: string]: Yaml } } | null {
  const { type, properties } = isObject(schema) ? withoutNull(schema) : {};
  const members = Object.entries(type === "object" && isObject(properties) ? properties : {});
  if (members.length === 0 || members.length > FIELDS_MAX) return null;
  const fields: { [key: string]: Yaml } = {};
  const of: { [key: string]: Yaml } = {};
  for (const [name, member] of members) {
    const word = wordOf(wordsOf(name), "value");
    const field = [word, ...numbered(word)].find((one) => !Object.hasOwn(fields, one));
    const value = valueType(member, 2);
    if (field === undefined || value === null) return null;
    fields[field] = value;
    of[field] = sourceOf([name]);
  }
  return { fields, of };
}

/** A JSON Schema as the vocabulary's type; null where it has none for it. */
function valueType(schema: unknown, depth: number): Yaml | null {
  if (!isObject(schema) || depth > DEPTH_MAX) return null;
  const { type, enum: values, format, maxLength, items, maxItems, properties } = withoutNull(schema);
  if (Array.isArray(values)) {
    const all = values.filter((value): value is string => typeof value === "string" && value !== "");
    return all.length === values.length && all.length > 0 && all.length <= 256 && new Set(all).size === all.length ? all : null;
  }
  switch (type) {
    case "string":
      return format === "email" ? "email" : { string: { max: within(maxLength, LENGTH_MAX) } };
    case "integer":
    case "number":
    case "boolean":
      return type;
    case "array": {
      const of = valueType(items, depth + 1);
      return of === null || (isObject(of) && "list" in of) ? null : { list: of, max: within(maxItems, LIST_MAX) };
    }
    case "object": {
      const members = Object.entries(isObject(properties) ? properties : {});
      // A field is a word of the policy set, so a member that isn't one can't be seen in there.
      const fields = members.map(
        ([name, member]) => [name, /^[a-z][a-z0-9_]{0,63}$/.test(name) && !TAKEN.has(name) ? valueType(member, depth + 1) : null] as const,
      );
      if (fields.length === 0 || fields.length > FIELDS_MAX || fields.some(([, of]) => of === null)) return null;
      return { object: Object.fromEntries(fields as [string, Yaml][]) };
    }
    default:
      return null;
  }
}

function within(value: unknown, { usual, most }: { usual: number; most: number }): number {
  return typeof value === "number" && Number.isInteger(value) && value > 0 ? Math.min(value, most) : usual;
}
