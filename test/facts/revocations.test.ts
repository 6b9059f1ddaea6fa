import { expect } from "chai";
import type { CreateRevocation, RevocationTarget } from "../../src/contract/index.js";
import type { Commands } from "../../src/facts/commands.js";
import { exportFacts } from "../../src/facts/export.js";
import { StoreUnavailable } from "../../src/store/store.js";
import { HOUR_MS, NOW, World, at, outcome, turns, type Fate } from "./world.js";
import type { StoredRevocationScope } from "../../src/facts/facts_lookup.js";

const everything: CreateRevocation = { scope: { everything: true }, reason: "drill" };
const cut = (scope: RevocationTarget): CreateRevocation => ({ scope, reason: "odd" });

describe("revocations", () => {
  let world: World;
  let facts: Commands;
  beforeEach(async () => {
    world = new World();
    facts = await world.open();
    await facts.createAgent({ id: "a-1", owner: "ops@example.com", purposes: ["support"] }, "host");
    await facts.createTask({ id: "T-1", agent: "a-1", purpose: "support", expires: at(HOUR_MS) }, "host");
    const entry = { read: "invoice" };
    const said = { reason: "r", requested_by: "a", approved_by: "b", expires: at(HOUR_MS) };
    await facts.createGrant({ id: "G-1", agent: "a-1", entry, ...said }, "host");
  });

  const each: [scope: RevocationTarget, kind: StoredRevocationScope, of: string][] = [
    [{ agent: "a-1" }, "agent", "a-1"],
    [{ task: "T-1" }, "task", "T-1"],
    [{ token: "jti-1" }, "token", "jti-1"],
    [{ purpose: "support" }, "purpose", "support"],
    [{ purpose: "audit" }, "purpose", "audit"],
    [{ owner: "ops@example.com" }, "owner", "ops@example.com"],
    [{ principal: "ada" }, "principal", "ada"],
    [{ grant: "G-1" }, "grant", "G-1"],
    [{ everything: true }, "everything", ""],
  ];
  for (const [scope, kind, of] of each) {
    it(`of ${JSON.stringify(scope)} hold at once, are durable, and can be lifted`, async () => {
      const revoking = facts.revoke(cut(scope), "ops");
      expect([facts.registry.revoked(kind, of), facts.registry.revision]).to.deep.equal([true, 3]);
      const { fact, in_force } = await revoking;
      expect(in_force).to.deep.equal({ in_force: "node", revision: 4, durable: true, problem: null, told: 0, waited_ms: 0 });
      expect(fact).to.deep.include({ scope: kind, of, by: "ops", reason: "odd", lifted: null, revision: 4 });
      expect((await world.reopened()).registry.revoked(kind, of)).to.be.true;
      for (const other of ["agent", "task", "token", "purpose", "owner", "principal", "grant", "everything"] as const)
        if (other !== kind) expect(facts.registry.revoked(other, of)).to.be.false;
      await facts.lift(fact.id, { reason: "explained" }, 4, "ops");
      expect(facts.registry.revoked(kind, of)).to.be.false;
      expect(facts.revocation(fact.id).lifted).to.deep.include({ by: "ops", reason: "explained" });
      expect((await world.reopened()).registry.revoked(kind, of)).to.be.false;
      expect(world.records.slice(3).map(({ change, facts_revision }) => [change, facts_revision])).to.deep.equal([
        ["revoked", 4],
        ["revocation_lifted", 5],
      ]);
    });
  }

  const bad: [what: string, asked: CreateRevocation, refused: string][] = [
    ["an agent that isn't there", cut({ agent: "a-l" }), "fact_invalid /scope/agent"],
    ["a task that isn't there", cut({ task: "T-2" }), "fact_invalid /scope/task"],
    ["a grant that isn't there", cut({ grant: "G-2" }), "fact_invalid /scope/grant"],
    ["a purpose that nobody has", cut({ purpose: "suport" }), "fact_invalid /scope/purpose"],
    ["an owner of nothing", cut({ owner: "ops" }), "fact_invalid /scope/owner"],
    ["a token with a line break", cut({ token: "a\nb" }), "identifier_not_canonical /scope/token"],
    ["nothing", cut({}), "fact_invalid /scope"],
    ["two things", cut({ agent: "a-1", task: "T-1" }), "fact_invalid /scope"],
  ];
  for (const [what, asked, refused] of bad) {
    it(`are refused for ${what}`, async () => {
      expect(await outcome(facts.revoke(asked, "ops"))).to.equal(refused);
      expect(facts.registry.revision).to.equal(3);
    });
  }

  it("have an id of 400 bytes at most: a longer name's digest stands for it", async () => {
    const id = async (token: string): Promise<string> => (await facts.revoke(cut({ token }), "ops")).fact.id;
    const [longest, longer, other] = ["j".repeat(394), "j".repeat(395), "k".repeat(395)];
    expect(await id(longest)).to.equal(`token/${longest}`);
    const ids = [await id(longer), await id(other)];
    for (const one of ids) expect(one).to.match(/^token\/sha256:[0-9a-f]{64}$/);
    expect(new Set(ids).size).to.equal(2);
    await facts.lift(ids[0] ?? "", { reason: "explained" }, null, "ops");
    expect([longest, longer, other].map((of) => facts.registry.revoked("token", of))).to.deep.equal([true, false, true]);
  });

  describe("that a transmitter of security events tells of", () => {
    const told = (as_of_ms: number, changes: object = {}) => ({
      ...{ source: "idp", scope: { agent: "a-1" }, as_of_ms: NOW + as_of_ms, reason: "told" },
      ...changes,
    });
    const isCut = (): boolean => facts.registry.revoked("agent", "a-1");

    it("are its own, beside anyone else's of the same, and lifted by it or by a person alone", async () => {
      const { fact } = (await facts.revokeAsTold(told(1), "ssf:idp/1")) ?? { fact: null };
      expect(fact).to.deep.include({ id: "agent@idp/a-1", source: "idp", as_of: at(1), by: "ssf:idp/1", revision: 4 });
      await facts.revokeAsTold(told(1, { source: "other" }), "ssf:other/1");
      await facts.revoke(cut({ agent: "a-1" }), "ops");
      expect(facts.registry.revocationsOf("idp")).to.equal(1);
      expect((await facts.liftAsTold(told(2), "ssf:idp/2"))?.lifted).to.deep.include({ by: "ssf:idp/2" });
      expect([isCut(), facts.registry.revocationsOf("idp")]).to.deep.equal([true, 0]);
      await facts.lift("agent/a-1", { reason: "over" }, null, "ops");
      expect(isCut()).to.equal(true);
      await facts.lift("agent@other/a-1", { reason: "over" }, null, "ops");
      expect(isCut()).to.equal(false);
      const reopened = await world.reopened();
      expect([reopened.registry.revoked("agent", "a-1"), reopened.registry.dump()]).to.deep.equal([false, facts.registry.dump()]);
    });

    it("stay as they are told of as late as anything", async () => {
      await facts.revokeAsTold(told(5), "a");
      expect(await facts.liftAsTold(told(5), "b")).to.equal(null);
      expect(await facts.liftAsTold(told(4), "b")).to.equal(null);
      await facts.revokeAsTold(told(7), "c");
      expect(await facts.liftAsTold(told(6), "d")).to.equal(null);
      expect(facts.revocation("agent@idp/a-1")).to.deep.include({ as_of: at(7), by: "a", since: at(0) });
      await facts.liftAsTold(told(8), "ssf:idp/e");
      expect(await facts.revokeAsTold(told(7), "f")).to.equal(null);
      expect(isCut()).to.equal(false);
      await facts.revokeAsTold(told(8), "g");
      expect(isCut()).to.equal(true);
      await facts.lift("agent@idp/a-1", { reason: "seen" }, null, "ops");
      expect(await facts.revokeAsTold(told(8), "h"), "a person has looked at that").to.equal(null);
      expect(isCut()).to.equal(false);
      expect(await facts.liftAsTold(told(9, { scope: { owner: "ops@example.com" } }), "h")).to.equal(null);
    });

    it("are of a principal's tokens from before alone, the latest moment told, and no lift gives those back", async () => {
      const ada = { scope: { principal: "ada" } };
      await facts.revokeAsTold(told(1, { ...ada, before_ms: NOW + 1 }), "a");
      await facts.revokeAsTold(told(9, { ...ada, before_ms: NOW + 9 }), "b");
      await facts.revokeAsTold(told(5, { ...ada, before_ms: NOW + 5 }), "c");
      const { registry } = facts;
      const cutAt = [8, 9].map((ms) => registry.revoked("principal", "ada", NOW + ms));
      expect([registry.revoked("principal", "ada"), ...cutAt]).to.deep.equal([false, true, false]);
      await facts.revokeAsTold(told(10, ada), "d");
      expect(registry.revoked("principal", "ada")).to.equal(true);
      await facts.liftAsTold(told(11, ada), "e");
      expect([8, 9].map((ms) => registry.revoked("principal", "ada", NOW + ms))).to.deep.equal([true, false]);
      expect((await world.reopened()).registry.dump()).to.deep.equal(registry.dump());
    });

    it("are exported as anybody's, once, and without moments", async () => {
      await facts.revokeAsTold(told(1), "a");
      await facts.revoke(cut({ agent: "a-1" }), "ops");
      await facts.revokeAsTold(told(1, { scope: { principal: "ada" }, before_ms: NOW }), "a");
      const lines = [...exportFacts(facts.registry, NOW)].filter((line) => "revocation" in line);
      expect(lines).to.deep.equal([{ revocation: { scope: { agent: "a-1" }, reason: "told" } }]);
    });
  });

  it("need no bundle", async () => {
    world.policy = null;
    for (const scope of [{ everything: true }, { agent: "a-1" }, { purpose: "support" }] as const)
      expect((await facts.revoke(cut(scope), "ops")).in_force?.durable).to.be.true;
  });

  it("are one, however often they are asked for, and can come again after they were lifted", async () => {
    const [a, b] = await Promise.all([facts.revoke(everything, "ops"), facts.revoke(everything, "eve")]);
    expect([a.fact.by, b.fact.by, b.in_force?.revision]).to.deep.equal(["ops", "ops", 4]);
    await facts.lift("everything", { reason: "r" }, null, "ops");
    await facts.revoke(everything, "eve");
    expect([facts.revocation("everything").by, facts.registry.revision]).to.deep.equal(["eve", 6]);
    expect(facts.revocations({ cursor: null, limit: 9 }, { in_force: true }).items).to.have.length(1);
  });

  it("are lifted only as they were read, and only where there are any", async () => {
    await facts.revoke(everything, "ops");
    expect(await outcome(facts.lift("everything", { reason: "r" }, 3, "ops"))).to.equal("revision_stale");
    expect(await outcome(facts.lift("agent/a-1", { reason: "r" }, null, "ops"))).to.equal("revocation_not_found");
  });

  it("of names longer than a key hold as well", async () => {
    const owner = "ö".repeat(256);
    await facts.createAgent({ id: "a-2", owner, purposes: [] }, "host");
    const { fact, in_force } = await facts.revoke(cut({ owner }), "ops");
    expect([in_force?.durable, fact.of]).to.deep.equal([true, owner]);
    expect((await world.reopened()).registry.revoked("owner", owner)).to.be.true;
  });

  it("are acknowledged when no decision is left that began before", async () => {
    let clear = (): void => undefined;
    world.barrier = () =>
      new Promise((resolve) => {
        clear = resolve;
      });
    let acknowledged = false;
    const revoking = facts.revoke(everything, "ops").then(() => {
      acknowledged = true;
    });
    await turns();
    expect([facts.registry.revoked("everything", ""), facts.registry.revision, acknowledged]).to.deep.equal([true, 4, false]);
    clear();
    await revoking;
    expect(acknowledged).to.be.true;
  });

  for (const scope of [{ everything: true }, { agent: "a-1" }] as const) {
    it(`of ${JSON.stringify(scope)} hold at once while store and log fail, and are durable when they are back`, async () => {
      const [kind, of] = "agent" in scope ? (["agent", "a-1"] as const) : (["everything", ""] as const);
      world.store.fate = () => "before";
      world.logFails = true;
      const notices: (number | null)[] = [];
      facts.ledger.listen(({ revision }) => notices.push(revision));
      const revoking = facts.revoke(cut(scope), "ops");
      expect(facts.registry.revoked(kind, of)).to.be.true;
      const { in_force, fact } = await revoking;
      expect(in_force).to.deep.equal({
        in_force: "node",
        revision: null,
        durable: false,
        problem: "store_unavailable",
        told: 0,
        waited_ms: 0,
      });
      expect([fact.revision, facts.registry.revision, world.records.length]).to.deep.equal([0, 3, 3]);
      await world.timers.advance(1000);
      expect([facts.registry.revoked(kind, of), world.store.revision]).to.deep.equal([true, 3]);
      world.store.fate = () => "written";
      await world.timers.advance(1000);
      expect([facts.registry.revision, world.store.revision, facts.revocation(fact.id).revision]).to.deep.equal([4, 4, 4]);
      expect(world.records.length).to.equal(3);
      world.logFails = false;
      await world.timers.advance(1000);
      expect(world.records.at(-1)).to.deep.include({ change: "revoked", facts_revision: 4, caller: "ops" });
      expect(notices).to.deep.equal([null, 4]);
      expect((await facts.revoke(cut(scope), "ops")).in_force).to.deep.include({ revision: 4, durable: true });
      expect((await world.reopened()).registry.revoked(kind, of)).to.be.true;
    });
  }

  it("are on record at once where only the store fails, without a revision that isn't theirs", async () => {
    world.store.fate = () => "before";
    await facts.revoke(everything, "ops");
    await world.timers.advance(1000);
    expect(world.records.slice(3).map(({ change, facts_revision }) => [change, facts_revision])).to.deep.equal([["revoked", null]]);
  });

  it("are acknowledged as not durable where the store never answers", async () => {
    world.store.fate = () => "never";
    const revoking = facts.revoke(everything, "ops");
    await turns();
    await world.timers.advance(2000);
    expect((await revoking).in_force).to.deep.include({ durable: false, problem: "store_unavailable" });
  });

  it("are acknowledged as not durable where the log takes no record, with their revision", async () => {
    world.logFails = true;
    const { in_force } = await facts.revoke(everything, "ops");
    expect(in_force).to.deep.include({ revision: 4, durable: false, problem: "log_unavailable" });
    world.logFails = false;
    expect((await facts.revoke(everything, "ops")).in_force).to.deep.include({ revision: 4, durable: true });
    expect(world.records.map(({ facts_revision }) => facts_revision)).to.deep.equal([1, 2, 3, 4]);
  });

  it("aren't lifted, nor agents restored, before what is to be undone is durable", async () => {
    world.store.fate = () => "before";
    await facts.revoke(everything, "ops");
    await facts.changeAgent("a-1", { status: "suspended", reason: "r" }, null, "ops");
    expect(await outcome(facts.lift("everything", { reason: "r" }, null, "ops"))).to.equal("store_unavailable");
    const restore = { status: "active", reason: "r" } as const;
    expect(await outcome(facts.changeAgent("a-1", restore, null, "ops"))).to.equal("store_unavailable");
    expect([facts.registry.revoked("everything", ""), facts.registry.agent("a-1")?.status]).to.deep.equal([true, "suspended"]);
    world.store.fate = () => "written";
    await facts.lift("everything", { reason: "r" }, null, "ops");
    await facts.changeAgent("a-1", restore, null, "ops");
    expect(world.records.slice(-4).map(({ change }) => change)).to.deep.equal([
      "revoked",
      "revocation_lifted",
      "agent_suspended",
      "agent_restored",
    ]);
  });

  it("aren't undone by a store that took no part in them, and then takes what undoes them", async () => {
    const write = world.store.write.bind(world.store);
    let failing = 2;
    world.store.write = (writes) => (failing-- > 0 ? Promise.reject(new StoreUnavailable("full")) : write(writes));
    await facts.revoke(everything, "ops");
    expect(await outcome(facts.lift("everything", { reason: "r" }, null, "ops"))).to.equal("store_unavailable");
    expect([facts.registry.revoked("everything", ""), world.store.revision]).to.deep.equal([true, 3]);
  });

  it("hold at once and move the revision when there is one, which a decision may wait for", async () => {
    const { registry } = facts;
    const seen = registry.reached(4);
    const revoking = facts.revoke(everything, "ops");
    expect([registry.revoked("everything", ""), registry.revision]).to.deep.equal([true, 3]);
    await revoking;
    expect([await seen, registry.revision]).to.deep.equal([true, 4]);
    const late = registry.reached(5);
    await world.timers.advance(50);
    expect(await late).to.be.false;
  });
});

