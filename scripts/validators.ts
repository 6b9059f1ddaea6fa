/**
 * Writes the validators of all schemas that a service's modules ask for when they are loaded, as Ajv's code, beside the built
 * `src/system/schemas.js`: `node dist/scripts/validators.js`, a part of `npm run build`.
 */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import standalone from "ajv/dist/standalone/index.js";
import { GENERATED, generatedFile, makeAjv, watchSchemas, type Asked } from "../src/system/schemas.js";

const WORDS: ReadonlySet<string> = new Set(["title", "description"]);
/** Keywords whose members are named by authors. */
const NAMED: ReadonlySet<string> = new Set(["properties", "patternProperties"]);

const all: Asked[] = [];
watchSchemas((asked) => all.push(asked));
await import("../src/service.js");

rmSync(GENERATED, { recursive: true, force: true });
mkdirSync(GENERATED);
for (const asked of all) {
  const ajv = makeAjv({ ...asked.options, code: { source: true } });
  writeFileSync(generatedFile(asked), standalone.default(ajv, ajv.compile(withoutWords(asked.schema) as object)));
}

/** The schema without what only readers need: a generated validator carries its schema along. */
function withoutWords(schema: unknown, isNames = false): unknown {
  if (Array.isArray(schema)) return schema.map((member) => withoutWords(member));
  if (typeof schema !== "object" || schema === null) return schema;
  const members = Object.entries(schema).filter(([name, value]) => isNames || !WORDS.has(name) || typeof value !== "string");
  return Object.fromEntries(members.map(([name, value]) => [name, withoutWords(value, !isNames && NAMED.has(name))]));
}
