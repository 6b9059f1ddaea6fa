import { expect } from "chai";
import type { Commands } from "../../src/facts/commands.js";
import type { Change } from "../../src/store/store.js";
import { World, outcome } from "./world.js";

const agentNamed = (id: string): { id: string; owner: string; purposes: string[] } => ({
  id,
  owner: "ops@example.com",
  purposes: ["support"],
});
const cut = { scope: { agent: "a-1" }, reason: "odd" };

describe("a restriction that the second feed brings before the first", () => {
  let there: Commands;
  let here: Commands;
  let world: World;
  beforeEach(async () => {
    there = await new World().open();
    world = new World();
    here = await world.open();
    for (const facts of [there, here]) await facts.createAgent(agentNamed("a-1"), "host");
  });

  const changes = (): Promise<Change[]> => there.deps.store.changes(0, 100);
  const last = async (): Promise<Change> => {
    const change = (await changes()).at(-1);
    if (change === undefined) throw new Error("there is no change");
    return change;
  };
  /** Lets the first feed come as far. */
  const caughtUp = async (): Promise<void> => {
    for (const change of await changes()) here.registry.apply(change);
  };

  const ways: [what: string, restrict: (facts: Commands) => Promise<unknown>, holds: (facts: Commands) => boolean][] = [
    ["a revocation", (facts) => facts.revoke(cut, "ops"), ({ registry }) => registry.revoked("agent", "a-1")],
    [
      "a suspension",
      (facts) => facts.changeAgent("a-1", { status: "suspended", reason: "odd" }, null, "ops"),
      ({ registry }) => registry.agent("a-1")?.status === "suspended",
    ],
  ];
  for (const [what, restrict, holds] of ways)
    it(`holds at once, and after the first has brought it: ${what}`, async () => {
      await restrict(there);
      expect(here.holdAhead(await last())).to.equal(true);
      expect(holds(here)).to.equal(true);
      await caughtUp();
      expect(here.registry.dump()).to.deep.equal(there.registry.dump());
    });

  it("holds over what the first feed hasn't brought yet, once it does", async () => {
    await there.createAgent(agentNamed("a-2"), "host");
    await there.changeAgent("a-2", { status: "revoked", reason: "odd" }, null, "ops");
    here.holdAhead(await last());
    expect(here.registry.agent("a-2")).to.equal(undefined);
    for (const change of (await changes()).slice(0, -1)) here.registry.apply(change);
    expect(here.registry.agent("a-2")?.status).to.equal("revoked");
    await caughtUp();
    expect(here.registry.dump()).to.deep.equal(there.registry.dump());
  });

  it("isn't begun again once it was lifted: a late copy revokes nothing", async () => {
    const { fact } = await there.revoke(cut, "ops");
    const copy = await last();
    await there.lift(fact.id, { reason: "explained" }, null, "ops");
    await caughtUp();
    expect(here.holdAhead(copy)).to.equal(true);
    expect(here.registry.revoked("agent", "a-1")).to.equal(false);
  });

  it("ends with the lift that comes behind it in the first feed", async () => {
    const { fact } = await there.revoke(cut, "ops");
    here.holdAhead(await last());
    await there.lift(fact.id, { reason: "explained" }, null, "ops");
    await caughtUp();
    expect([here.registry.revoked("agent", "a-1"), here.registry.dump()]).to.deep.equal([false, there.registry.dump()]);
  });

  it("holds while the first feed brings an earlier restriction of the key and its lift", async () => {
    const { fact } = await there.revoke(cut, "ops");
    here.holdAhead(await last());
    await there.lift(fact.id, { reason: "explained" }, null, "ops");
    await there.revoke(cut, "ops");
    here.holdAhead(await last());
    for (const change of (await changes()).slice(here.registry.revision)) {
      here.registry.apply(change);
      expect(here.registry.revoked("agent", "a-1"), `after ${change.change}, revision ${change.revision}`).to.equal(true);
    }
    await caughtUp();
    expect(here.registry.dump()).to.deep.equal(there.registry.dump());
  });

  it("holds although what it repeats is durable here, and let go of as such", async () => {
    const { fact } = await there.revoke(cut, "ops");
    await caughtUp();
    await there.lift(fact.id, { reason: "explained" }, null, "ops");
    await there.revoke(cut, "ops");
    here.holdAhead(await last());
    here.registry.release(`revocation/${fact.id}`);
    for (const change of (await changes()).filter(({ revision }) => revision > here.registry.revision)) {
      here.registry.apply(change);
      expect(here.registry.revoked("agent", "a-1"), `after ${change.change}, revision ${change.revision}`).to.equal(true);
    }
  });

  it("is the same in any order of the copies, and however often they come", async () => {
    await there.changeAgent("a-1", { status: "suspended", reason: "odd" }, null, "ops");
    await there.changeAgent("a-1", { status: "revoked", reason: "odd" }, null, "ops");
    const copies = (await changes()).slice(1).reverse();
    for (const copy of [...copies, ...copies]) here.holdAhead(copy);
    expect(here.registry.agent("a-1")?.status).to.equal("revoked");
    await caughtUp();
    expect(here.registry.dump()).to.deep.equal(there.registry.dump());
  });

  it("is never said to be durable by another revision than its own, nor lifted, before the first feed has brought it", async () => {
    const { fact } = await there.revoke(cut, "ops");
    here.holdAhead(await last());
    expect((await here.revoke(cut, "ops")).in_force).to.deep.include({
      ...{ in_force: "node", revision: null, durable: false, problem: "store_unavailable" },
    });
    expect(await outcome(here.lift(fact.id, { reason: "explained" }, null, "ops"))).to.equal("store_unavailable");
    expect(here.registry.revoked("agent", "a-1")).to.equal(true);
  });

  it("is told at once, and once, without a revision; this node has nothing to make durable", async () => {
    const heard: unknown[] = [];
    here.ledger.listen(({ key, change, revision, value }) => heard.push([key, change, revision, (value as { status?: string }).status]));
    await there.changeAgent("a-1", { status: "suspended", reason: "odd" }, null, "ops");
    for (let i = 0; i < 2; i++) {
      here.holdAhead(await last());
      expect(heard).to.deep.equal([["agent/a-1", "agent_suspended", null, "suspended"]]);
    }
    expect(here.ledger.held("agent/a-1")).to.equal(null);
  });

  it("is held beside what another node tells of the same key", async () => {
    await there.changeAgent("a-1", { status: "suspended", reason: "odd" }, null, "ops");
    const { key, by, time, value } = await last();
    here.holdAhead(await last());
    const revoked = { ...(value as object), status: "revoked" };
    here.adopt({ key, base: 1, value: revoked, change: "agent_revoked", by, time, reason: "odd" });
    expect(here.registry.agent("a-1")?.status).to.equal("revoked");
  });

  it("isn't written by this node: it is durable", async () => {
    await there.revoke(cut, "ops");
    here.holdAhead(await last());
    await world.timers.advance(60_000);
    expect(here.deps.store.revision).to.equal(1);
  });

  const unknown: [what: string, change: string][] = [
    ["a change of a later version", "something_new"],
    ["a lift", "revocation_lifted"],
    ["an agent that is made", "agent_created"],
    ["a name that every object has", "constructor"],
  ];
  for (const [what, change] of unknown)
    it(`is said to be unknown, and changes nothing: ${what}`, async () => {
      await there.revoke(cut, "ops");
      const before = here.registry.dump();
      expect(here.holdAhead({ ...(await last()), change })).to.equal(false);
      expect(here.registry.dump()).to.deep.equal(before);
    });
});
