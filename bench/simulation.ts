/**
 * A service under faults, simulated from many seeds: what `test/simulation` does, for as long as one likes.
 *
 * `SIMULATION_SEED=17 make test F=simulation` replays one that was found.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildOf } from "../test/simulation/service.js";
import { simulate } from "../test/simulation/simulate.js";
import { wholeTree } from "../test/threats/threat.js";
import { judge } from "./client.js";
import { AS_JSON, readOptions } from "./options.js";

const { seeds, from, json } = readOptions("simulation", {
  about: "Simulates a service under faults, from many seeds.",
  options: { seeds: { says: "seeds", default: 100_000, least: 1 }, from: { says: "first seed", default: 1 }, json: AS_JSON },
  examples: ["--seeds 100", "--seeds 1 --from 17"],
});

const folder = mkdtempSync(join(tmpdir(), "remit-simulation-"));
process.once("exit", () => {
  rmSync(folder, { recursive: true, force: true });
});
const build = await buildOf(wholeTree());
const sums = new Map<string, number>();
let broken = 0;
for (let seed = from; seed < from + seeds; seed++) {
  const { violation, counts } = await simulate(build, seed, folder);
  for (const [name, count] of Object.entries(counts)) sums.set(name, (sums.get(name) ?? 0) + (count as number));
  if (seed % 100 === 0) process.stderr.write(`\r${seed - from + 1} of ${seeds}  `);
  if (violation === null) continue;
  broken++;
  process.stderr.write(`\nSIMULATION_SEED=${seed}: ${violation}\n`);
}
process.stderr.write("\n");
judge(
  [
    { figure: "runs, each from a seed of its own", found: seeds, unit: "", most: null },
    { figure: "of them with a promise broken", found: broken, unit: "", most: 0 },
    ...[...sums].map(([name, sum]) => ({ figure: `in them ${name}`, found: sum, unit: "", most: null })),
  ],
  json,
);
