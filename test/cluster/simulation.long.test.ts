import { expect } from "chai";
import { Member } from "../../src/cluster/member.js";
import { Commands } from "../../src/facts/commands.js";
import { FeedBundles } from "../../src/service/feed_bundles.js";
import { FeedFollowers } from "../../src/store/followers.js";
import { Simulation } from "./simulated/simulation.js";

/** `REMIT_CLUSTER_SEEDS=2000` takes four minutes. */
const SEEDS = Number(process.env["REMIT_CLUSTER_SEEDS"] ?? 500);
/** Beyond those of the fast test. */
const FIRST = 100_000;

describe("nodes of a cluster, simulated at length", function () {
  this.timeout(900_000);
  it(`allow nothing after a stop was claimed on the fleet, from ${SEEDS} seeds`, async () => {
    const violations: string[] = [];
    for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
      const { violation } = await new Simulation({ Member, Commands, FeedFollowers, FeedBundles }, { seed }).run();
      if (violation !== null) violations.push(`seed ${seed}: ${violation}`);
    }
    expect(violations).to.deep.equal([]);
  });
});
