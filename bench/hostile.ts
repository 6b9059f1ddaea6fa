/**
 * Hostile requests over real sockets, in full: a service of its own for each of `ATTACKS`, every answer checked, every
 * decision that proceeds held against OPA's evaluator.
 *
 * Exit code 0: no crash, no 5xx, no answer that isn't documented or recorded, no verdict that OPA doesn't give, and enough of them.
 */
import { randomInt } from "node:crypto";
import { findOpa } from "../src/bundle/opa.js";
import { ASKED_SHARE_LEAST, ATTACKS, attack, type Report } from "../test/hostile/attack.js";
import type { Violation } from "../test/hostile/judge.js";
import { AS_JSON, readOptions } from "./options.js";

const { requests, seed, connections, json } = readOptions("hostile", {
  about: "Sends hostile requests over real sockets and checks every answer, with OPA's evaluator as the judge.",
  options: {
    requests: { says: "requests", default: 1_000_000, least: 1 },
    seed: { says: "seed of the random numbers; drawn if left out", default: randomInt(2 ** 31) },
    connections: { says: "connections at once", default: 64, least: 1 },
    json: AS_JSON,
  },
  examples: ["--requests 10000", "--requests 10000 --seed 17 --json"],
});

const opa = await findOpa();
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

if (json) console.log(JSON.stringify(reports));
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
