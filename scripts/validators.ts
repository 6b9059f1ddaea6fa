/**
 * Writes the validators of all schemas that a service's modules ask for when they are loaded, as Ajv's code, beside the built
 * `src/system/schemas.js`: `node dist/scripts/validators.js`, a part of `npm run build`.
 */
import { writeFileSync } from "node:fs";
import standalone from "ajv/dist/standalone/index.js";
import { GENERATED, makeAjv, watchSchemas, type Asked } from "../src/system/schemas.js";

const all = new Map<string, Asked>();
watchSchemas((asked) => all.set(asked.key, asked));
await import("../src/service.js");

const functions = [...all.values()].map(({ key, schema, options }) => {
  const ajv = makeAjv({ ...options, code: { source: true } });
  const code = standalone.default(ajv, ajv.compile(schema));
  return `exports["${key}"] = () => {\nconst module = {};\n${code}\nreturn module.exports;\n};\n`;
});
writeFileSync(GENERATED, `"use strict";\n${functions.join("")}`);
