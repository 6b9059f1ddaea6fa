import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { asset } from "../../src/system/paths.js";
import { Copies } from "../threats/copies.js";
import { cut, type Edit } from "../threats/cut.js";
import type { Outcome } from "./simulated/checker.js";
import { AIMS, Simulation, type Aim, type Build, type Controls } from "./simulated/simulation.js";

const SEEDS = Number(process.env["CLUSTER_SEEDS"] ?? 150);
/** Seeds within which a control that is taken out has to be missed. */
const CONTROL_SEEDS = 300;

/** How a control is taken out, of the classes or of the code that the model stands for, and the situation that misses it first. */
interface Out {
  edits?: Edit[];
  controls?: Partial<Controls>;
  aim?: Aim;
}

const CONTROLS: Record<string, Out> = {
  "the tick is read back": { controls: { readBack: false } },
  "the lease counts from when the tick was sent": {
    aim: "late tick",
    edits: [
      cut.text(
        "cluster/lease.js",
        "returned",
        "this.#tenure = tenure",
        "this.#tenure = new Tenure(this.#clock, this.#options.lease_ms * (1 - DRIFT))",
      ),
    ],
  },
  "an answer lives by the lease under which it was gathered": { controls: { frozen: false } },
  "an answer isn't valid for longer than the lease": { controls: { validFor: false } },
  "a node acknowledges when its earlier answers have left": { controls: { barrier: false } },
  "a claim needs the commit in both feeds": {
    aim: "stalled facts",
    edits: [cut.text("cluster/fleet.js", "isCommitted", "this.#committed.size === this.#seen.length", "this.#committed.size > 0")],
  },
  "a node holds what the second feed brings first": { aim: "stalled facts", controls: { heldAhead: false } },
  "a node that is asked knows whether the second feed has it": {
    aim: "asked again",
    edits: [cut.returns("cluster/copies.js", "lacks", "false")],
  },
  "a start counts the nodes from before it": {
    aim: "fresh revoker",
    edits: [
      cut.text("cluster/fleet.js", "Fleet.constructor", 'new Map([["", unknown]])', "new Map(unknown.at < 0 ? [['', unknown]] : [])"),
    ],
  },
  "both sides keep a margin for their clocks": {
    aim: "slow clock",
    edits: [
      cut.value("cluster/fleet.js", "Fleet.constructor", "#wait_ms", "lease_ms"),
      cut.text("cluster/lease.js", "tick", "1 - DRIFT", "1"),
    ],
  },
  "nothing is claimed of a change that isn't durable": {
    aim: "not durable",
    edits: [cut.text("facts/restrictions.js", "standing", "this.#registry.isHeld(key) ? null : ", "")],
  },
  "a tick that is before a change in the feed is taken before it": {
    aim: "late reader",
    edits: [cut.text("store/followers.js", "#catchUp", "revision <= follower.from", "revision > 0")],
  },
  "a node acknowledges what is in its memory alone": {
    aim: "stalled feeds",
    edits: [cut.text("cluster/member.js", "#acknowledge", "applied() < revision ||", "")],
  },
  "a node acknowledges a named bundle once it decides by it": { controls: { workIsPending: false } },
  "an activation waits for whoever was seen after it, too": {
    aim: "unread ticks",
    edits: [cut.text("cluster/fleet.js", "#waited", "tick.node !== UNKNOWN_NODE", "this.#before.has(incarnation)")],
  },
  "an activation needs each feed read up to a later tick": {
    aim: "unread ticks",
    edits: [cut.text("cluster/fleet.js", "#knowsAll", "sent > since", "true")],
  },
  "a process is waited for although another has its name": {
    edits: [
      cut.text(
        "cluster/fleet.js",
        "#silent",
        "!this.#landed.has(incarnation)",
        "![...this.#landed.values()].some((one) => one.node === node)",
      ),
    ],
  },
};

describe("nodes of a cluster, simulated from a seed", function () {
  this.timeout(600_000);
  let folder: string;
  let whole: Build;
  before(async () => {
    mkdirSync(asset(".work"), { recursive: true });
    folder = mkdtempSync(join(asset(".work"), "cluster-"));
    whole = await buildOf([]);
  });
  after(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  const buildOf = async (edits: readonly Edit[]): Promise<Build> => {
    const copies = new Copies(mkdtempSync(join(folder, "build-")), edits);
    const { Member } = (await copies.load("cluster/member.js")) as Pick<Build, "Member">;
    const { Commands } = (await copies.load("facts/commands.js")) as Pick<Build, "Commands">;
    const { FeedFollowers } = (await copies.load("store/followers.js")) as Pick<Build, "FeedFollowers">;
    const { FeedBundles } = (await copies.load("service/feed_bundles.js")) as Pick<Build, "FeedBundles">;
    return { Member, Commands, FeedFollowers, FeedBundles };
  };

  it(`allow nothing after a stop was claimed on the fleet, nor by an earlier bundle after a later one was, and settle, from ${SEEDS} seeds`, async () => {
    const sums: Omit<Outcome, "violation"> = { claims: 0, allows: 0, expired: 0, between: 0, lifted: 0, activated: 0 };
    for (let seed = 1; seed <= SEEDS; seed++) {
      const { violation, ...counts } = await new Simulation(whole, { seed }).run();
      expect(violation, `seed ${seed}`).to.equal(null);
      for (const name of Object.keys(sums) as (keyof typeof sums)[]) sums[name] += counts[name];
    }
    // All of it has happened, and often: what is claimed, by leases that ended too, and what a claim too early would have met.
    expect(sums.claims, "claims").to.be.above(SEEDS * 4);
    expect(sums.expired, "by ended leases").to.be.above(SEEDS);
    expect(sums.between, "allowed between commit and claim").to.be.above(SEEDS);
    expect(sums.lifted, "lifted").to.be.above(SEEDS);
    expect(sums.activated, "bundles").to.be.above(SEEDS);
    expect(sums.allows, "allowed").to.be.above(SEEDS * 300);
  });

  it("are the same run again from the same seed", async () => {
    for (const seed of [1, 2, 3])
      expect(await new Simulation(whole, { seed }).run()).to.deep.equal(await new Simulation(whole, { seed }).run());
  });

  for (const aim of AIMS)
    it(`hold in the situation that is aimed at: ${aim}`, async () => {
      for (let seed = 0; seed < 20; seed++) {
        const { violation, claims, activated } = await new Simulation(whole, { seed, aim }).run();
        expect([violation, claims + activated], `seed ${seed}`).to.deep.equal([null, 1]);
      }
    });

  for (const [what, { edits = [], controls, aim }] of Object.entries(CONTROLS))
    it(`need this: ${what}`, async () => {
      const build = await buildOf(edits);
      let found: string | null = null;
      for (let seed = 1; found === null && seed <= CONTROL_SEEDS; seed++)
        found = (await new Simulation(build, { seed, ...(controls && { controls }), ...(aim && { aim }) }).run()).violation;
      expect(found, "no seed finds it").to.be.a("string");
    });
});
