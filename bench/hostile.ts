/**
 * Hostile requests over real sockets, in full: a service of its own for each shipped bundle, every answer checked, every
 * decision that proceeds held against OPA's evaluator.
 *
 *   node dist/bench/hostile.js [--requests 1000000] [--seed N] [--connections 64] [--json]
 *
 * Exit code 0: no crash, no 5xx, no answer that isn't documented or recorded, no verdict that OPA doesn't give.
 */
import { randomInt } from "node:crypto";
import { readdirSync } from "node:fs";
import { parseArgs } from "node:util";
import { findOpa } from "../src/bundle/opa.js";
import { asset } from "../src/system/paths.js";
import { attack, type Report } from "../test/hostile/attack.js";
import type { Violation } from "../test/hostile/judge.js";

const { values } = parseArgs({
  options: {
    requests: { type: "string", default: "1000000" },
    seed: { type: "string", default: String(randomInt(2 ** 31)) },
    connections: { type: "string", default: "64" },
    json: { type: "boolean", default: false },
  },
});
const [requests, seed, connections] = [values.requests, values.seed, values.connections].map(Number) as [number, number, number]; // prettier-ignore

const opa = await findOpa((line) => process.stderr.write(`${line}\n`));
const bundles = readdirSync(asset("bundles"))
  .filter((name) => name.endsWith(".tar.gz"))
  .map((name) => name.replace(".tar.gz", ""));
const share = Math.ceil(requests / bundles.length);
process.stderr.write(`${requests} requests, --seed ${seed}\n`);

const reports: Report[] = [];
for (const bundle of bundles) {
  const progress = (sent: number, found: readonly Violation[]): void => {
    process.stderr.write(`\r${bundle}: ${sent} of ${share}  `);
    for (const violation of found) process.stderr.write(`\n${JSON.stringify(violation)}\n`);
  };
  reports.push(await attack({ opa, bundle, seed, requests: share, connections, progress }));
  process.stderr.write("\n");
}

if (values.json) console.log(JSON.stringify(reports));
else for (const report of reports) console.log(summary(report));
if (reports.some(({ violated }) => violated > 0)) process.exitCode = 1;

function summary({ bundle, seconds, requests: kinds, decisions, violations, ...report }: Report): string {
  const sent = kinds.valid + kinds.mutated + kinds.raw;
  const { early, late, most, end } = report.rss_mb;
  const lines = [
    `${bundle}: ${sent} requests (${kinds.valid} valid, ${kinds.mutated} mutated, ${kinds.raw} raw) in ${seconds.toFixed(0)} s`,
    `  decisions  ${decisions.allow} allow, ${decisions.flag} flag, ${decisions.deny} deny; ${decisions.proceed} proceed`,
    `  OPA        asked ${report.asked_of_opa} times; ${report.over_budget} evaluations ended over their time`,
    `  answers    ${figures(report.answers)} (0: the connection ended without one); ${report.resets} resets`,
    `  problems   ${figures(report.problems)}`,
    `  RSS        ${early} MB over the second quarter, ${late} over the last, at most ${most}, ${end} at the end`,
    `  violations ${report.violated}`,
    ...violations.map((violation) => `    ${JSON.stringify(violation)}`),
  ];
  return lines.join("\n");
}

function figures(table: Readonly<Record<string, number>>): string {
  return Object.entries(table)
    .map(([name, number]) => `${name} ${number}`)
    .join(", ");
}
