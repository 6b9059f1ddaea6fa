import { expect } from "chai";
import fc from "fast-check";
import type { NarrowingState } from "../../src/contract/index.js";
import type { Commands, Narrowing } from "../../src/facts/commands.js";
import { exportFacts } from "../../src/facts/export.js";
import { importFacts } from "../../src/facts/import.js";
import { readYamlDocument } from "../../src/facts/import_file.js";
import { restrictionOf, withNarrowing } from "../../src/facts/narrowing.js";
import { Narrowings } from "../../src/facts/narrowings.js";
import type { Json } from "../../src/store/store.js";
import { NOW, World, at, lines, outcome, turns, type Fate } from "./world.js";

const MINUTE_MS = 60_000;
const BY_HAND: Narrowing = { reason: "incident 12", actions_per_minute: 5, purpose: null, why: [], below: null, for_ms: null };
const BY_ITSELF: Narrowing = {
  reason: "risk 72 is at least 60",
  actions_per_minute: 10,
  purpose: "support",
  why: ["40 distinct customers in 5 min; usual at most 4"],
  below: 40,
  for_ms: 15 * MINUTE_MS,
};

describe("narrowings", () => {
  let world: World;
  let facts: Commands;
  beforeEach(async () => {
    world = new World();
    facts = await world.open();
    for (const id of ["a-1", "a-2"]) await facts.createAgent({ id, owner: "ops@example.com", purposes: ["support"] }, "host");
  });
  const left = (of: Commands = facts, agent = "a-1"): unknown => of.registry.narrowed(agent, world.clock.wall_ms);
  const widen = (by = "ada", expected: number | null = null): Promise<string> =>
    outcome(facts.widenAgent("a-1", { reason: "looked at" }, expected, by));

  for (const [what, asked] of [
    ["by a person", BY_HAND],
    ["by itself", BY_ITSELF],
  ] as const) {
    it(`${what} hold at once, are durable and on record, and can be lifted`, async () => {
      const narrowing = facts.narrowAgent("a-1", asked, "ops");
      const { actions_per_minute } = asked;
      expect(left()).to.deep.equal({ actions_per_minute, permitted: 0 });
      expect([left(facts, "a-2"), facts.registry.revision]).to.deep.equal([null, 2]);
      const { fact, in_force } = await narrowing;
      expect(in_force).to.deep.equal({ in_force: "node", revision: 3, durable: true, problem: null, told: 0, waited_ms: 0 });
      expect(fact).to.deep.equal({ agent: "a-1", ...asked, by: "ops", since: at(0), lifted: null, revision: 3, facts_revision: 3 });
      expect(left(await world.reopened())).to.deep.equal({ actions_per_minute, permitted: 0 });
      expect(await widen()).to.equal("done");
      expect(facts.narrowing("a-1").lifted).to.deep.equal({ at: at(0), by: "ada", reason: "looked at" });
      expect([left(), left(await world.reopened())]).to.deep.equal([null, null]);
      expect((await world.reopened()).registry.dump()).to.deep.equal(facts.registry.dump());
      const told = world.records.slice(2).map(({ change, facts_revision, caller, reason }) => [change, facts_revision, caller, reason]);
      expect(told).to.deep.equal([
        ["agent_narrowed", 3, "ops", asked.reason],
        ["agent_widened", 4, "ada", "looked at"],
      ]);
      const record = world.records[2] as { narrowing: NarrowingState; kind: string };
      expect([record.kind, record.narrowing.why, record.narrowing.by]).to.deep.equal(["facts", asked.why, "ops"]);
    });
  }

  it("are of agents that are there, need no bundle, and aren't lifted where there are none", async () => {
    expect(await outcome(facts.narrowAgent("a-3", BY_HAND, "ops"))).to.equal("agent_not_found");
    expect(await widen()).to.equal("narrowing_not_found");
    world.policy = null;
    expect((await facts.narrowAgent("a-1", BY_HAND, "ops")).in_force?.durable).to.be.true;
    expect(await widen("ada", 2)).to.equal("revision_stale");
    expect(await widen("ada", 3)).to.equal("done");
    expect([await widen(), facts.registry.revision]).to.deep.equal(["done", 4]);
  });

  it("are one, however often they are asked for, and can come again after they were lifted", async () => {
    const [a, b] = await Promise.all([facts.narrowAgent("a-1", BY_ITSELF, "remit"), facts.narrowAgent("a-1", BY_ITSELF, "remit")]);
    expect([a.fact.since, b.fact.revision, facts.registry.revision]).to.deep.equal([at(0), 3, 3]);
    await widen();
    world.clock.wall_ms += MINUTE_MS;
    await facts.narrowAgent("a-1", BY_ITSELF, "remit");
    expect(facts.narrowing("a-1")).to.deep.include({ since: at(MINUTE_MS), lifted: null, revision: 5 });
  });

  it("that a person makes outlast those that end by themselves, and no one widens them by narrowing again", async () => {
    await facts.narrowAgent("a-1", BY_ITSELF, "remit");
    await facts.narrowAgent("a-1", { ...BY_HAND, actions_per_minute: 20 }, "ops");
    expect(facts.narrowing("a-1")).to.deep.include({ ...BY_HAND, actions_per_minute: 10, by: "ops" });
    await facts.narrowAgent("a-1", { ...BY_ITSELF, actions_per_minute: 3 }, "remit");
    expect(facts.narrowing("a-1")).to.deep.include({ ...BY_HAND, actions_per_minute: 3, by: "ops" });
    await facts.narrowAgent("a-1", BY_ITSELF, "remit");
    expect(facts.registry.revision).to.equal(5);
    expect((await world.reopened()).registry.dump()).to.deep.equal(facts.registry.dump());
  });

  it("only ever narrow: what holds after another is no wider than either, and the same again changes nothing", () => {
    const narrowings = fc.record<NarrowingState>({
      agent: fc.constant("a-1"),
      purpose: fc.constantFrom(null, "support"),
      reason: fc.constant("r"),
      why: fc.constant([]),
      by: fc.constantFrom("remit", "ops"),
      since: fc.constant(at(0)),
      actions_per_minute: fc.integer({ min: 1, max: 20 }),
      below: fc.constantFrom(null, 40),
      for_ms: fc.constant(1000),
      lifted: fc.constantFrom(null, null, { at: at(0), by: "ada", reason: "r" }),
    });
    fc.assert(
      fc.property(fc.option(narrowings), narrowings, (before, asked) => {
        const value = before as unknown as Json;
        const after = withNarrowing({ ...asked, lifted: null })(value) as unknown as NarrowingState;
        expect(after.lifted).to.be.null;
        expect(after.actions_per_minute).to.be.at.most(asked.actions_per_minute);
        if (asked.below === null) expect(after.below).to.be.null;
        if (before?.lifted === null) {
          expect(after.actions_per_minute).to.be.at.most(before.actions_per_minute);
          if (before.below === null) expect(after.below).to.be.null;
        }
        const again = after as unknown as Json;
        expect(withNarrowing({ ...asked, lifted: null })(again)).to.equal(again);
      }),
    );
  });

  it("hold while store and log fail, are durable when they are back, and aren't lifted before", async () => {
    world.store.fate = () => "before";
    world.logFails = true;
    const notices: [string, number | null][] = [];
    facts.ledger.listen(({ change, revision }) => notices.push([change, revision]));
    const narrowing = facts.narrowAgent("a-1", BY_ITSELF, "remit");
    expect(left()).to.deep.equal({ actions_per_minute: 10, permitted: 0 });
    expect((await narrowing).in_force).to.deep.include({
      durable: false,
      problem: "store_unavailable",
      revision: null,
    });
    expect(await widen()).to.equal("store_unavailable");
    await world.timers.advance(1000);
    expect([left() !== null, world.store.revision]).to.deep.equal([true, 2]);
    [world.store.fate, world.logFails] = [() => "written", false];
    await world.timers.advance(1000);
    expect([facts.narrowing("a-1").revision, world.store.revision]).to.deep.equal([3, 3]);
    expect(notices).to.deep.equal([
      ["agent_narrowed", null],
      ["agent_narrowed", 3],
    ]);
    expect(left(await world.reopened())).not.to.be.null;
    expect(await widen()).to.equal("done");
  });

  for (const fate of ["before", "after", "never"] as Fate[]) {
    it(`hold for as long as the service runs where the store's answer is: ${fate}`, async () => {
      world.store.fate = () => fate;
      const narrowing = facts.narrowAgent("a-1", BY_ITSELF, "remit");
      await turns();
      await world.timers.advance(2000);
      // The feed brings it even if its call was reported as failed.
      expect([(await narrowing).in_force?.durable, left() !== null]).to.deep.equal([fate === "after", true]);
    });
  }

  it("are acknowledged when no decision is left that began before", async () => {
    let clear = (): void => undefined;
    world.barrier = () =>
      new Promise((resolve) => {
        clear = resolve;
      });
    let acknowledged = false;
    const narrowing = facts.narrowAgent("a-1", BY_HAND, "ops").then(() => {
      acknowledged = true;
    });
    await turns();
    expect([left() !== null, facts.registry.revision, acknowledged]).to.deep.equal([true, 3, false]);
    clear();
    await narrowing;
  });

  it("say how long the answers were waited for that had begun without them", async () => {
    let clear = (): void => undefined;
    world.barrier = () =>
      new Promise((resolve) => {
        clear = resolve;
      });
    const narrowing = facts.narrowAgent("a-1", BY_HAND, "ops");
    await turns();
    await world.timers.advance(7);
    clear();
    expect((await narrowing).in_force).to.include({ waited_ms: 7, durable: true });
  });

  for (const waits of [0, 1, 3]) {
    it(`are in force where one comes while another is being lifted, after ${waits} steps of that`, async () => {
      await facts.narrowAgent("a-1", BY_ITSELF, "remit");
      const lifting = widen();
      for (let i = 0; i < waits; i++) await Promise.resolve();
      let gaps = 0;
      const again = facts.narrowAgent("a-1", BY_HAND, "ops");
      facts.ledger.listen(() => {
        if (left() === null) gaps++;
      });
      await Promise.all([lifting, again]);
      await turns();
      expect([left() === null, gaps]).to.deep.equal([false, 0]);
      expect(left(await world.reopened())).not.to.be.null;
    });
  }

  it("are listed, in force or lifted", async () => {
    await facts.narrowAgent("a-2", BY_ITSELF, "remit");
    await facts.narrowAgent("a-1", BY_HAND, "ops");
    await widen();
    const ids = (filter: object): string[] => facts.narrowings({ cursor: null, limit: 9 }, filter).items.map(({ agent }) => agent);
    expect([ids({}), ids({ in_force: true }), ids({ in_force: false })]).to.deep.equal([["a-1", "a-2"], ["a-2"], ["a-1"]]);
    expect([ids({ purpose: "support" }), ids({ purpose: "audit" })]).to.deep.equal([["a-2"], []]);
  });

  describe("and suspensions", () => {
    const suspend = { status: "suspended", reason: "risk 91 is at least 85" } as const;
    const restore = { status: "active", reason: "looked at" } as const;

    it("end together where a person restores the agent, in one step that all see", async () => {
      await facts.narrowAgent("a-1", BY_ITSELF, "remit");
      await facts.changeAgent("a-1", suspend, null, "remit");
      const seen: unknown[] = [];
      facts.ledger.listen(({ change }) => seen.push(change));
      await facts.changeAgent("a-1", restore, null, "ada");
      expect([facts.agent("a-1").status, facts.narrowing("a-1").lifted, seen]).to.deep.equal([
        "active",
        { at: at(0), by: "ada", reason: "looked at" },
        ["agent_restored", "agent_widened"],
      ]);
      expect((await world.reopened()).registry.dump()).to.deep.equal(facts.registry.dump());
    });

    it("leave alone what a person narrowed on purpose", async () => {
      await facts.narrowAgent("a-1", BY_HAND, "ops");
      await facts.changeAgent("a-1", suspend, null, "remit");
      await facts.changeAgent("a-1", restore, null, "ada");
      expect([facts.agent("a-1").status, facts.narrowing("a-1").lifted]).to.deep.equal(["active", null]);
    });

    it("end neither of them where one comes again meanwhile, or can't be stored", async () => {
      await facts.narrowAgent("a-1", BY_ITSELF, "remit");
      await facts.changeAgent("a-1", suspend, null, "remit");
      const restoring = outcome(facts.changeAgent("a-1", restore, null, "ada"));
      await Promise.all([facts.narrowAgent("a-1", BY_HAND, "ops"), restoring]);
      expect([await restoring, facts.agent("a-1").status, left() === null]).to.deep.equal(["revision_stale", "suspended", false]);
      world.store.fate = () => "before";
      expect(await outcome(facts.changeAgent("a-1", restore, null, "ada"))).to.equal("store_unavailable");
      expect(facts.agent("a-1").status).to.equal("suspended");
    });
  });

  it("are counted while they are in force, once for each agent", () => {
    const narrowings = new Narrowings();
    const put = (agent: string, lifted: NarrowingState["lifted"] = null): number[] => {
      narrowings.put({ agent, ...BY_HAND, by: "ops", since: at(0), lifted, revision: 1 });
      return [narrowings.size, narrowings.inForce];
    };
    const lifted = { at: at(0), by: "ada", reason: "r" };
    const seen = [put("a-1"), put("a-1"), put("a-2", lifted), put("a-1", lifted), put("a-1", lifted), put("a-2"), put("a-1")];
    expect(seen).to.deep.equal([
      [1, 1],
      [1, 1],
      [2, 1],
      [2, 0],
      [2, 0],
      [2, 1],
      [2, 2],
    ]);
  });

  it("are shared out among nodes, of which each permits its own part and no more", () => {
    const permitted = (nodes: number): number => {
      const narrowings = new Narrowings(() => nodes);
      narrowings.put({ agent: "a-1", ...BY_HAND, actions_per_minute: 7, by: "ops", since: at(0), lifted: null, revision: 1 });
      return Array.from({ length: 20 }, () => narrowings.spend(["a-1"], NOW)).filter(Boolean).length;
    };
    expect([1, 2, 3, 7, 8, Infinity].map(permitted)).to.deep.equal([7, 3, 2, 1, 0, 0]);
  });

  describe("leave so many actions a minute", () => {
    const spend = (...agents: string[]): boolean => facts.registry.spend(agents, world.clock.wall_ms);
    beforeEach(async () => {
      await facts.narrowAgent("a-1", { ...BY_HAND, actions_per_minute: 3 }, "ops");
    });

    it("and the next one when the first is a minute ago", () => {
      for (const [ms, permitted] of [
        [0, true],
        [1000, true],
        [2000, true],
        [3000, false],
        [59_999, false],
        [60_000, true],
        [60_001, false],
        [61_000, true],
      ] as const) {
        world.clock.wall_ms = NOW + ms;
        expect(spend("a-1"), `after ${ms} ms`).to.equal(permitted);
      }
      expect(left()).to.deep.equal({ actions_per_minute: 3, permitted: 3 });
    });

    it("to all whose task it is, or to none of them", async () => {
      await facts.narrowAgent("a-2", { ...BY_HAND, actions_per_minute: 1 }, "ops");
      expect([spend("a-1", "a-2"), spend("a-1", "a-2")]).to.deep.equal([true, false]);
      expect([left(), left(facts, "a-2")]).to.deep.equal([
        { actions_per_minute: 3, permitted: 1 },
        { actions_per_minute: 1, permitted: 1 },
      ]);
    });

    it("and as many as they like to those that aren't narrowed, of which none is counted", async () => {
      for (let i = 0; i < 100; i++) expect(spend("a-2", "unknown")).to.be.true;
      await facts.narrowAgent("a-2", BY_HAND, "ops");
      expect(left(facts, "a-2")).to.deep.equal({ actions_per_minute: 5, permitted: 0 });
    });

    it("whether or not it is lifted and made again within the minute", async () => {
      for (let i = 0; i < 3; i++) spend("a-1");
      await widen();
      expect([left(), spend("a-1")]).to.deep.equal([null, true]);
      await facts.narrowAgent("a-1", { ...BY_HAND, actions_per_minute: 3 }, "ops");
      expect(spend("a-1")).to.be.false;
    });

    it("no later than a minute after a clock that was set back", () => {
      for (let i = 0; i < 3; i++) spend("a-1");
      world.clock.wall_ms = NOW - 60 * MINUTE_MS;
      expect(spend("a-1")).to.be.false;
      world.clock.wall_ms += MINUTE_MS;
      expect(spend("a-1")).to.be.true;
    });

    it("never more, whenever they are asked for", () => {
      const gaps = fc.array(fc.oneof(fc.integer({ min: 0, max: 30_000 }), fc.constantFrom(0, 1, 59_999, 60_000)));
      fc.assert(
        fc.property(gaps, (steps) => {
          const narrowings = new Narrowings();
          narrowings.put({ agent: "a-1", ...BY_HAND, actions_per_minute: 3, by: "ops", since: at(0), lifted: null, revision: 1 });
          const taken: number[] = [];
          let now = NOW;
          for (const gap of steps) {
            now += gap;
            const within = taken.filter((one) => one > now - MINUTE_MS).length;
            const permitted = narrowings.spend(["a-1"], now);
            expect(permitted).to.equal(within < 3);
            if (permitted) taken.push(now);
          }
        }),
        { numRuns: 1000 },
      );
    });
  });

  describe("in an import", () => {
    const run = (facts_: object[], id = "I-1") =>
      lines(facts_).then((file) => importFacts(facts, file, { id, dryRun: false, by: "mover", reason: "moving" }));

    it("and an export go from one service to another, and end there as they would have here", async () => {
      await facts.narrowAgent("a-1", BY_ITSELF, "remit");
      await facts.narrowAgent("a-2", BY_HAND, "ops");
      const exported = [...exportFacts(facts.registry, NOW)];
      const other = await new World().open();
      const file = await lines(exported);
      await importFacts(other, file, { id: "I-1", dryRun: false, by: "mover", reason: "moving" });
      expect(other.narrowing("a-1")).to.deep.include({ ...BY_ITSELF, by: "mover", lifted: null });
      expect(other.narrowing("a-2")).to.deep.include({ ...BY_HAND, by: "mover", lifted: null });
      expect([...exportFacts(other.registry, NOW)]).to.deep.equal(exported);
      await widen();
      expect([...exportFacts(facts.registry, NOW)].filter((line) => "narrowing" in line)).to.have.length(1);
    });

    it("hold, are no change a second time, and make no narrowing wider", async () => {
      const line = { narrowing: { agent: "a-1", reason: "r", actions_per_minute: 5 } };
      expect(await run([line])).to.deep.include({ created: 1, changed: 0 });
      expect(left()).to.deep.equal({ actions_per_minute: 5, permitted: 0 });
      expect(await run([line], "I-2")).to.deep.include({ created: 0, changed: 0, unchanged: 1 });
      await run([{ narrowing: { ...line.narrowing, actions_per_minute: 9, below: 40, for_ms: 0 } }], "I-3");
      expect(facts.narrowing("a-1")).to.deep.include({ actions_per_minute: 5, below: null });
      await run([{ narrowing: { ...line.narrowing, actions_per_minute: 1 } }], "I-4");
      expect(facts.narrowing("a-1").actions_per_minute).to.equal(1);
    });

    it("stand under their agents in YAML", async () => {
      const text = "agents:\n  a-9: {owner: ops, purposes: [support]}\nnarrowings:\n  a-9: {reason: incident 12}\n";
      await importFacts(facts, readYamlDocument(Buffer.from(text), "f"), { id: "Y", dryRun: false, by: "m", reason: null });
      expect(left(facts, "a-9")).to.deep.equal({ actions_per_minute: 10, permitted: 0 });
    });

    const bad: [what: string, narrowing: object, refused: string][] = [
      ["an agent that isn't there", { agent: "a-3", reason: "r" }, "/narrowing/agent"],
      ["no reason", { agent: "a-1" }, "/narrowing/reason"],
      ["no agent", { reason: "r" }, "/narrowing/agent"],
      ["no action at all", { agent: "a-1", reason: "r", actions_per_minute: 0 }, "/narrowing/actions_per_minute"],
      ["half an action", { agent: "a-1", reason: "r", actions_per_minute: 0.5 }, "/narrowing/actions_per_minute"],
      ["more actions than are counted", { agent: "a-1", reason: "r", actions_per_minute: 10_001 }, "/narrowing/actions_per_minute"],
      ["a risk above all", { agent: "a-1", reason: "r", below: 101, for_ms: 1 }, "/narrowing/below"],
      ["an end without its time", { agent: "a-1", reason: "r", below: 40 }, "/narrowing/for_ms"],
      ["a time without its end", { agent: "a-1", reason: "r", for_ms: 1 }, "/narrowing/for_ms"],
      ["a purpose that nobody has", { agent: "a-1", reason: "r", purpose: "flying" }, "/narrowing/purpose"],
      ["who made it", { agent: "a-1", reason: "r", by: "ada" }, "/narrowing/by"],
      ["that it is lifted", { agent: "a-1", reason: "r", lifted: null }, "/narrowing/lifted"],
      ["why as one text", { agent: "a-1", reason: "r", why: "odd" }, "/narrowing/why"],
    ];
    for (const [what, narrowing, refused] of bad) {
      it(`are refused for ${what}, naming the field`, async () => {
        expect(await outcome(run([{ narrowing }]))).to.match(new RegExp(`^import_invalid ${refused}(?:/\\d+)? line 1$`));
        expect(facts.registry.revision).to.equal(2);
      });
    }
  });
});