describe("what narrows while the same is being changed", () => {
  it("is a change of its own, after that one, with its reason", async () => {
    const world = new World();
    const facts = await world.open();
    await facts.createAgent({ id: "a-1", owner: "ops", purposes: ["support"] }, "host");
    await facts.createTask({ id: "T-1", agent: "a-1", purpose: "support", expires: at(HOUR_MS) }, "host");
    await Promise.all([
      facts.changeAgent("a-1", { owner: "other" }, 1, "host"),
      facts.changeAgent("a-1", { status: "suspended", reason: "odd" }, null, "ops"),
      // It was added to before it ended, as they were asked.
      facts.changeTask("T-1", { subjects: { customer: ["ada"] } }, null, "host"),
    ]);
    const adding = facts.changeTask("T-1", { subjects: { customer: ["bob"] } }, null, "host");
    await Promise.resolve();
    await Promise.all([adding, facts.changeTask("T-1", { ended: true, reason: "done" }, null, "host")].map(outcome));
    const { items } = await facts.events(2, 10);
    const told = (kind: string): unknown[] => items.filter(({ key }) => key.startsWith(kind)).map(({ change, reason }) => [change, reason]);
    expect(told("agent/")).to.deep.equal([
      ["agent_changed", null],
      ["agent_suspended", "odd"],
    ]);
    expect(told("task/")).to.deep.equal([
      ["task_changed", null],
      ["task_changed", null],
      ["task_ended", "done"],
    ]);
  });
});

