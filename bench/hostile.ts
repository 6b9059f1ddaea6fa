/**
 * Hostile requests over real sockets, in full: a service of its own for each of `ATTACKS`, every answer checked, every
 * decision that proceeds held against OPA's evaluator.
 *
 *   node dist/bench/hostile.js [--requests 1000000] [--seed N] [--connections 64] [--json]
 *
 * Exit code 0: no crash, no 5xx, no answer that isn't documented or recorded, no verdict that OPA doesn't give, and enough of them.
 */
import { randomInt } from "node:crypto";
import { parseArgs } from "node:util";
import { findOpa } from "../src/bundle/opa.js";
import { ASKED_SHARE_LEAST, ATTACKS, attack, type Report } from "../test/hostile/attack.js";
import type { Violation } from "../test/hostile/judge.js";

const { values } = parseArgs({
  options: {
    requests: { type: "string", default: "1000000" },
    seed: { type: "string", default: String(randomInt(2 ** 31)) },
    connections: { type: "string", default: "64" },
    json: { type: "boolean", default: false },
  },
});
const [requests, seed, connections] = [values.requests, values.seed, values.connections].map(Number) as [number, number, number];

const opa = await findOpa((line) => process.stderr.write(`${line}\n`));
process.stderr.write(`${requests} requests, --seed ${seed}\n`);

const reports: Report[] = [];
for (const { bundle, learns, share } of ATTACKS) {
  const all = Math.ceil(requests * share);
  const progress = (sent: number, found: readonly Violation[]): void => {
    process.stderr.write(`\r${nameOf({ bundle, learns })}: ${sent} of ${all}  `);
    for (const violation of found) process.stderr.write(`\n${JSON.stringify(violation)}\n`);
  };
  reports.push(await attack({ opa, bundle, learns, seed, requests: all, connections, progress }));
  process.stderr.write("\n");
}

if (values.json) console.log(JSON.stringify(reports));
else for (const report of reports) console.log(summary(report));
const showsLittle = ({ learns, requests: { valid, mutated, raw }, asked_of_opa }: Report): boolean =>
  !learns && asked_of_opa < (valid + mutated + raw) * ASKED_SHARE_LEAST;
if (reports.some((report) => report.violated > 0 || showsLittle(report))) process.exitCode = 1;

function nameOf({ bundle, learns }: Pick<Report, "bundle" | "learns">): string {
  return learns ? `${bundle}, learning` : bundle;
}

function summary({ bundle, learns, seconds, requests: kinds, decisions, violations, ...report }: Report): string {
  const sent = kinds.valid + kinds.mutated + kinds.raw;
  const { early, late, most, end } = report.rss_mb;
  const lines = [
    `${nameOf({ bundle, learns })}: ${sent} requests (${kinds.valid} valid, ${kinds.mutated} mutated, ${kinds.raw} raw) in ${seconds.toFixed(0)} s`,
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