describe("what another node has restricted", () => {
  const agent = { id: "a-1", status: "active", bound: at(0), ended: null };
  const ended = { at: at(5), reason: "r" };
  const told = (changes: object = {}): object => ({ scope: "agent", of: "a-1", lifted: null, source: "idp", as_of: at(5), ...changes });
  const lifted = { at: at(0), by: "ada", reason: "r" };
  const before = (changes: object = {}): object => told({ by: "earlier", ...changes });

  const rows: [change: string, there: object, here: object | null, becomes: object | null | "the same"][] = [
    ["agent_suspended", agent, agent, { ...agent, status: "suspended" }],
    ["agent_suspended", agent, { ...agent, status: "suspended" }, "the same"],
    ["agent_suspended", agent, { ...agent, status: "revoked" }, "the same"],
    ["agent_revoked", agent, { ...agent, status: "suspended" }, { ...agent, status: "revoked" }],
    ["agent_revoked", agent, { ...agent, status: "revoked" }, "the same"],
    ["task_ended", { ended }, { id: "T-1", ended: null }, { id: "T-1", ended }],
    ["grant_ended", { ended }, { id: "G-1", ended: null }, { id: "G-1", ended }],
    ["grant_ended", { ended }, { id: "G-1", ended: { ...ended, at: at(1) } }, "the same"],
    ["revoked", { scope: "agent", lifted: null }, null, { scope: "agent", lifted: null }],
    ["revoked", { scope: "agent", lifted: null }, { scope: "agent", by: "x", lifted: null }, "the same"],
    ["revoked", { scope: "agent", lifted: null }, { scope: "agent", by: "x", lifted }, { scope: "agent", lifted: null }],
    ["revoked", told(), null, told()],
    ["revoked", told(), before({ lifted }), told()],
    ["revoked", told(), before(), "the same"],
    ["revoked", told({ as_of: at(4) }), before(), "the same"],
    ["revoked", told({ as_of: at(6) }), before(), before({ as_of: at(6) })],
    ["revoked", told({ before: at(1) }), before(), before({ before: at(1) })],
    ["revoked", told({ before: at(1) }), before({ before: at(1) }), "the same"],
    ["revoked", told({ before: at(1) }), before({ before: at(2) }), "the same"],
    ["revoked", told({ as_of: at(6), before: at(1) }), before({ before: at(2) }), before({ as_of: at(6), before: at(2) })],
    ["agent_tokens_cut", { bound: at(5) }, agent, { ...agent, bound: at(5) }],
    ["agent_tokens_cut", { bound: at(5) }, { ...agent, bound: at(5) }, "the same"],
    ["agent_tokens_cut", { bound: at(5) }, { ...agent, bound: at(6) }, "the same"],
    ["agent_narrowed", { ...BY_HAND, lifted: null }, null, { ...BY_HAND, lifted: null }],
  ];
  for (const [change, there, here, becomes] of rows)
    it(`holds here too and gives nothing back: ${change} ${JSON.stringify(there)} on ${JSON.stringify(here)}`, () => {
      const value = here as Json;
      const after = restrictionOf(change, there as Json)?.(value);
      if (becomes === "the same") expect(after).to.equal(value);
      else expect(after).to.deep.equal(becomes);
    });

  for (const [change, value] of [
    ["task_ended", { ended: null }],
    ["grant_ended", {}],
    ["agent_tokens_cut", {}],
    ["agent_restored", agent],
    ["something new", {}],
  ] as const)
    it(`is nothing for ${change} of ${JSON.stringify(value)}`, () => {
      expect(restrictionOf(change, value)).to.equal(null);
    });
});