describe("what narrows while it is being undone", () => {
  const restore = { status: "active", reason: "looked at" } as const;
  const suspend = { status: "suspended", reason: "odd" } as const;
  const cases: [what: string, narrow: (facts: Commands) => Promise<unknown>, undo: (facts: Commands) => Promise<unknown>][] = [
    [
      "a revocation",
      (facts) => facts.revoke(cut({ agent: "a-1" }), "ops"),
      (facts) => facts.lift("agent/a-1", { reason: "r" }, null, "desk"),
    ],
    ["a suspension", (facts) => facts.changeAgent("a-1", suspend, null, "ops"), (facts) => facts.changeAgent("a-1", restore, null, "desk")],
  ];
  const isCut = ({ registry }: Commands): boolean => registry.revoked("agent", "a-1") || registry.agent("a-1")?.status === "suspended";

  for (const [what, narrow, undo] of cases) {
    for (const [when, waits] of [
      ["asked for", 0],
      ["on its way to the store", 1],
      ["being written", 3],
    ] as const) {
      for (const before of [true, false]) {
        it(`is in force once it is acknowledged: ${what} while the other is ${when}${before ? "" : ", the first not yet durable"}`, async () => {
          const world = new World();
          const facts = await world.open();
          await facts.createAgent({ id: "a-1", owner: "ops", purposes: ["support"] }, "host");
          const first = narrow(facts);
          if (before) await first;
          const undoing = outcome(undo(facts));
          for (let i = 0; i < waits; i++) await Promise.resolve();
          let gaps = 0;
          const narrowing = narrow(facts).then(() => {
            if (!isCut(facts)) gaps++;
            facts.ledger.listen(() => {
              if (!isCut(facts)) gaps++;
            });
          });
          await Promise.all([first, narrowing, undoing]);
          await turns();
          expect([isCut(facts), gaps]).to.deep.equal([true, 0]);
          expect(isCut(await world.reopened())).to.be.true;
          expect(await outcome(undo(facts))).to.equal("done");
          expect(isCut(facts)).to.be.false;
        });
      }
    }

    it(`is written once where what would have undone it fails: ${what}`, async () => {
      const world = new World();
      const facts = await world.open();
      await facts.createAgent({ id: "a-1", owner: "ops", purposes: ["support"] }, "host");
      await narrow(facts);
      const { revision } = facts.registry;
      world.store.fate = () => "before";
      const undoing = outcome(undo(facts));
      await Promise.resolve();
      await Promise.resolve();
      await narrow(facts);
      expect(await undoing).to.equal("store_unavailable");
      world.store.fate = () => "written";
      await world.timers.advance(1000);
      expect([isCut(facts), facts.registry.revision, world.store.revision]).to.deep.equal([true, revision, revision]);
    });
  }
});

