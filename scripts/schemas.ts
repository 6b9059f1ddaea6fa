/** Writes rego/schemas/*.json, for editors: `node dist/scripts/schemas.js`. A test holds the files equal to what this makes. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { asset } from "../src/system/paths.js";
import { editorSchemas } from "./editor_schemas.js";

/** File name → text. */
export function schemaFiles(): Map<string, string> {
  return new Map(Object.entries(editorSchemas()).map(([name, schema]) => [`${name}.json`, `${JSON.stringify(schema, null, 2)}\n`]));
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const folder = asset("rego", "schemas");
  await mkdir(folder, { recursive: true });
  for (const [name, text] of schemaFiles()) await writeFile(join(folder, name), text);
}
