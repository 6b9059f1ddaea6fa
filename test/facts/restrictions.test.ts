/** What narrows, once it holds: what is answered of it, who is told, and what its end gives way to. */
import { expect } from "chai";
import type { Commands, Narrowing } from "../../src/facts/commands.js";
import type { RemoteRestriction } from "../../src/facts/other_nodes.js";
import { StoreUnavailable } from "../../src/store/store.js";
import { World, outcome } from "./world.js";

const CUT = { scope: { agent: "a-1" }, reason: "odd" };
const NARROWING: Narrowing = { reason: "odd", actions_per_minute: 5, purpose: null, why: [], below: null, for_ms: null };

describe("a restriction", () => {
  let world: World;
  let facts: Commands;
  /** What other nodes were told, and which revisions they were asked about. */
  let told: RemoteRestriction[];
  let asked: number[];
  beforeEach(async () => {
    world = new World();
    facts = await world.open();
    await facts.createAgent({ id: "a-1", owner: "ops", purposes: ["support"] }, "host");
    [told, asked] = [[], []];
  });

  function joined(): void {
    world.others = {
      tell: (held) => told.push(held),
      inForce: (revision) => (asked.push(revision), Promise.resolve({ in_force: "fleet" })),
      standing: (revision) => ({ in_force: revision === null ? "node" : "fleet" }),
    };
  }

  it("is told to other nodes before its answer is awaited, and is answered as in force on them all", async () => {
    joined();
    const revoking = facts.revoke(CUT, "ops");
    expect(told.map(({ key, base, by, change, reason }) => [key, base, by, change, reason])).to.deep.equal([
      ["revocation/agent/a-1", 0, "ops", "revoked", "odd"],
    ]);
    expect((await revoking).in_force).to.include({ in_force: "fleet", revision: 2, durable: true });
    expect(asked).to.deep.equal([2]);
  });

  it("is answered as in force here alone if nobody could read it from the store", async () => {
    joined();
    world.store.fate = () => "before";
    const { in_force } = await facts.revoke(CUT, "ops");
    expect(in_force).to.include({ in_force: "node", revision: null, durable: false, problem: "store_unavailable" });
    expect([told.length, asked]).to.deep.equal([1, []]);
  });

  it("is in force here alone until it is durable, although an earlier one of its key is in force on all", async () => {
    expect(facts.standing("agent/a-1"), "a service that decides alone").to.equal(null);
    joined();
    for (const round of ["first", "after a lift"]) {
      world.store.fate = () => "before";
      await facts.revoke(CUT, "ops");
      expect(facts.standing("agent/a-1"), round).to.deep.equal({ in_force: "node" });
      world.store.fate = () => "written";
      await world.timers.advance(1000);
      expect(facts.standing("agent/a-1"), round).to.deep.equal({ in_force: "fleet" });
      const { revision } = facts.revocation("agent/a-1");
      await facts.lift("agent/a-1", { reason: "explained" }, revision, "ops");
    }
  });

  it("is answered as in force here alone if it is durable and not on record", async () => {
    joined();
    world.logFails = true;
    const { in_force } = await facts.revoke(CUT, "ops");
    expect(in_force).to.include({ in_force: "node", revision: 2, durable: false, problem: "log_unavailable" });
    expect(asked).to.deep.equal([]);
  });

  it("is no news to anybody when it is asked for again, and is answered all the same", async () => {
    joined();
    world.followers = { told: () => 3 };
    expect((await facts.revoke(CUT, "ops")).in_force).to.include({ told: 3 });
    const { in_force } = await facts.revoke(CUT, "ops again");
    expect(in_force).to.include({ in_force: "fleet", told: 0, revision: 2 });
    expect([told.length, asked]).to.deep.equal([1, [2, 2]]);
    expect(facts.registry.revision).to.equal(2);
  });

  it("tells followers of what never held before, too", async () => {
    const keys: string[] = [];
    world.followers = { told: (key) => keys.push(key) };
    await facts.narrowAgent("a-1", NARROWING, "ops");
    await facts.changeAgent("a-1", { status: "suspended", reason: "odd" }, null, "ops");
    expect(keys).to.deep.equal(["narrowing/a-1", "agent/a-1"]);
  });

  it("is answered with the time that decisions before it took to leave", async () => {
    await world.timers.advance(1000);
    world.barrier = () => world.timers.advance(12.34);
    expect((await facts.revoke(CUT, "ops")).in_force).to.include({ in_force: "node", waited_ms: 12.3 });
  });

  it("outlasts an end that comes while it isn't durable, of one restriction of two as well", async () => {
    await facts.changeAgent("a-1", { status: "suspended", reason: "odd" }, null, "ops");
    const { inner } = world.store;
    world.store.write = (writes, guard) =>
      writes.some(({ change }) => change === "agent_narrowed")
        ? Promise.reject(new StoreUnavailable("the disk fails"))
        : inner.write(writes, guard);
    await facts.narrowAgent("a-1", NARROWING, "ops");
    const restoring = outcome(facts.changeAgent("a-1", { status: "active", reason: "looked at" }, null, "ops"));
    expect(await restoring).to.equal("store_unavailable");
    expect(facts.agent("a-1").status).to.equal("suspended");
    expect(facts.registry.narrowed("a-1", world.clock.wall())).to.include({ actions_per_minute: 5 });
  });
});
