import { expect } from "chai";
import type { Facts } from "../../src/decision/ports.js";
import type { Commands } from "../../src/facts/commands.js";
import type { Registry } from "../../src/facts/registry.js";
import type { Store } from "../../src/store/store.js";
import { HOUR_MS, World, at, drawing, outcome, turns, type Fate } from "./world.js";

const agents = async (facts: Commands, count: number): Promise<void> => {
  for (let i = 0; i < count; i++)
    await facts.createAgent({ id: `a-${i}`, owner: `o-${i % 3}`, purposes: ["support"], delegates: ["support"] }, "host");
};

/** One command, drawn; most are refused now and then. */
function command(facts: Commands, draw: (below: number) => number): Promise<unknown> {
  const [agent, task, grant] = [`a-${draw(12)}`, `T-${draw(30)}`, `G-${draw(12)}`];
  const reason = "r";
  const customer = [["ada"], ["bob"], ["ada", "bob"]][draw(3)] ?? [];
  switch (draw(12)) {
    case 0:
      return facts.createAgent(
        {
          id: agent,
          owner: `o-${draw(3)}`,
          purposes: ["support"],
          delegates: ["support"],
          credentials: [{ issuer: "i", subject: `s-${draw(9)}` }],
        },
        "host",
      );
    case 1:
    case 2:
      return facts.createTask(
        {
          id: task,
          agent,
          purpose: "support",
          parent: draw(2) === 0 ? null : `T-${draw(30)}`,
          subjects: { customer },
          expires: at(HOUR_MS),
        },
        "host",
      );
    case 3:
      return facts.createGrant(
        {
          id: grant,
          agent,
          entry: { read: "invoice" },
          reason,
          requested_by: "a",
          approved_by: "b",
          expires: at(HOUR_MS),
          uses: 1 + draw(5),
        },
        "host",
      );
    case 4: {
      const known = facts.registry.agent(agent);
      const members = draw(2) === 0 ? { owner: `o-${draw(3)}` } : { credentials: [{ issuer: "i", subject: `s-${draw(9)}` }] };
      return facts.changeAgent(agent, members, draw(5) === 0 ? 1 : (known?.revision ?? 0), "host");
    }
    case 5:
      return facts.changeAgent(
        agent,
        { status: (["active", "suspended", "revoked"] as const)[draw(20) === 0 ? 2 : draw(2)] ?? "active", reason },
        null,
        "ops",
      );
    case 6:
      return facts.changeTask(task, { subjects: { customer } }, null, "host");
    case 7:
      return facts.changeTask(task, { ended: true, reason }, null, "host");
    case 8:
      return facts.endGrant(grant, { ended: true, reason }, null, "ops");
    case 9:
    case 10: {
      const scope = [{ agent }, { task }, { grant }, { token: `j-${draw(5)}` }, { everything: true } as const][draw(5)] ?? {};
      return facts.revoke({ scope, reason }, "ops");
    }
    default: {
      const [any] = facts.revocations({ cursor: null, limit: 1 }, { in_force: true }).items;
      return facts.lift(any?.id ?? "everything", { reason }, null, "ops");
    }
  }
}

