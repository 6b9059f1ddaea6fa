import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { asset } from "../../src/system/paths.js";
import { Copies } from "../threats/copies.js";
import { cut, type Edit } from "../threats/cut.js";
import { Simulation, type Aim, type Build, type Controls, type Outcome } from "./simulate.js";

const SEEDS = Number(process.env["CLUSTER_SEEDS"] ?? 150);
/** Seeds within which a control that is taken out has to be missed. */
const CONTROL_SEEDS = 300;

/** How a control is taken out, of the classes or of the code that the model stands for, and the situation that misses it first. */
interface Out {
  edits?: Edit[];
  controls?: Partial<Controls>;
  feeds?: 1 | 2;
  aim?: Aim;
}

const CONTROLS: Record<string, Out> = {
  "the tick is read back": { controls: { readBack: false } },
  "the lease counts from when the tick was sent": {
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
    feeds: 2,
    aim: "stalled facts",
    edits: [cut.text("cluster/fleet.js", "isCommitted", "this.#committed.size === this.#seen.length", "this.#committed.size > 0")],
  },
  "a node holds what the second feed brings first": { feeds: 2, aim: "stalled facts", controls: { heldAhead: false } },
  "a node that is asked knows whether the second feed has it": {
    feeds: 2,
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
  "a process is waited for although another has its name": {
    edits: [
      cut.text(
        "cluster/fleet.js",
        "#silent",
        "!this.#landed.has(incarnation)",
        "![...this.#landed.values()].some((one) => one.node.split('#')[0] === incarnation.split('#')[0])",
      ),
    ],
  },
};

describe("lease and fleet, simulated from a seed", function () {
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
    const lease = (await copies.load("cluster/lease.js")) as Pick<Build, "Lease">;
    const fleet = (await copies.load("cluster/fleet.js")) as Pick<Build, "Fleet">;
    const { Copies: copied } = (await copies.load("cluster/copies.js")) as Pick<Build, "Copies">;
    return { Lease: lease.Lease, Fleet: fleet.Fleet, Copies: copied };
  };

  for (const feeds of [1, 2] as const)
    it(`allow nothing after a revocation was claimed on the fleet, by ${feeds} feed(s), from ${SEEDS} seeds`, () => {
      const sums: Omit<Outcome, "violation"> = { claims: 0, allows: 0, expired: 0, between: 0 };
      for (let seed = 1; seed <= SEEDS; seed++) {
        const { violation, ...counts } = new Simulation(whole, { seed, feeds }).run();
        expect(violation, `seed ${seed}`).to.equal(null);
        for (const name of Object.keys(sums) as (keyof typeof sums)[]) sums[name] += counts[name];
      }
      // All of it has happened, and often: what is claimed, by leases that ended too, and what a claim too early would have met.
      expect(sums.claims, "claims").to.be.above(SEEDS * 4);
      expect(sums.expired, "by ended leases").to.be.above(SEEDS);
      expect(sums.between, "allowed between commit and claim").to.be.above(SEEDS);
      expect(sums.allows, "allowed").to.be.above(SEEDS * 300);
    });

  it("are the same run again from the same seed", () => {
    for (const seed of [1, 2, 3]) {
      const [one, two] = [1, 2].map(() => new Simulation(whole, { seed, feeds: 2 }).run());
      expect(one).to.deep.equal(two);
    }
  });

  const AIMED: [aim: Aim, feeds: 1 | 2][] = [
    ["slow clock", 1],
    ["slow clock", 2],
    ["fresh revoker", 1],
    ["fresh revoker", 2],
    ["stalled facts", 2],
    ["asked again", 2],
  ];
  for (const [aim, feeds] of AIMED)
    it(`hold in the situation that is aimed at: ${aim}, by ${feeds} feed(s)`, () => {
      const outcomes = Array.from({ length: 20 }, (_, seed) => new Simulation(whole, { seed, feeds, aim }).run());
      expect(outcomes.map(({ violation }) => violation)).to.deep.equal(outcomes.map(() => null));
      expect(outcomes.map(({ claims, expired }) => [claims, expired])).to.deep.equal(outcomes.map(() => [1, 1]));
    });

  for (const [what, { edits = [], controls, feeds = 1, aim }] of Object.entries(CONTROLS))
    it(`need this: ${what}`, async () => {
      const build = await buildOf(edits);
      let found: string | null = null;
      let seed = 0;
      while (found === null && seed < CONTROL_SEEDS)
        ({ violation: found } = new Simulation(build, { seed: ++seed, feeds, ...(controls && { controls }), ...(aim && { aim }) }).run());
      expect(found, "no seed finds it").to.be.a("string");
    });
});
