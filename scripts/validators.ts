/**
 * Writes the validators of all schemas that a service's modules ask for when they are loaded, as Ajv's code, beside the built
 * `src/system/schemas.js`: `node dist/scripts/validators.js`, a part of `npm run build`.
 */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import standalone from "ajv/dist/standalone/index.js";
import { GENERATED, generatedFile, makeAjv, watchSchemas, type SchemaRequest } from "../src/system/schemas.js";

type Schema = Record<string, unknown>;

const WORDS: ReadonlySet<string> = new Set(["title", "description"]);
/** Keywords whose members are named by authors. */
const NAMED: ReadonlySet<string> = new Set(["properties", "patternProperties"]);
/** Keywords with one schema, and with a list of them. */
const ONE: ReadonlySet<string> = new Set(["items", "additionalProperties", "propertyNames", "contains", "not", "if", "then", "else"]);
const SOME: ReadonlySet<string> = new Set(["anyOf", "allOf", "oneOf", "prefixItems"]);
/** Characters of a schema from which on a function of its own costs less than writing it out again. */
const SHARED_LEAST = 200;

const all: SchemaRequest[] = [];
watchSchemas((asked) => all.push(asked));
await import("../src/service.js");
// Asked for by tables of cases, which a browser reads too.
await import("../src/authoring/starting_point.js");

rmSync(GENERATED, { recursive: true, force: true });
mkdirSync(GENERATED);
for (const asked of all) {
  // Ajv would write each place of a shared part out again: megabytes that a start has to parse.
  const ajv = makeAjv({ ...asked.options, code: { source: true }, inlineRefs: false });
  writeFileSync(generatedFile(asked), standalone.default(ajv, ajv.compile(withSharedParts(withoutWords(asked.schema) as Schema))));
}

/** The schema without what only readers need: a generated validator carries its schema along. */
function withoutWords(schema: unknown, isNames = false): unknown {
  if (Array.isArray(schema)) return schema.map((member) => withoutWords(member));
  if (typeof schema !== "object" || schema === null) return schema;
  const members = Object.entries(schema).filter(([name, value]) => isNames || !WORDS.has(name) || typeof value !== "string");
  return Object.fromEntries(members.map(([name, value]) => [name, withoutWords(value, !isNames && NAMED.has(name))]));
}

/** Returns the schema with each larger part that it has more than once in `$defs`, so that one function checks it wherever it stands. */
function withSharedParts(schema: Schema): Schema {
  const counts = new Map<string, number>();
  const count = (part: Schema): Schema => {
    const text = JSON.stringify(part);
    const before = counts.get(text) ?? 0;
    counts.set(text, before + 1);
    // What stands in a part that was counted is shared with it.
    return before > 0 ? part : mapParts(part, count);
  };
  mapParts(schema, count);
  const names = new Map<string, string>();
  const $defs: Schema = {};
  const shared = (part: Schema): Schema => {
    const text = JSON.stringify(part);
    if (text.length < SHARED_LEAST || (counts.get(text) ?? 0) < 2 || "$id" in part) return mapParts(part, shared);
    let name = names.get(text);
    if (name === undefined) {
      name = `shared_${names.size}`;
      names.set(text, name);
      $defs[name] = mapParts(part, shared);
    }
    return { $ref: `#/$defs/${name}` };
  };
  const made = mapParts(schema, shared);
  return names.size === 0 ? schema : { ...made, $defs: { ...(made["$defs"] as Schema | undefined), ...$defs } };
}

/** Returns a schema whose direct parts have been put through `map`; `map` goes on below by itself. */
function mapParts(schema: Schema, map: (part: Schema) => Schema): Schema {
  const one = (part: unknown): unknown => (isSchema(part) ? map(part) : part);
  const made: Schema = {};
  for (const [keyword, value] of Object.entries(schema)) {
    if (NAMED.has(keyword) && isSchema(value))
      made[keyword] = Object.fromEntries(Object.entries(value).map(([name, part]) => [name, one(part)]));
    else if (SOME.has(keyword) && Array.isArray(value)) made[keyword] = value.map(one);
    else made[keyword] = ONE.has(keyword) ? one(value) : value;
  }
  return made;
}

function isSchema(value: unknown): value is Schema {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
