/** Runs compiled examples one after the other, and prints what became of each as JSON: their module's path, and the error or null. */
import { readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { PLACES, client } from "./given.js";

const found: [module: string, error: string | null][] = [];
for (const module of process.argv.slice(2)) {
  try {
    const text = readFileSync(module, "utf8");
    writeFileSync(
      module,
      PLACES.reduce((all, [from, to]) => all.replaceAll(from, to), text),
    );
    const { example } = (await import(pathToFileURL(module).href)) as { example: () => Promise<unknown> };
    await example();
    found.push([module, null]);
  } catch (error) {
    found.push([module, error instanceof Error ? (error.stack ?? error.message) : String(error)]);
  }
}
await client.close();
process.stdout.write(`\n${JSON.stringify(found)}`, () => process.exit());