describe("what narrows, whatever the store does with the changes around it", () => {
  const fates: Fate[][] = [["written"], ["before"], ["after"], ["after", "before"], ["before", "after", "written"]];
  for (const fate of fates) {
    it(`holds without a gap, and in the end in the store, where writes are ${fate.join(", then ")}`, async () => {
      const world = new World();
      const facts = await world.open();
      await facts.createAgent({ id: "a-1", owner: "ops", purposes: ["support"] }, "host");
      const queue = [...fate];
      world.store.fate = () => (queue.length > 1 ? (queue.shift() as Fate) : (queue[0] as Fate));
      const changing = outcome(facts.changeAgent("a-1", { owner: "other" }, 1, "host"));
      const suspending = facts.changeAgent("a-1", { status: "suspended", reason: "r" }, null, "ops");
      let gaps = 0;
      facts.ledger.listen(() => {
        if (facts.registry.agent("a-1")?.status !== "suspended") gaps++;
      });
      expect(facts.registry.agent("a-1")?.status).to.equal("suspended");
      await Promise.all([changing, suspending]);
      world.store.fate = () => "written";
      await world.timers.advance(1000);
      await world.timers.advance(1000);
      expect([facts.registry.agent("a-1")?.status, gaps]).to.deep.equal(["suspended", 0]);
      const numbered = world.records.flatMap(({ facts_revision }) => facts_revision ?? []);
      expect(numbered).to.deep.equal(Array.from({ length: world.store.revision }, (_, i) => i + 1));
      expect((await world.reopened()).registry.dump()).to.deep.equal(facts.registry.dump());
    });
  }
});
