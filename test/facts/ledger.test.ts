/** The ledger, while the store or the log fails, says too little, or says it late. */
import { expect } from "chai";
import type { Commands } from "../../src/facts/commands.js";
import { StoreInvalid, StoreUnavailable, StoreUnsure, type Change } from "../../src/store/store.js";
import { Problem, RECORD_VERSION } from "../../src/contract/index.js";
import { World, at, outcome, turns } from "./world.js";

const AGENT = { id: "a-1", owner: "team", purposes: ["support"] };
const CUT = { scope: { agent: "a-1" }, reason: "odd" };

describe("the ledger", () => {
  let world: World;
  let facts: Commands;
  beforeEach(async () => {
    world = new World();
    facts = await world.open();
    await facts.createAgent(AGENT, "host");
  });

  it("refuses as the caller's fault what no store could keep", async () => {
    world.store.write = () => Promise.reject(new StoreInvalid("/value", "less than 1 MiB"));
    const refused = await facts.createAgent({ ...AGENT, id: "a-2" }, "host").catch((cause: unknown) => cause as Problem);
    expect(refused).to.deep.nested.include({ code: "fact_invalid", "detail.expected": "what can be stored: less than 1 MiB" });
    expect(facts.ledger.isChanging("agent")).to.equal(false);
  });

  it("takes no fault of the code for one of the store", async () => {
    world.store.write = () => Promise.reject(new RangeError("it broke"));
    const refused = await facts.createAgent({ ...AGENT, id: "a-2" }, "host").catch((cause: unknown) => cause);
    expect(refused).to.be.instanceOf(RangeError);
    expect(facts.ledger.isChanging("agent")).to.equal(false);
  });

  it("doesn't start on a store that lacks a change which the log needs", async () => {
    const gap = new World(world.disk);
    gap.store.changes = () => Promise.resolve([]);
    const refused = await gap.open(0).catch((cause: unknown) => String(cause));
    expect(refused).to.equal("Error: the store has no change after revision 0");
    expect(gap.records).to.deep.equal([]);
  });

  it("names who changed what, when and why, in each record", async () => {
    world.clock.wall_ms += 1000;
    await facts.changeAgent("a-1", { status: "suspended", reason: "odd" }, null, "ops");
    const { agent, ...record } = world.records.at(-1) ?? {};
    expect(agent).to.include({ id: "a-1", status: "suspended" });
    const said = { change: "agent_suspended", facts_revision: 2, caller: "ops", reason: "odd" };
    expect(record).to.deep.equal({ v: RECORD_VERSION, kind: "facts", time: at(1000), ...said });
  });

  it("may be about to change while a write's outcome is unknown, and until what is durable was read", async () => {
    let settle: (revisions: null) => void = () => undefined;
    const { inner } = world.store;
    world.store.write = () => {
      world.store.write = (...again) => inner.write(...again);
      return Promise.reject(new StoreUnsure("no server has said", new Promise((resolve) => (settle = resolve))));
    };
    expect(facts.ledger.isChanging("agent")).to.equal(false);
    expect(await outcome(facts.createAgent({ ...AGENT, id: "a-2" }, "host"))).to.equal("outcome_unknown");
    await turns();
    expect(facts.ledger.isChanging("agent"), "nobody knows").to.equal(true);
    settle(null);
    await turns();
    expect(facts.ledger.isChanging("agent"), "it isn't read").to.equal(true);
    await world.timers.advance(1000);
    expect(facts.ledger.isChanging("agent"), "it is read").to.equal(false);
  });

  it("tries again for as long as the store fails, and has what turned up there", async () => {
    world.store.fate = () => "after";
    expect(await outcome(facts.createAgent({ ...AGENT, id: "a-2" }, "host"))).to.equal("store_unavailable");
    world.store.fate = () => "before";
    for (let i = 0; i < 3; i++) {
      await world.timers.advance(1000);
      expect(facts.ledger.isChanging("agent"), String(i)).to.equal(true);
    }
    world.store.fate = () => "written";
    await world.timers.advance(1000);
    expect(facts.ledger.isChanging("agent")).to.equal(false);
    expect(facts.agent("a-2").id).to.equal("a-2");
  });

  it("tells what holds with its value before it is durable, and has it for other nodes until it is", async () => {
    const key = "revocation/agent/a-1";
    const told: unknown[] = [];
    facts.ledger.listen(({ value, ...notice }) => told.push([notice.key, (value as { reason?: string } | null)?.reason, notice.revision]));
    expect(facts.ledger.held(key)).to.equal(null);
    world.store.fate = () => "before";
    await facts.revoke(CUT, "ops");
    expect(facts.ledger.held(key)).to.include({ key, base: 0, change: "revoked", by: "ops", reason: "odd" });
    world.store.fate = () => "written";
    await world.timers.advance(1000);
    expect(facts.ledger.held(key)).to.equal(null);
    expect(told).to.deep.equal([
      [key, "odd", null],
      [key, "odd", 2],
    ]);
  });

  const broken: [what: string, cut: () => void, problem: string][] = [
    ["store", () => (world.store.write = () => Promise.reject(new RangeError("it broke"))), "store_unavailable"],
    ["log", () => (facts.deps.log.append = () => Promise.reject(new RangeError("it broke"))), "log_unavailable"],
  ];
  for (const [what, cut, problem] of broken)
    it(`lets a restriction hold though the code of the ${what} is broken, and says that it isn't durable`, async () => {
      cut();
      expect((await facts.revoke(CUT, "ops")).in_force).to.include({ durable: false, problem });
      expect(facts.registry.revoked("agent", "a-1")).to.equal(true);
    });

  const unknown: [what: string, lose: () => void][] = [
    [
      "nobody says whether it was made",
      () =>
        (world.store.write = async (...write) => {
          world.store.write = (...again) => world.store.inner.write(...again);
          await world.store.inner.write(...write);
          throw new StoreUnsure("no server has said", new Promise(() => undefined));
        }),
    ],
    [
      "it was made, and the store fails since",
      () => {
        let calls = 0;
        world.store.fate = () => (calls++ === 0 ? "after" : "before");
      },
    ],
  ];
  for (const [what, lose] of unknown)
    it(`lets a restriction hold over one that was lifted, where of the lift ${what}`, async () => {
      const status = (to: "active" | "suspended") => facts.changeAgent("a-1", { status: to, reason: "odd" }, null, "ops");
      await status("suspended");
      world.store.follow = () => () => undefined;
      facts.ledger.close();
      lose();
      await outcome(status("active"));
      const suspending = status("suspended");
      for (let i = 0; i < 5; i++) await world.timers.advance(1000);
      const { in_force } = await suspending;
      expect(in_force?.durable === true ? in_force.revision : "not durable").to.be.oneOf(["not durable", 4]);
      world.store.fate = () => "written";
      await facts.ledger.catchUp();
      expect(facts.registry.agent("a-1")?.status).to.equal("suspended");
    });

  it("takes no mark of another node for a change", async () => {
    world.store.mark({ by: "b", n: 1, value: null });
    await turns();
    await facts.createAgent({ ...AGENT, id: "a-2" }, "host");
    expect([facts.registry.revision, world.records.map(({ change }) => change)]).to.deep.equal([2, ["agent_created", "agent_created"]]);
  });

  it("puts what holds on record once while the store fails, though it tries again, and makes it durable in the end", async () => {
    world.store.fate = () => "before";
    const { in_force } = await facts.revoke(CUT, "ops");
    expect(in_force).to.include({ durable: false });
    const told = (): unknown[] => world.records.filter(({ change }) => change === "revoked").map(({ facts_revision: of }) => of);
    for (let i = 0; i < 3; i++) await world.timers.advance(1000);
    expect(told()).to.deep.equal([null]);
    world.store.fate = () => "written";
    await world.timers.advance(1000);
    expect(told()).to.deep.equal([null, 2]);
    expect((await world.reopened()).registry.revoked("agent", "a-1")).to.equal(true);
    await world.timers.advance(1000);
    expect(told(), "it is no longer tried").to.deep.equal([null, 2]);
  });

  it("puts on record what holds as soon as the log takes it, if both have failed", async () => {
    world.store.fate = () => "before";
    world.logFails = true;
    await facts.revoke(CUT, "ops");
    await world.timers.advance(1000);
    expect(world.records.filter(({ change }) => change === "revoked")).to.deep.equal([]);
    world.logFails = false;
    await world.timers.advance(1000);
    await world.timers.advance(1000);
    expect(world.records.filter(({ change }) => change === "revoked")).to.have.lengthOf(1);
  });

  it("makes up for records in the order of their changes, in whatever order the log refused them", async () => {
    const refusals: (() => void)[] = [];
    const order: unknown[] = [];
    const slow = new World();
    const opened = await slow.open();
    // Both are handed to the log before it has refused either, and it refuses the later one first.
    let refuses = true;
    opened.deps.log.append = (before, after) => {
      if (!refuses) {
        order.push((JSON.parse(`{${before},${after}}`) as { facts_revision: unknown }).facts_revision);
        return Promise.resolve();
      }
      return new Promise((_resolve, reject) =>
        refusals.push(() => {
          reject(new Problem("log_unavailable"));
        }),
      );
    };
    const both = ["ada", "bob"].map((id) => outcome(opened.revoke({ scope: { principal: id }, reason: "odd" }, "ops")));
    await turns();
    expect(refusals).to.have.lengthOf(2);
    for (const refuse of refusals.reverse()) {
      refuse();
      await turns();
    }
    refuses = false;
    await slow.timers.advance(1000);
    await Promise.all(both);
    expect(order).to.deep.equal([1, 2]);
  });

  describe("whose store tells it late of what is durable", () => {
    beforeEach(async () => {
      world = new World();
      world.store.follow = () => () => undefined;
      facts = await world.open();
      await waited(facts.createAgent(AGENT, "host"));
    });

    /** Lets the time pass for which memory waits to be told. */
    async function waited<T>(answer: Promise<T>): Promise<T> {
      const state = { isOver: false };
      const over = (): void => {
        state.isOver = true;
      };
      answer.then(over, over);
      while (!state.isOver) await world.timers.advance(100);
      return answer;
    }

    /** Writes as another service on the same store does. */
    const elsewhere = (changes: object, key = "agent/a-1"): Promise<number[]> =>
      world.store.inner.write([
        {
          ...{ key, expected: world.disk.rows.findLast((row) => row.key === key)?.revision ?? 0 },
          ...{ by: "other", reason: null, change: "agent_changed" },
          value: { ...(JSON.parse(world.disk.rows[0]?.value ?? "{}") as object), id: key.slice(6), ...changes },
          time: "2026-03-03T10:15:00Z",
        },
      ]);

    it("reads it before it answers", async () => {
      await elsewhere({ owner: "others" });
      await waited(facts.revoke({ scope: { principal: "ada" }, reason: "odd" }, "ops"));
      expect(facts.agent("a-1").owner).to.equal("others");
    });

    it("registers an agent though another one was changed meanwhile, and none that is there by then", async () => {
      await elsewhere({ owner: "others" });
      await waited(facts.createAgent({ ...AGENT, id: "a-2" }, "host"));
      expect(facts.agent("a-2").revision).to.equal(3);
      await elsewhere({}, "agent/a-3");
      expect(await waited(outcome(facts.createAgent({ ...AGENT, id: "a-3" }, "host")))).to.equal("agent_exists /id");
      await elsewhere({}, "agent/a-4");
      expect(await waited(outcome(facts.createAgent({ ...AGENT, id: "A-4" }, "host")))).to.equal("agent_id_similar /id");
    });

    it("answers that it can't now, rather than that the id is taken, where others change agents all the time", async () => {
      const { inner } = world.store;
      let n = 0;
      world.store.write = async (...write) => {
        if (++n <= 100) await elsewhere({ owner: `others-${n}` });
        return inner.write(...write);
      };
      expect(await waited(outcome(facts.createAgent({ ...AGENT, id: "a-2" }, "host")))).to.equal("store_unavailable");
      expect(n).to.be.below(100);
    });

    it("answers that nothing is known if it can't be read, and reads it later", async () => {
      const { inner } = world.store;
      world.store.changes = () => Promise.reject(new StoreUnavailable("the disk fails"));
      expect(await waited(outcome(facts.createAgent({ ...AGENT, id: "a-2" }, "host")))).to.equal("store_unavailable");
      expect(facts.ledger.isChanging("agent")).to.equal(true);
      world.store.changes = (...asked) => inner.changes(...asked);
      await world.timers.advance(1000);
      expect(facts.agent("a-2").id).to.equal("a-2");
      expect(facts.ledger.isChanging("agent")).to.equal(false);
    });

    it("says of what another feed has brought that it is durable, by its own revision, once it has read it", async () => {
      await elsewhere({ status: "suspended" });
      const [change] = (await world.store.inner.changes(1, 1)) as [Change];
      facts.holdAhead({ ...change, change: "agent_suspended" });
      expect(facts.registry.agent("a-1")?.status).to.equal("suspended");
      const { in_force } = await waited(facts.changeAgent("a-1", { status: "suspended", reason: "odd" }, null, "ops"));
      expect(in_force).to.include({ durable: true, revision: 2 });
      expect(world.store.revision, "it isn't written again").to.equal(2);
    });

    it("narrows at once though others change the agent all the time, and tries to make it durable twice before it answers", async () => {
      const { inner } = world.store;
      let n = 0;
      world.store.write = async (...write) => {
        await elsewhere({ owner: `others-${++n}` });
        return inner.write(...write);
      };
      const { in_force } = await waited(facts.changeAgent("a-1", { status: "suspended", reason: "odd" }, null, "ops"));
      expect([n, in_force?.durable, facts.registry.agent("a-1")?.status]).to.deep.equal([2, false, "suspended"]);
    });

    it("narrows what was changed elsewhere meanwhile, and loses neither change", async () => {
      await elsewhere({ owner: "others" });
      const { fact, in_force } = await waited(facts.changeAgent("a-1", { status: "suspended", reason: "odd" }, null, "ops"));
      expect(in_force).to.include({ durable: true });
      expect(fact).to.include({ owner: "others", status: "suspended", revision: 3 });
      expect((await world.reopened()).agent("a-1")).to.include({ owner: "others", status: "suspended" });
    });
  });

  it("tells a listener nothing once it no longer listens", async () => {
    let told = 0;
    const stop = facts.ledger.listen(() => told++);
    await facts.createAgent({ ...AGENT, id: "a-2" }, "host");
    expect(told).to.equal(1);
    stop();
    await facts.createAgent({ ...AGENT, id: "a-3" }, "host");
    expect(told).to.equal(1);
  });

  it("tries nothing again once it is closed, and follows the store no longer", async () => {
    world.store.fate = () => "before";
    await facts.revoke(CUT, "ops");
    facts.close();
    let asked = 0;
    world.store.fate = () => {
      asked++;
      return "written";
    };
    await world.timers.advance(60_000);
    expect(asked).to.equal(0);
    await world.store.inner.write([
      { key: "agent/a-9", expected: 0, value: null, by: "x", time: "2026-03-03T10:15:00Z", reason: null, change: "agent_created" },
    ]);
    await turns();
    expect(facts.registry.revision).to.equal(1);
  });
});
