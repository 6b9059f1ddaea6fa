/**
 * Nodes of a cluster, simulated from many seeds: what `test/cluster` does, for as long as one likes.
 */
import { Member } from "../src/cluster/member.js";
import { Commands } from "../src/facts/commands.js";
import { FeedBundles } from "../src/service/feed_bundles.js";
import { FeedFollowers } from "../src/store/followers.js";
import { Simulation } from "../test/cluster/simulated/simulation.js";
import { judge } from "./client.js";
import { AS_JSON, readOptions } from "./options.js";

const { seeds, from, json } = readOptions("fleet", {
  about: "Simulates the nodes of a cluster under faults, from many seeds.",
  options: { seeds: { says: "seeds", default: 100_000, least: 1 }, from: { says: "first seed", default: 1 }, json: AS_JSON },
  examples: ["--seeds 1000", "--seeds 1 --from 17"],
});

const sums = { claims: 0, expired: 0, allows: 0, between: 0, lifted: 0, activated: 0 };
let broken = 0;
for (let seed = from; seed < from + seeds; seed++) {
  const { violation, ...counts } = await new Simulation({ Member, Commands, FeedFollowers, FeedBundles }, { seed }).run();
  for (const name of Object.keys(sums) as (keyof typeof sums)[]) sums[name] += counts[name];
  if (violation !== null) {
    broken++;
    process.stderr.write(`\nseed ${seed}: ${violation}\n`);
  }
  if (seed % 1000 === 0) process.stderr.write(`\r${seed - from + 1} of ${seeds}  `);
}
process.stderr.write("\n");
const shown = (figure: string, found: number): { figure: string; found: number; unit: string; most: null } => ({
  ...{ figure, found, unit: "", most: null },
});
judge(
  [
    shown("runs, each from a seed of its own", seeds),
    { figure: "of them in which a node allowed what it must not, or stopped for no reason", found: broken, unit: "", most: 0 },
    shown("stops of an agent claimed on the fleet", sums.claims),
    shown("of them without an acknowledgement of each node", sums.expired),
    shown("answers that allowed", sums.allows),
    shown("of them between a stop's commit and its claim", sums.between),
  ],
  json,
);