describe("the registry", () => {
  it("is what decisions ask", () => {
    const isPort = (registry: Registry): Facts => registry;
    expect(isPort).to.be.a("function");
  });

  it("is the same when it is filled from the store, after whatever commands, one at a time or many at once", async () => {
    for (let seed = 1; seed <= 40; seed++) {
      const draw = drawing(seed);
      const world = new World();
      const facts = await world.open();
      await agents(facts, 4);
      for (let round = 0; round < 30; round++) {
        const size = 1 + draw(8);
        await Promise.all(Array.from({ length: size }, () => outcome(command(facts, draw))));
      }
      const reopened = await world.reopened();
      expect(reopened.registry.dump(), `seed ${seed}`).to.deep.equal(facts.registry.dump());
      expect(
        world.records.map(({ facts_revision }) => facts_revision),
        `seed ${seed}`,
      ).to.deep.equal(Array.from({ length: world.store.revision }, (_, i) => i + 1));
    }
  });

  it("is never less strict than the store and what was acknowledged, and in the end the same, however writes and records fail", async () => {
    let held = 0;
    for (let seed = 1; seed <= 60; seed++) {
      const draw = drawing(seed);
      const world = new World();
      const facts = await world.open();
      await agents(facts, 4);
      const fates: Fate[] = ["written", "written", "written", "before", "after"];
      world.store.fate = () => fates[draw(fates.length)] ?? "written";
      const stopped = new Set<string>();
      facts.ledger.listen(({ key, change }) => {
        // A widening is told only when it is durable; until then what was narrowed stays so.
        if (["agent_suspended", "agent_revoked", "revoked"].includes(change)) stopped.add(key);
        if (["agent_restored", "revocation_lifted"].includes(change)) stopped.delete(key);
      });
      for (let round = 0; round < 30; round++) {
        world.logFails = draw(4) === 0;
        await Promise.all(Array.from({ length: 1 + draw(6) }, () => outcome(command(facts, draw))));
        if (draw(3) === 0) await world.timers.advance(1000);
        for (const key of stopped) {
          if (facts.registry.isHeld(key)) held++;
          const id = key.slice(key.indexOf("/") + 1);
          const strict = key.startsWith("agent")
            ? facts.registry.agent(id)?.status !== "active"
            : facts.registry.revocation(id)?.lifted === null;
          expect(strict, `seed ${seed}, ${key}`).to.be.true;
        }
        expect(facts.registry.revision).to.be.at.most(world.store.revision);
      }
      world.store.fate = () => "written";
      world.logFails = false;
      for (let i = 0; i < 3; i++) await world.timers.advance(1000);
      expect((await world.reopened()).registry.dump(), `seed ${seed}`).to.deep.equal(facts.registry.dump());
      const numbered = world.records.flatMap(({ facts_revision }) => facts_revision ?? []);
      expect(numbered, `seed ${seed}`).to.deep.equal(Array.from({ length: world.store.revision }, (_, i) => i + 1));
    }
    expect(held).to.be.above(20);
  });

  it("stops what was last asked to be stopped, however 10,000 revocations, suspensions and their undoing overlap", async () => {
    let stopped = 0;
    for (let seed = 1; seed <= 50; seed++) {
      const draw = drawing(seed);
      const world = new World(undefined, {}, false);
      const facts = await world.open();
      await agents(facts, 2);
      if (seed % 2 === 0) world.store.fate = () => (["written", "written", "before", "after"] as const)[draw(4)] ?? "written";
      for (let round = 0; round < 20; round++) {
        const last = new Map<string, boolean>();
        const asked: Promise<unknown>[] = [];
        for (let i = 0; i < 10; i++) {
          const [agent, reason] = [`a-${draw(2)}`, "r"];
          const stop = draw(2) === 0;
          if (draw(2) === 0) {
            last.set(`revocation ${agent}`, stop);
            asked.push(
              outcome(stop ? facts.revoke({ scope: { agent }, reason }, "ops") : facts.lift(`agent/${agent}`, { reason }, null, "ops")),
            );
          } else {
            last.set(`status ${agent}`, stop);
            asked.push(outcome(facts.changeAgent(agent, { status: stop ? "suspended" : "active", reason }, null, "ops")));
          }
          await turns(draw(4));
        }
        await Promise.all(asked);
        if (draw(2) === 0) await world.timers.advance(1000);
        for (const [what, stop] of last) {
          const [kind, agent = ""] = what.split(" ");
          if (!stop) continue;
          stopped++;
          const strict = kind === "status" ? facts.registry.agent(agent)?.status === "suspended" : facts.registry.revoked("agent", agent);
          expect(strict, `seed ${seed}, round ${round}, ${what}`).to.be.true;
        }
      }
    }
    expect(stopped).to.be.above(1000);
  });

  it("loses no update of two operators: of 10,000 changes at once every one that succeeded is there", async () => {
    const world = new World(undefined, {}, false);
    const facts = await world.open();
    await agents(facts, 3);
    const draw = drawing(11);
    const done = [0, 0, 0];
    let stale = 0;
    const edit = async (): Promise<void> => {
      const i = draw(3);
      const read = facts.agent(`a-${i}`);
      await turns(draw(3));
      const result = await outcome(facts.changeAgent(read.id, { version: String(Number(read.version) + 1) }, read.revision, "host"));
      if (result === "done") done[i] = (done[i] ?? 0) + 1;
      else {
        expect(result).to.equal("revision_stale");
        stale++;
      }
    };
    for (let round = 0; round < 100; round++) await Promise.all(Array.from({ length: 100 }, edit));
    expect(done.map((times, i) => [facts.agent(`a-${i}`).version, times])).to.deep.equal(done.map((times) => [String(times + 1), times]));
    expect(stale).to.be.above(5000);
    expect(facts.registry.revision).to.equal(3 + done.reduce((a, b) => a + b));
  });

  it("completes the log with what a crash kept from it, and refuses a store older than the log", async () => {
    const world = new World();
    const facts = await world.open();
    await agents(facts, 5);
    const next = new World(world.disk);
    await next.open(3);
    expect(next.records.map(({ facts_revision }) => facts_revision)).to.deep.equal([4, 5]);
    let refused = "";
    await new World(world.disk).open(6).catch((cause: unknown) => (refused = String(cause)));
    expect(refused).to.equal("StoreBehind: the log has facts revision 6 and the store ends at 5");
  });

  it("completes the log once with what a store hands on while it is read, and goes on from there", async () => {
    const world = new World();
    await agents(await world.open(), 5);
    for (const [handed, from] of [
      [[1, 2, 3, 4, 5], 3],
      [[1, 2, 3, 4], 3],
      [[1, 2, 3, 4, 5], 5],
      [[], 4],
    ] as const) {
      const next = new World(world.disk);
      const entries = next.store.inner.entries.bind(next.store.inner);
      const handing: Store["entries"] = async function* (passing) {
        const changes = await next.store.inner.changes(0, 10);
        await passing?.(changes.filter(({ revision }) => (handed as readonly number[]).includes(revision)));
        yield* entries();
      };
      Object.assign(next.store, { entries: handing });
      await next.open(from);
      const lacked = [1, 2, 3, 4, 5].filter((revision) => revision > from);
      expect(next.records.map(({ facts_revision }) => facts_revision)).to.deep.equal(lacked);
    }
  });

  it("doesn't open where the log takes none of what a store hands on, in its last part either", async () => {
    const world = new World();
    await agents(await world.open(), 5);
    const next = new World(world.disk);
    const handing: Store["entries"] = async function* (passing) {
      next.logFails = true;
      await passing?.(await next.store.inner.changes(0, 10));
      next.logFails = false;
      yield* next.store.inner.entries();
    };
    Object.assign(next.store, { entries: handing });
    expect(await outcome(next.open(3))).to.equal("log_unavailable");
  });

  it("has no change without a record: while the log takes none, nothing is widened, and what was is made up for first", async () => {
    const world = new World();
    const facts = await world.open();
    world.logFails = true;
    const asked = { id: "a-1", owner: "ops", purposes: ["support"] };
    expect(await outcome(facts.createAgent(asked, "host"))).to.equal("log_unavailable");
    expect(await outcome(facts.createAgent({ ...asked, id: "a-2" }, "host"))).to.equal("log_unavailable");
    expect([world.store.revision, world.records.length]).to.deep.equal([1, 0]);
    world.logFails = false;
    expect((await facts.createAgent(asked, "host")).created).to.be.false;
    expect(world.records.map(({ facts_revision }) => facts_revision)).to.deep.equal([1]);
  });

  it("has no change that the store refused, and shows one that turned up there after all", async () => {
    const world = new World();
    const facts = await world.open();
    const asked = { id: "a-1", owner: "ops", purposes: ["support"] };
    world.store.fate = () => "before";
    expect(await outcome(facts.createAgent(asked, "host"))).to.equal("store_unavailable");
    expect([facts.registry.agent("a-1"), facts.registry.revision]).to.deep.equal([undefined, 0]);
    world.store.fate = () => "after";
    expect(await outcome(facts.createAgent(asked, "host"))).to.equal("store_unavailable");
    world.store.fate = () => "written";
    await facts.createAgent({ ...asked, id: "a-2" }, "host");
    expect([facts.registry.agent("a-1")?.id, facts.registry.revision]).to.deep.equal(["a-1", 2]);
  });

  it("lists in pages that miss and repeat nothing, whatever comes between them", async () => {
    const world = new World();
    const facts = await world.open();
    await agents(facts, 25);
    const seen: string[] = [];
    let added = 25;
    for (let cursor: string | null = null, more = true; more; more = cursor !== null) {
      const found = facts.agents({ cursor, limit: 4 }, { owner: "o-1" });
      seen.push(...found.items.map(({ id }) => id));
      cursor = found.next;
      await facts.createAgent({ id: `b-${added++}`, owner: "o-2", purposes: [] }, "host");
    }
    expect(seen).to.deep.equal(["a-1", "a-10", "a-13", "a-16", "a-19", "a-22", "a-4", "a-7"]);
    for (const cursor of ["x y", "", "////"]) expect(() => facts.agents({ cursor, limit: 4 })).to.throw("acceptable");
  });

  it("keeps its events, by key and by kind", async () => {
    const world = new World();
    const facts = await world.open();
    await agents(facts, 2);
    await facts.changeAgent("a-0", { status: "suspended", reason: "odd" }, null, "ops");
    const page = await facts.events(0, 2);
    expect([page.items.map(({ key }) => key), page.next]).to.deep.equal([["agent/a-0", "agent/a-1"], "2"]);
    const { items } = await facts.events(0, 10, { key: "agent/a-0" });
    expect(items.map(({ change, by, reason }) => [change, by, reason])).to.deep.equal([
      ["agent_created", "host", null],
      ["agent_suspended", "ops", "odd"],
    ]);
    world.store.fate = () => "before";
    expect(await outcome(facts.events(0, 10))).to.equal("store_unavailable");
  });

  it("answers look-ups of inherited names with nothing", async () => {
    const facts = await new World().open();
    for (const name of ["constructor", "__proto__", "toString", ""]) {
      expect([
        facts.registry.agent(name),
        facts.registry.task(name),
        facts.registry.agentOf({ issuer: name, subject: name }),
      ]).to.deep.equal([undefined, undefined, undefined]);
      expect(facts.registry.revoked("agent", name)).to.be.false;
    }
  });
});
