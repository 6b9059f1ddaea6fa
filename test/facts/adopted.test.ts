import { expect } from "chai";
import type { Commands } from "../../src/facts/commands.js";
import type { RemoteRestriction } from "../../src/facts/other_nodes.js";
import { StoreUnsure } from "../../src/store/store.js";
import { World, outcome, turns } from "./world.js";

const AGENT = { id: "a-1", owner: "ops@example.com", purposes: ["support"] };
const REVOKED = "revocation/agent/a-1";
const cut = { scope: { agent: "a-1" }, reason: "odd" };

describe("what holds on another node and isn't durable yet", () => {
  let here: World;
  let facts: Commands;
  let told: RemoteRestriction;
  beforeEach(async () => {
    const there = new World();
    const other = await there.open();
    await other.createAgent(AGENT, "host");
    there.store.fate = () => "never";
    void other.revoke(cut, "ops");
    const held = other.ledger.held(REVOKED);
    if (held === null) throw new Error("nothing is held");
    told = held;
    here = new World();
    facts = await here.open();
    await facts.createAgent(AGENT, "host");
  });

  it("holds here at once, and is made durable here where that node can't", async () => {
    facts.adopt(told);
    expect(facts.registry.revoked("agent", "a-1")).to.equal(true);
    expect((await here.reopened()).registry.revoked("agent", "a-1")).to.equal(false);
    await here.timers.advance(5000);
    expect((await here.reopened()).registry.revoked("agent", "a-1")).to.equal(true);
    expect(facts.revocation("agent/a-1")).to.include({ by: "ops", reason: "odd" });
  });

  it("is no news where it is known: what was lifted since stays lifted", async () => {
    const { fact } = await facts.revoke(cut, "ops");
    await facts.lift(fact.id, { reason: "explained" }, null, "ops");
    facts.adopt(told);
    expect(facts.registry.revoked("agent", "a-1")).to.equal(false);
  });

  it("is no news where as much is durable", async () => {
    const { fact } = await facts.changeAgent("a-1", { status: "suspended", reason: "odd" }, null, "ops");
    const heard: unknown[] = [];
    facts.ledger.listen((notice) => heard.push(notice));
    const { by, time, reason } = told;
    const value = { ...AGENT, status: "suspended" };
    facts.adopt({ key: "agent/a-1", base: fact.revision, value, change: "agent_suspended", by, time, reason });
    expect([heard, facts.registry.isHeld("agent/a-1")]).to.deep.equal([[], false]);
  });

  it("is the same however often it is told", async () => {
    const heard: unknown[] = [];
    facts.ledger.listen(({ key, change, by, reason, revision, value }) => heard.push([key, change, by, reason, revision, value]));
    for (let i = 0; i < 3; i++) facts.adopt(told);
    expect(heard).to.deep.equal([[REVOKED, "revoked", "ops", "odd", null, told.value]]);
    await here.timers.advance(5000);
    expect(facts.registry.revision).to.equal(2);
    facts.adopt(told);
    await here.timers.advance(5000);
    expect([facts.registry.revision, heard.length]).to.deep.equal([2, 2]);
  });

  it("is left to that node for two seconds, and to it alone if it can in the end", async () => {
    const writes: unknown[] = [];
    const { inner } = here.store;
    here.store.write = (...write) => (writes.push(write), inner.write(...write));
    facts.adopt(told);
    await here.timers.advance(1999);
    expect(writes).to.deep.equal([]);
    const { key, value, by, time, reason, change } = told;
    await inner.write([{ key, value, by, time, reason, change, expected: 0 }]);
    await turns();
    await here.timers.advance(5000);
    expect(writes).to.deep.equal([]);
    expect(facts.revocation("agent/a-1")).to.include({ by: "ops", revision: 2 });
  });

  it("is tried again for as long as the store fails, on record once it is durable, and left alone by a service that stops", async () => {
    const recorded = (): number => here.records.filter(({ change }) => change === "revoked").length;
    here.store.fate = () => "before";
    facts.adopt(told);
    for (let i = 0; i < 3; i++) await here.timers.advance(5000);
    expect([facts.registry.revoked("agent", "a-1"), recorded(), facts.registry.revision]).to.deep.equal([true, 0, 1]);
    here.store.fate = () => "written";
    await here.timers.advance(1000);
    expect([recorded(), facts.registry.revision]).to.deep.equal([1, 2]);

    const stopping = new World();
    const other = await stopping.open();
    await other.createAgent(AGENT, "host");
    other.adopt(told);
    other.close();
    await stopping.timers.advance(5000);
    expect(stopping.store.revision).to.equal(1);
  });

  const wider: [what: string, change: string][] = [
    ["a revocation that is lifted", "revocation_lifted"],
    ["an agent that is made", "agent_created"],
    ["an agent that is set free", "agent_activated"],
    ["a narrowing that is lifted", "narrowing_lifted"],
    ["a grant", "grant_created"],
    ["a change of a later version", "something_new"],
    ["a name that every object has", "constructor"],
  ];
  for (const [what, change] of wider) {
    it(`is nothing that widens: ${what}`, async () => {
      const before = { ...facts.agent("a-1") };
      facts.adopt({ ...told, key: "agent/a-1", base: 1, change, value: { status: "active", purposes: ["support", "refunds"] } });
      await here.timers.advance(5000);
      expect({ ...facts.agent("a-1") }).to.deep.equal(before);
      expect(facts.registry.revision).to.equal(1);
    });
  }

  it("is all that holds on that node, whichever restriction of it was made durable last", () => {
    const bound = "2027-01-01T00:00:00.000Z";
    const { by, time, reason } = told;
    const value = { ...AGENT, status: "suspended", bound };
    facts.adopt({ key: "agent/a-1", base: 1, value, change: "agent_tokens_cut", by, time, reason });
    expect({ ...facts.agent("a-1") }).to.deep.include({ status: "suspended", bound });
  });

  it("is nothing of a fact that isn't known here", () => {
    facts.adopt({ ...told, key: "agent/a-2", change: "agent_suspended" });
    expect(facts.registry.agent("a-2")).to.equal(undefined);
  });
});

describe("a store that doesn't say whether a change is made", () => {
  let world: World;
  let facts: Commands;
  let say: (revisions: number[] | null) => void;
  beforeEach(async () => {
    world = new World();
    facts = await world.open();
    const settled = new Promise<number[] | null>((resolve) => (say = resolve));
    const { inner } = world.store;
    world.store.write = async (writes, guard) => {
      world.store.write = (...again) => inner.write(...again);
      await inner.write(writes, guard);
      throw new StoreUnsure("no server has said", settled);
    };
  });

  it("is answered for as that, and neither as done nor as undone; once it is known, memory has what is durable", async () => {
    expect(await outcome(facts.createAgent(AGENT, "host"))).to.equal("outcome_unknown");
    say([1]);
    await turns();
    await world.timers.advance(2000);
    expect(facts.agent("a-1").revision).to.equal(1);
  });

  it("keeps what narrows in memory while nobody knows, and afterwards", async () => {
    world = new World();
    facts = await world.open();
    await facts.createAgent(AGENT, "host");
    world.store.write = () => Promise.reject(new StoreUnsure("no server has said", new Promise(() => undefined)));
    const { in_force } = await facts.revoke(cut, "ops");
    expect(in_force).to.include({ in_force: "node", durable: false });
    expect(facts.registry.revoked("agent", "a-1")).to.equal(true);
    await facts.revoke(cut, "ops again");
    await world.timers.advance(60_000);
    expect(facts.registry.revoked("agent", "a-1")).to.equal(true);
  });
});
