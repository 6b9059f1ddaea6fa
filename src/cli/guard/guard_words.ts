/** Compares a guard's mapping with the words of a bundle and with the tools that were approved: what doesn't fit is refused call by call. */
import type { Fields, PolicyData, ValueType, Vocabulary } from "../../contract/index.js";
import { Problem } from "../../contract/index.js";
import { nearestWord } from "../../contract/nearest.js";
import { fieldsReader } from "../../decision/values.js";
import type { GuardConfig } from "../../guards/mcp/config.js";
import type { Pins } from "../../guards/mcp/pins.js";
import { isObject, type ArgumentOrigin, type Mapped, type NamedArguments } from "../../mapping/call_mapping.js";

export type MappingFaultCode =
  | "purpose_unknown"
  | "verb_unknown"
  | "type_unknown"
  | "related_unknown"
  | "attribute_unknown"
  | "argument_unknown"
  | "field_unknown"
  | "id_missing"
  | "id_forbidden"
  | "form_mismatch"
  | "tool_argument_unknown"
  | "tool_argument_unmapped";

export interface MappingFault {
  code: MappingFaultCode;
  /** A warning is something that a tool can do without. */
  severity: "error" | "warning";
  /** Place in the configuration. */
  path: (string | number)[];
  message: string;
  hint: string | null;
}

type Path = readonly (string | number)[];

/** Returns the mappings of a configuration, each with its place. */
function mappingsOf({ tools, prompts, resources }: GuardConfig): { path: (string | number)[]; mapped: Mapped }[] {
  return [
    ...[...tools].map(([name, mapped]) => ({ path: ["tools", name], mapped })),
    ...[...prompts].map(([name, mapped]) => ({ path: ["prompts", name], mapped })),
    ...resources.map(({ mapped }, i) => ({ path: ["resources", i], mapped })),
  ];
}

/** Returns the words of a configuration that the bundle lacks or uses differently. */
export function wordFaults(config: GuardConfig, { vocabulary, purposes }: Pick<PolicyData, "vocabulary" | "purposes">): MappingFault[] {
  const purpose = Object.hasOwn(purposes, config.purpose)
    ? []
    : [lacking("purpose_unknown", ["purpose"], "the bundle", "purpose", config.purpose, Object.keys(purposes))];
  return [...purpose, ...mappingsOf(config).flatMap(({ path, mapped }) => faultsOf(mapped, vocabulary, path))];
}

/** Returns what of one mapping the vocabulary lacks or uses differently. @param path its place */
export function faultsOf(mapped: Mapped, vocabulary: Vocabulary, path: Path): MappingFault[] {
  const at = [...path, mapped.verb];
  const verb = own(vocabulary.verbs, mapped.verb);
  const type = own(vocabulary.types, mapped.type);
  const found: MappingFault[] = [];
  if (verb === undefined) found.push(lacking("verb_unknown", at, "the bundle", "verb", mapped.verb, Object.keys(vocabulary.verbs)));
  else if (verb.collection && mapped.id !== null)
    found.push(
      fault("id_forbidden", [...path, "id"], `\`${mapped.verb}\` is about no single ${mapped.type}: it takes no \`id\``, "remove it"),
    );
  else if (!verb.collection && mapped.id === null)
    found.push(
      fault("id_missing", at, `\`${mapped.verb}\` is about one ${mapped.type}: \`id\` is missing`, "name the argument that says which"),
    );
  if (type === undefined) {
    found.push(lacking("type_unknown", at, "the bundle", "type", mapped.type, Object.keys(vocabulary.types)));
    return found;
  }
  const of = `type \`${mapped.type}\``;
  found.push(
    ...fieldFaults("attribute", mapped.attributes, type.attributes, [...path, "attributes"], of),
    ...fieldFaults("argument", mapped.arguments, type.arguments, [...path, "arguments"], of),
  );
  for (const [role, thing] of Object.entries(mapped.related)) {
    const there = [...path, "related", role];
    const wanted = own(type.related, role);
    const other = own(vocabulary.types, wanted ?? thing.type);
    if (wanted === undefined) found.push(lacking("related_unknown", there, of, "related resource", role, Object.keys(type.related)));
    else if (wanted !== thing.type)
      found.push(fault("form_mismatch", [...there, "type"], `\`${role}\` of ${of} is a \`${wanted}\``, `write \`type: ${wanted}\``));
    if (thing.id === null) found.push(fault("id_missing", there, `\`${role}\` has no \`id\``, "name the argument that says which"));
    if (other !== undefined)
      found.push(
        ...fieldFaults("attribute", thing.attributes, other.attributes, [...there, "attributes"], `type \`${wanted ?? thing.type}\``),
      );
  }
  return found;
}

