/**
 * Remit before what people already run: each row starts its counterpart on loopback, or says why it can't be had here. Packages are
 * installed once, into a cache outside the tree. Exit code 0: no row is red.
 */
import { AS_JSON, readOptions } from "./options.js";
import type { CompatOutcome } from "./compat/row.js";
import { writeFileSync } from "node:fs";
import { asset } from "../src/system/paths.js";

const NAMES = [
  ...[
    "opa-js",
    "opa-python",
    "opa-stock",
    "opa-products",
    "opa-logs",
    "authzen-actions",
    "otlp-http",
    "otlp-grpc",
    "mcp-servers",
    "mcp-drafts",
  ],
  ...["mcp-auth", "mcp-server", "witness", "static-log", "syslog", "cef", "kafka"],
] as const;

const { only, json } = readOptions("compat", {
  about: "Tries Remit with the clients, servers and receivers that people already run, and prints a table.",
  options: { only: { says: "rows to try", among: NAMES }, json: AS_JSON },
  examples: ["", "--only opa-python,kafka", "--json"],
});

const NOTES = asset("bench", "notes", "compat.md");
const { ROWS } = await import("./compat/rows.js");
const tried: ({ name: string; counterpart: string; seconds: number } & CompatOutcome)[] = [];
for (const { name, counterpart, run } of ROWS) {
  if (only !== undefined && !only.includes(name)) continue;
  const began = performance.now();
  const outcome = await run().catch((cause: unknown): CompatOutcome => ({ state: "red", detail: String(cause) }));
  const row = { name, counterpart, ...outcome, seconds: Math.round((performance.now() - began) / 100) / 10 };
  tried.push(row);
  if (!json) console.error(`${row.state.padEnd(9)} ${name}: ${row.detail}`);
}
console.log(json ? JSON.stringify(tried, null, 2) : table(true));
if (only === undefined) writeFileSync(NOTES, notes());
process.exit(tried.some(({ state }) => state === "red") ? 1 : 0);

function table(timed: boolean): string {
  const titles = ["row", "counterpart", "result", "how seen, or why not", ...(timed ? ["s"] : [])];
  const rows = tried.map(({ name, counterpart, state, detail, seconds }) => [
    ...[name, counterpart, state, detail.replaceAll("|", "\\|")],
    ...(timed ? [String(seconds)] : []),
  ]);
  return [titles, titles.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

function notes(): string {
  return `# Remit before what people already run

Made by \`make compat\` (\`node dist/bench/compat.js\`), which starts each counterpart on loopback and tries it again.
\`green\`: it does what its own documentation says it does. \`explained\`: Remit doesn't do it, on purpose. \`skipped\`: the counterpart can't be had on this machine.

<!-- prettier-ignore -->
${table(false)}
`;
}
