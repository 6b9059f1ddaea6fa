/**
 * Lease and fleet of a cluster, simulated from many seeds: what `test/cluster` does, for as long as one likes.
 */
import { Copies } from "../src/cluster/copies.js";
import { Fleet } from "../src/cluster/fleet.js";
import { Lease } from "../src/cluster/lease.js";
import { Simulation } from "../test/cluster/simulate.js";
import { judge } from "./client.js";
import { AS_JSON, readOptions } from "./options.js";

const { seeds, from, json } = readOptions("fleet", {
  about: "Simulates the nodes of a cluster under faults, from many seeds, by one feed and by two.",
  options: { seeds: { says: "seeds", default: 100_000, least: 1 }, from: { says: "first seed", default: 1 }, json: AS_JSON },
  examples: ["--seeds 1000", "--seeds 1 --from 17"],
});

const sums = { claims: 0, expired: 0, allows: 0, between: 0 };
let broken = 0;
for (let seed = from; seed < from + seeds; seed++) {
  for (const feeds of [1, 2] as const) {
    const { violation, ...counts } = new Simulation({ Lease, Fleet, Copies }, { seed, feeds }).run();
    for (const name of Object.keys(sums) as (keyof typeof sums)[]) sums[name] += counts[name];
    if (violation === null) continue;
    broken++;
    process.stderr.write(`\nseed ${seed}, ${feeds} feed(s): ${violation}\n`);
  }
  if (seed % 1000 === 0) process.stderr.write(`\r${seed - from + 1} of ${seeds}  `);
}
process.stderr.write("\n");
const shown = (figure: string, found: number): { figure: string; found: number; unit: string; most: null } => ({
  ...{ figure, found, unit: "", most: null },
});
judge(
  [
    shown("runs, each from a seed of its own", 2 * seeds),
    { figure: "of them with an allow after its revocation was claimed on the fleet", found: broken, unit: "", most: 0 },
    shown("revocations claimed on the fleet", sums.claims),
    shown("of them by a lease that ended", sums.expired),
    shown("answers that allowed", sums.allows),
    shown("of them between a revocation's commit and its claim", sums.between),
  ],
  json,
);