function fieldFaults(
  kind: "attribute" | "argument" | "field",
  sources: Readonly<Record<string, ArgumentOrigin>>,
  fields: Fields,
  path: Path,
  of: string,
): MappingFault[] {
  return Object.entries(sources).flatMap(([name, source]) => {
    const at = [...path, name];
    const type = own(fields, name);
    if (type === undefined) return [lacking(`${kind}_unknown`, at, of, kind, name, Object.keys(fields))];
    const misfit = misfitOf(source, type);
    if (misfit !== null) return [fault("form_mismatch", at, `\`${name}\` of ${of} is ${formOf(type)}, and this makes ${misfit}`, null)];
    if (!("from" in source) || source.as !== "list" || type.kind !== "list" || type.of.kind !== "object") return [];
    return fieldFaults("field", source.of, type.of.fields, [...at, "of"], `\`${name}\``);
  });
}

const LEAF_FIELDS = ["path", "kind", "text"];
const TEXTS: ReadonlySet<ValueType["kind"]> = new Set(["id", "email", "date", "time", "duration", "string", "enum"]);

/** Returns what a source makes, if the type of its field is another; null: it may fit. */
function misfitOf(source: ArgumentOrigin, type: ValueType): string | null {
  if (!("from" in source)) return isValue(source.is, type) ? null : `\`${String(source.is)}\``;
  const isOfObjects = type.kind === "list" && type.of.kind === "object";
  switch (source.as) {
    case "is":
      return null;
    case "text":
    case "path":
      return TEXTS.has(type.kind) ? null : "a text";
    case "integer":
      return type.kind === "integer" || type.kind === "number" ? null : "an integer";
    case "listed":
      return type.kind === "list" ? null : "a list";
    case "list":
      return isOfObjects ? null : "a list of objects";
    case "leaves":
      return isOfObjects && LEAF_FIELDS.every((name) => type.of.kind === "object" && Object.hasOwn(type.of.fields, name))
        ? null
        : "a list of objects with `path`, `kind` and `text`";
  }
}

function isValue(value: string | number | boolean, type: ValueType): boolean {
  try {
    fieldsReader({ value: type })({ value }, "");
    return true;
  } catch (cause) {
    if (cause instanceof Problem) return false;
    throw cause;
  }
}

function formOf(type: ValueType): string {
  if (type.kind === "list") return type.of.kind === "object" ? "a list of objects" : `a list of \`${type.of.kind}\``;
  return type.kind === "enum" ? `one of ${type.values.join(", ")}` : `\`${type.kind}\``;
}

/** Returns the arguments that a mapping names and an approved tool doesn't have, and those of a tool that nothing names. */
export function toolFaults({ tools }: GuardConfig, pins: Pick<Pins, "tools">): MappingFault[] {
  return [...tools].flatMap(([name, mapped]) => {
    const schema = pins.tools.get(name)?.["inputSchema"];
    return schemaFaults(mapped.known, schema, { path: ["tools", name], of: `the tool \`${name}\``, above: [] });
  });
}

/** Members by which a schema says more than its `properties`: what it takes can't be told from these alone. */
const MORE = ["$ref", "allOf", "anyOf", "oneOf", "patternProperties", "if"];

function schemaFaults(known: NamedArguments, schema: unknown, place: { path: Path; of: string; above: readonly string[] }): MappingFault[] {
  if (!isObject(schema)) return [];
  const { items, additionalProperties: more, required } = schema;
  if (schema["properties"] === undefined && items !== undefined) return schemaFaults(known, items, place);
  const properties = schema["properties"];
  if (!isObject(properties) || MORE.some((name) => schema[name] !== undefined)) return [];
  const { path, of, above } = place;
  const named = (name: string): string => [...above, name].join(".");
  const isOpen = more !== undefined && more !== false;
  const names = Object.keys(properties);
  return [
    ...[...known].flatMap(([name, inner]): MappingFault[] => {
      if (!Object.hasOwn(properties, name))
        return isOpen ? [] : [lacking("tool_argument_unknown", path, of, "argument", named(name), names.map(named))];
      return inner === "whole" ? [] : schemaFaults(inner, properties[name], { path, of, above: [...above, name] });
    }),
    ...names.flatMap((name): MappingFault[] => {
      if (known.has(name)) return [];
      const isRequired = Array.isArray(required) && required.includes(name);
      const then = isRequired ? "every call is refused, since it is required" : "calls that have it are refused";
      const message = `argument \`${named(name)}\` of ${of} is neither mapped nor ignored: ${then}`;
      const one = fault("tool_argument_unmapped", path, message, "name it under `arguments`, or under `ignore`");
      return [{ ...one, severity: isRequired ? "error" : "warning" }];
    }),
  ];
}

function lacking(code: MappingFaultCode, path: Path, of: string, kind: string, word: string, known: readonly string[]): MappingFault {
  const near = nearestWord(word, known);
  const has = known.length === 0 ? `it has none` : `it has ${known.join(", ")}`;
  return fault(code, path, `${of} has no ${kind} \`${word}\``, near === null ? has : `did you mean \`${near}\`?`);
}

function fault(code: MappingFaultCode, path: Path, message: string, hint: string | null): MappingFault {
  return { code, severity: "error", path: [...path], message, hint };
}

function own<T>(record: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined;
}
