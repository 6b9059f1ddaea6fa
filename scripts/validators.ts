/**
 * Writes the validators of all schemas that a service's modules ask for when they are loaded, as Ajv's code, beside the built
 * `src/system/schemas.js`: `node dist/scripts/validators.js`, a part of `npm run build`.
 */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import standalone from "ajv/dist/standalone/index.js";
import { GENERATED, generatedFile, makeAjv, watchSchemas, type Asked } from "../src/system/schemas.js";

const all: Asked[] = [];
watchSchemas((asked) => all.push(asked));
await import("../src/service.js");

rmSync(GENERATED, { recursive: true, force: true });
mkdirSync(GENERATED);
for (const asked of all) {
  const ajv = makeAjv({ ...asked.options, code: { source: true } });
  writeFileSync(generatedFile(asked), standalone.default(ajv, ajv.compile(asked.schema)));
}
