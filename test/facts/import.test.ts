import { expect } from "chai";
import { exportFacts } from "../../src/facts/export.js";
import { importFacts } from "../../src/facts/import.js";
import { readJsonLines, readYamlDocument, type ImportFile } from "../../src/facts/import_file.js";
import type { Commands } from "../../src/facts/commands.js";
import type { Problem } from "../../src/contract/index.js";
import { HOUR_MS, World, at, drawing, lines, outcome, turns } from "./world.js";
import { agent, run } from "./import_support.js";
const task = (id: string, changes: object = {}): Record<string, object> => ({ task: { id, agent: "a-1", purpose: "support", ...changes } });
const grant = (id: string, changes: object = {}): Record<string, object> => ({
  grant: {
    id,
    agent: "a-1",
    entry: { read: "invoice" },
    reason: "r",
    requested_by: "a",
    approved_by: "b",
    expires: at(HOUR_MS),
    ...changes,
  },
});

const everyKind: Record<string, object>[] = [
  task("T-2", { parent: "T-1", agent: "a-2" }),
  { revocation: { scope: { agent: "a-2" }, reason: "odd" } },
  grant("G-1", { uses: 3 }),
  task("T-1", { subjects: { customer: ["ada"] }, expires: at(HOUR_MS) }),
  agent("a-2", { name: "Second", token: "required", credentials: [{ issuer: "i", subject: "s" }] }),
  agent("a-1", { delegates: ["support"], attributes: { tier: 2 }, status: "suspended", version: "3" }),
  agent("a-0", { status: "revoked" }),
];

describe("an import", () => {
  let world: World;
  let facts: Commands;
  beforeEach(async () => {
    world = new World();
    facts = await world.open();
  });

  it("shows what it would do and does nothing, then does it, whatever the order of its lines", async () => {
    // A task of a suspended agent can't be handed on: the agent is suspended after.
    const file = await lines(everyKind.map((fact) => ("agent" in fact ? { agent: { ...fact["agent"], status: undefined } } : fact)));
    const dry = await run(facts, file, "I-1", true);
    expect(dry).to.deep.include({ status: "dry_run", created: 7, changed: 0, unchanged: 0, facts_revision: 0 });
    const keys = ["agent/a-2", "agent/a-1", "agent/a-0", "task/T-1", "task/T-2", "grant/G-1", "revocation/agent/a-2"];
    expect(dry.differences).to.deep.equal(keys.map((key) => ({ key, fields: [] })));
    expect([facts.registry.revision, world.records.length]).to.deep.equal([0, 0]);
    expect(await run(facts, file)).to.deep.include({ status: "applied", created: 7, unchanged: 0 });
    expect(facts.registry.agent("a-1")).to.deep.include({ version: "3", attributes: { tier: 2 }, status: "active" });
    expect(facts.registry.task("T-2")?.parent).to.equal("T-1");
    expect(facts.registry.revoked("agent", "a-2")).to.be.true;
    expect(facts.revocation("agent/a-2")).to.deep.include({ by: "ops", reason: "odd" });
    expect(world.records.map(({ facts_revision }) => facts_revision)).to.deep.equal([1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it("shows what it would change beside what it would create, and of many differences the first thousand", async () => {
    await run(facts, await lines([agent("a-1"), agent("a-2"), agent("a-3")]));
    const file = await lines([agent("a-1", { owner: "new" }), agent("a-2", { version: "2" }), agent("a-3"), agent("a-4")]);
    expect(await run(facts, file, "I-2", true)).to.deep.include({ created: 1, changed: 2, unchanged: 1 });
    const many = await run(facts, await lines(Array.from({ length: 1001 }, (_, i) => agent(`b-${i}`))), "I-3", true);
    expect([many.created, many.differences.length]).to.deep.equal([1001, 1000]);
  });

  it("puts on record by what name each fact was changed, and by whom", async () => {
    const steps: [fact: object, change: string | null][] = [
      [agent("a-1"), "agent_created"],
      [agent("a-1", { owner: "new" }), "agent_changed"],
      [agent("a-1", { owner: "new", status: "suspended" }), "agent_suspended"],
      [agent("a-1", { owner: "other" }), "agent_changed"],
      [agent("a-1", { owner: "other", status: "revoked" }), "agent_revoked"],
      [agent("a-1", { owner: "other", status: "revoked" }), null],
      [agent("a-1", { owner: "other" }), null],
      [agent("a-2", { status: "suspended" }), "agent_created"],
      [agent("a-3"), "agent_created"],
      [task("T-1", { agent: "a-3" }), "task_created"],
      [task("T-1", { agent: "a-3", ended: false }), null],
      [task("T-1", { agent: "a-3", subjects: { customer: ["ada"] } }), "task_changed"],
      [task("T-1", { agent: "a-3", ended: true }), "task_ended"],
      [task("T-1", { agent: "a-3", ended: true }), null],
      [task("T-1", { agent: "a-3" }), null],
      [grant("G-1", { agent: "a-3" }), "grant_created"],
      [{ revocation: { scope: { agent: "a-3" }, reason: "odd" } }, "revoked"],
    ];
    for (const [i, [fact, change]] of steps.entries()) {
      world.clock.wall_ms += 1000;
      world.records.length = 0;
      await run(facts, await lines([fact]), `I-${i}`);
      const told = world.records.map((record) => [record["change"], record["caller"], record["reason"]]);
      const progressed = ["import_progressed", "ops", "moving"];
      expect(told, JSON.stringify(fact)).to.deep.equal(change === null ? [progressed] : [[change, "ops", "moving"], progressed]);
    }
    expect(facts.task("T-1").ended).to.deep.equal({ at: at(13_000), reason: null });
  });

  it("keeps when an agent was registered, and rejects tokens from before it gained a credential", async () => {
    const credentials = [{ issuer: "i", subject: "s" }];
    await run(facts, await lines([agent("a-1"), agent("a-2", { credentials })]));
    const since = world.clock.wall_ms;
    world.clock.wall_ms += HOUR_MS;
    await run(facts, await lines([agent("a-1", { owner: "new" }), agent("a-2", { credentials, owner: "new" })]), "I-2");
    for (const id of ["a-1", "a-2"]) expect(facts.registry.agent(id)).to.include({ since_ms: since, registered_ms: since, owner: "new" });
    await run(facts, await lines([agent("a-2", { owner: "new" }), agent("a-1", { credentials, owner: "new" })]), "I-3");
    expect(facts.registry.agent("a-1")).to.include({ since_ms: since, registered_ms: since + HOUR_MS });
    expect(facts.registry.agent("a-2")).to.include({ since_ms: since, registered_ms: since });
  });

  describe("of what somebody has stopped", () => {
    const credentials = [{ issuer: "i", subject: "s" }];
    const stopped: [what: string, stop: () => Promise<unknown>, fact: object, field: string][] = [
      [
        "no new owner, if that of it is revoked",
        () => facts.revoke({ scope: { owner: "ops" }, reason: "odd" }, "ops"),
        { owner: "new", credentials },
        "owner",
      ],
      [
        "every credential, if its owner is revoked",
        () => facts.revoke({ scope: { owner: "ops" }, reason: "odd" }, "ops"),
        {},
        "credentials",
      ],
      ["every credential, if it is revoked", () => facts.revoke({ scope: { agent: "a-1" }, reason: "odd" }, "ops"), {}, "credentials"],
      [
        "every credential, if it is suspended",
        () => facts.changeAgent("a-1", { status: "suspended", reason: "odd" }, null, "ops"),
        {},
        "credentials",
      ],
    ];
    for (const [what, stop, fact, field] of stopped)
      it(`leaves an agent ${what}`, async () => {
        await run(facts, await lines([agent("a-1", { credentials })]));
        await stop();
        const before = facts.registry.dump();
        expect(await outcome(run(facts, await lines([agent("a-1", fact)]), "I-2"))).to.equal(`import_invalid /agent/${field} line 1`);
        expect(facts.registry.dump()).to.deep.equal(before);
      });
  });

  it("takes work without an end, and none that is handed on too often", async () => {
    const far = at(1000 * HOUR_MS);
    const delegates = ["support"];
    const chain = ["T-1", "T-2", "T-3", "T-4", "T-5", "T-6"].map((id, i) => task(id, { ...(i > 0 && { parent: `T-${i}` }), expires: far }));
    const file = await lines([agent("a-1", { delegates }), ...chain]);
    expect(await outcome(run(facts, file))).to.equal("import_invalid /task/parent line 7");
    await run(facts, await lines([agent("a-1", { delegates }), ...chain.slice(0, 5)]), "I-2");
    expect(facts.registry.task("T-5")?.expires_ms).to.equal(Date.parse(far));
  });

  it("leaves grants alone that are the same, whether or not they say from when on", async () => {
    const from = { not_before: at(1000) };
    await run(facts, await lines([agent("a-1"), grant("G-1", from), grant("G-2")]));
    const same = [grant("G-1", from), grant("G-1"), grant("G-1", { not_before: "2026-03-03T10:00:01+01:00" }), grant("G-2")];
    for (const [i, one] of same.entries()) expect(await run(facts, await lines([one]), `S-${i}`)).to.include({ unchanged: 1 });
    const others = [grant("G-1", { not_before: at(2000) }), grant("G-1", { expires: at(HOUR_MS + 1) }), grant("G-2", from)];
    for (const one of others) expect(await outcome(run(facts, await lines([one]), "O"))).to.equal("import_invalid /grant/id line 1");
  });

  describe("while another service changes what it names", () => {
    const elsewhere = (id: string): Promise<number[]> =>
      world.store.inner.write([
        {
          ...{ key: `agent/${id}`, expected: 0, by: "other", reason: null, change: "agent_created", time: at(0) },
          value: {
            id,
            version: "1",
            name: null,
            owner: "others",
            purposes: [],
            delegates: [],
            attributes: {},
            credentials: [],
            ...{ token: "optional", status: "active", registered: at(0), bound: at(0) },
          },
        },
      ]);
    /** Calls before as many of the next writes. */
    function before(writes: number, act: () => Promise<unknown>): void {
      const { inner } = world.store;
      world.store.write = async (...write) => {
        if (writes-- > 0) await act();
        return inner.write(...write);
      };
    }

    it("looks again, and goes on where that fits", async () => {
      let n = 0;
      before(2, () => elsewhere(`z-${++n}`));
      expect(await run(facts, await lines([agent("a-1"), task("T-1")]))).to.include({ created: 2 });
      expect([n, facts.registry.agent("z-2")?.owner]).to.deep.equal([2, "others"]);
    });

    it("registers no agent whose id looks like another's by then", async () => {
      before(1, () => elsewhere("bill"));
      expect(await outcome(run(facts, await lines([agent("biII"), task("T-1", { agent: "biII" })])))).to.equal(
        "import_stopped /agent/id line 1",
      );
      expect(facts.registry.agent("biII")).to.equal(undefined);
    });

    it("gives up if that goes on", async () => {
      let n = 0;
      before(100, () => elsewhere(`z-${++n}`));
      expect(await outcome(run(facts, await lines([agent("a-1")])))).to.equal("revision_stale");
      expect(n).to.equal(3);
      expect(facts.registry.agent("a-1")).to.equal(undefined);
    });

    it("needs not look again for tasks alone", async () => {
      await run(facts, await lines([agent("a-1")]));
      let n = 0;
      before(1, () => elsewhere(`z-${++n}`));
      expect(await run(facts, await lines([task("T-1")]), "I-2")).to.include({ created: 1 });
      expect(n).to.equal(1);
    });
  });

  it("says of what it refuses what was expected, by which problem, and where", async () => {
    const refused = await run(facts, await lines([agent("a-1", { purposes: ["none"] })])).catch((cause: unknown) => cause);
    const { code, detail } = refused as Problem;
    expect(code).to.equal("import_invalid");
    const expected = "a purpose of the bundle: support, billing, audit";
    expect(detail).to.deep.equal({ line: 1, field: "/agent/purposes/0", expected, reason: "fact_invalid" });
  });

  it("moves a credential from one agent to another, where it is taken away first", async () => {
    const credentials = [{ issuer: "i", subject: "s" }];
    await run(facts, await lines([agent("a-1", { credentials }), agent("a-2")]));
    const moved = [agent("a-1"), agent("a-2", { credentials })];
    expect(await outcome(run(facts, await lines([...moved].reverse()), "I-2"))).to.equal("import_invalid /agent/credentials/0 line 1");
    await run(facts, await lines(moved), "I-3");
    expect(facts.registry.agentOf(credentials[0] as never)).to.equal("a-2");
    expect((await world.reopened()).registry.dump()).to.deep.equal(facts.registry.dump());
  });

  it("is done once: asked again it changes nothing, though facts have changed since", async () => {
    const file = await lines([agent("a-1")]);
    await run(facts, file);
    await facts.changeAgent("a-1", { owner: "new" }, 1, "host");
    const { revision } = facts.registry;
    expect(await run(facts, file)).to.deep.include({ status: "applied", created: 1, changed: 0 });
    expect([facts.registry.agent("a-1")?.owner, facts.registry.revision]).to.deep.equal(["new", revision]);
    expect(await outcome(run(facts, await lines([agent("a-2")])))).to.equal("import_exists");
  });

  it("is answered when no decision is left that began before it", async () => {
    let clear = (): void => undefined;
    world.barrier = () =>
      new Promise((resolve) => {
        clear = resolve;
      });
    await facts.createAgent({ id: "a-1", owner: "ops", purposes: ["support"] }, "host");
    let answered = false;
    const importing = run(facts, await lines([{ revocation: { scope: { agent: "a-1" }, reason: "odd" } }])).then(() => {
      answered = true;
    });
    await turns(50);
    expect([facts.registry.revoked("agent", "a-1"), answered]).to.deep.equal([true, false]);
    clear();
    await importing;
  });

  it("makes durable what holds and isn't, before it says that it is so", async () => {
    await run(facts, await lines([agent("a-1"), agent("a-2"), task("T-1")]));
    world.store.fate = () => "before";
    await facts.revoke({ scope: { agent: "a-2" }, reason: "odd" }, "ops");
    await facts.changeAgent("a-1", { status: "suspended", reason: "odd" }, null, "ops");
    await facts.changeTask("T-1", { ended: true, reason: "odd" }, null, "host");
    world.store.fate = () => "written";
    const said = [
      agent("a-1", { status: "suspended" }),
      task("T-1", { ended: true }),
      { revocation: { scope: { agent: "a-2" }, reason: "again" } },
    ];
    world.clock.wall_ms += 1000;
    await importFacts(facts, await lines(said), { id: "I-2", dryRun: false, by: "mover", reason: null });
    const other = await world.reopened();
    const { registry } = other;
    // It is what somebody asked for that is durable now.
    expect(other.revocation("agent/a-2")).to.include({ by: "ops", reason: "odd", since: at(0) });
    expect(other.task("T-1").ended).to.deep.equal({ at: at(0), reason: "odd" });
    expect([registry.agent("a-1")?.status, registry.task("T-1")?.ended, registry.revoked("agent", "a-2")]).to.deep.equal([
      "suspended",
      true,
      true,
    ]);
    await world.timers.advance(1000);
    expect((await world.reopened()).registry.dump()).to.deep.equal(facts.registry.dump());
  });

  it("restores no agent that is stopped, nor goes on before somebody has", async () => {
    const many = Array.from({ length: 300 }, (_, i) => agent(`a-${i}`));
    await run(facts, await lines(many));
    const active = many.map((line) => ({ agent: { ...line["agent"], owner: "new", status: "active" } }));
    const importing = outcome(run(facts, await lines(active), "I-2"));
    while (facts.registry.agent("a-0")?.owner !== "new") await turns(1);
    await facts.changeAgent("a-299", { status: "suspended", reason: "odd" }, null, "ops");
    expect(facts.registry.agent("a-299")).to.deep.include({ owner: "ops", status: "suspended" });
    expect(await importing).to.equal("import_stopped /agent/status line 300");
    expect(facts.registry.agent("a-299")?.status).to.equal("suspended");
    expect(await outcome(run(facts, await lines(active), "I-2"))).to.equal("import_invalid /agent/status line 300");
    await facts.changeAgent("a-299", { status: "active", reason: "looked into" }, null, "ops");
    expect(await outcome(run(facts, await lines(active), "I-2"))).to.equal("done");
    expect(facts.registry.agent("a-299")).to.deep.include({ owner: "new", status: "active" });
  });

  it("changes what differs, leaves the rest alone, and lifts no suspension, said or not", async () => {
    await run(facts, await lines([agent("a-1"), agent("a-2"), agent("a-3"), task("T-1")]));
    await facts.changeAgent("a-1", { status: "suspended", reason: "odd" }, null, "ops");
    const file = await lines([agent("a-1", { owner: "new" }), agent("a-2"), task("T-1", { subjects: { customer: ["ada"] } })]);
    const answer = await run(facts, file, "I-2");
    expect(answer).to.deep.include({ created: 0, changed: 2, unchanged: 1 });
    expect(answer.differences).to.deep.equal([
      { key: "agent/a-1", fields: ["/owner"] },
      { key: "task/T-1", fields: ["/subjects"] },
    ]);
    expect(facts.registry.agent("a-1")).to.deep.include({ owner: "new", status: "suspended" });
    expect(facts.registry.agent("a-3")?.owner).to.equal("ops");
    const active = await lines([agent("a-1", { owner: "new", status: "active" })]);
    expect(await outcome(run(facts, active, "I-3"))).to.equal("import_invalid /agent/status line 1");
    expect(facts.registry.agent("a-1")?.status).to.equal("suspended");
  });

  const known = [agent("a-1"), agent("gone", { status: "revoked" }), task("T-1"), grant("G-1"), task("ended", { ended: true })];
  const bad: [what: string, facts: object[], refused: string][] = [
    ["a purpose the bundle doesn't know", [agent("x", { purposes: ["suport"] })], "/agent/purposes/0"],
    ["an agent without an owner", [{ agent: { id: "x", purposes: [] } }], "/agent/owner"],
    ["an unknown field", [agent("x", { stauts: "revoked" })], "/agent/stauts"],
    ["an unknown kind", [{ agnet: {} }], "/agnet"],
    ["two facts in a line", [{ ...agent("x"), ...task("y") }], ""],
    ["no fact in a line", [{}], ""],
    ["an agent twice", [agent("a-1"), agent("a-1")], "/agent/id"],
    ["an id that looks like one before", [agent("bill"), agent("biII")], "/agent/id"],
    ["an id that looks like a known one", [agent("A-1")], "/agent/id"],
    ["an agent that is no more", [agent("gone", { owner: "other" })], "/agent/id"],
    ["an agent that is no more, active again", [agent("gone", { status: "active" })], "/agent/id"],
    [
      "a credential of one before",
      [agent("x", { credentials: [{ issuer: "i", subject: "s" }] }), agent("y", { credentials: [{ issuer: "i", subject: "s" }] })],
      "/agent/credentials/0",
    ],
    ["a task of nobody", [task("x", { agent: "nobody" })], "/task/agent"],
    ["a task for a purpose its agent hasn't", [task("x", { purpose: "audit" })], "/task/purpose"],
    ["a task with an expiry in the past", [task("x", { expires: at(-1) })], "/task/expires"],
    ["a task of an unknown subject type", [task("x", { subjects: { custmer: ["ada"] } })], "/task/subjects/custmer"],
    ["a task that is known otherwise", [task("T-1", { principal: "ada" })], "/task/id"],
    ["a task that is known with another expiry", [task("T-1", { expires: at(HOUR_MS) })], "/task/id"],
    ["a revocation twice", [1, 2].map((n) => ({ revocation: { scope: { agent: "a-1" }, reason: `r-${n}` } })), "/revocation/scope"],
    ["an agent narrowed twice", [agent("n"), ...[1, 2].map((n) => ({ narrowing: { agent: "n", reason: `r-${n}` } }))], "/narrowing/agent"],
    ["a task that goes on after it has ended", [task("ended", { ended: false })], "/task/ended"],
    [
      "a task wider than its parent",
      [agent("d", { delegates: ["support"] }), task("p", { agent: "d" }), task("x", { parent: "p", subjects: { customer: ["ada"] } })],
      "/task/subjects/customer",
    ],
    ["a parent whose agent may not hand on", [task("x", { parent: "T-1" })], "/task/parent"],
    ["a task that is its own parent", [task("x", { parent: "x" })], "/task/parent"],
    ["a cycle of parents", [task("y", { parent: "z" }), task("z", { parent: "x" }), task("x", { parent: "y" })], "/task/parent"],
    ["a grant that is known otherwise", [grant("G-1", { reason: "other" })], "/grant/id"],
    ["a grant of a verb the vocabulary lacks", [grant("x", { entry: { reed: "invoice" } })], "/grant/entry"],
    ["a revocation of nothing", [{ revocation: { scope: { agent: "nobody" }, reason: "r" } }], "/revocation/scope/agent"],
  ];
  for (const [what, facts_, field] of bad) {
    it(`is refused whole for ${what}, naming line and field`, async () => {
      await run(facts, await lines(known));
      const before = facts.registry.dump();
      const all = [agent("n-1"), agent("n-2"), ...facts_];
      const refused = outcome(lines(all).then((file) => run(facts, file, "I-2")));
      const named = await refused;
      expect(named).to.match(/^import_invalid /);
      // Of a cycle any line may be named.
      const line = what === "a cycle of parents" ? Number(/line (\d+)/.exec(named)?.[1]) : all.length;
      expect(named).to.equal(`import_invalid ${field} line ${line}`);
      expect(line).to.be.within(3, all.length);
      expect(facts.registry.dump()).to.deep.equal(before);
    });
  }

  const badText: [what: string, text: string, line: number][] = [
    ["a line that is no JSON", `${JSON.stringify(agent("x"))}\n{"agent":\n`, 2],
    ["a key twice", `{"agent":{"id":"a","id":"b","owner":"o","purposes":[]}}`, 1],
    ["half of a surrogate pair", `{"agent":{"id":"a","owner":"\\ud800","purposes":[]}}`, 1],
    ["an empty line", `\n${JSON.stringify(agent("x"))}\n`, 1],
  ];
  for (const [what, text, line] of badText) {
    it(`is refused for ${what}`, async () => {
      const reading = readJsonLines(Buffer.from(text), () => Promise.resolve());
      expect(await outcome(reading)).to.match(new RegExp(`^import_invalid .*line ${line}$|^import_invalid line ${line}$`));
    });
  }

  it("needs a bundle", async () => {
    world.policy = null;
    expect(await outcome(run(facts, await lines([agent("a-1")])))).to.equal("bundle_missing");
  });

  it("refuses more tasks than find room before it begins", async () => {
    world = new World(undefined, { tasks_max: 2 });
    facts = await world.open();
    const file = await lines([agent("a-1"), task("T-1"), task("T-2"), task("T-3")]);
    expect([await outcome(run(facts, file)), facts.registry.revision]).to.deep.equal(["tasks_full", 0]);
  });

  it("that is interrupted goes on where it ended, and ends as one that was not", async () => {
    const draw = drawing(3);
    const all = Array.from({ length: 3000 }, (_, i) =>
      i < 1000
        ? agent(`a-${i}`, { delegates: ["support"] })
        : task(`T-${i}`, { agent: `a-${draw(1000)}`, ...(i > 1500 && { parent: `T-${1000 + draw(500)}` }) }),
    );
    const whole = new World();
    const done = await whole.open();
    await run(done, await lines(all));
    const file = await lines(all);
    for (const fate of ["before", "after", "before", "after"] as const) {
      let writes = 1 + draw(4);
      world.store.fate = () => (writes-- > 0 ? "written" : fate);
      expect(await outcome(run(facts, file))).to.equal("store_unavailable");
      world.store.fate = () => "written";
      await world.timers.advance(1000);
      expect(facts.registry.sizes.agents + facts.registry.sizes.tasks).to.be.within(1, 2999);
      // As after a crash.
      const next = new World(world.disk);
      facts = await next.open(world.store.revision);
      world = next;
    }
    const { created, unchanged } = await run(facts, file);
    expect([created, unchanged]).to.deep.equal([3000, 0]);
    const kept = (of: Commands): unknown => [...exportFacts(of.registry, whole.clock.wall_ms)];
    expect(kept(facts)).to.deep.equal(kept(done));
    expect(facts.registry.revision).to.equal(done.registry.revision);
  });

  it("that goes on leaves alone what became of the part that was applied", async () => {
    const file = await lines(Array.from({ length: 150 }, (_, i) => agent(`a-${i}`)));
    let writes = 1;
    world.store.fate = () => (writes-- > 0 ? "written" : "before");
    expect(await outcome(run(facts, file))).to.equal("store_unavailable");
    world.store.fate = () => "written";
    await facts.changeAgent("a-3", { owner: "new" }, facts.agent("a-3").revision, "host");
    await facts.changeAgent("a-3", { status: "revoked", reason: "r" }, null, "ops");
    await facts.changeAgent("a-4", { owner: "new" }, facts.agent("a-4").revision, "host");
    expect(await run(facts, file)).to.deep.include({ created: 150, changed: 0 });
    expect([facts.agent("a-3").status, facts.agent("a-4").owner]).to.deep.equal(["revoked", "new"]);
  });

  it("stops where a line no longer fits, keeps what came before, and goes on once it fits", async () => {
    const all = [...Array.from({ length: 250 }, (_, i) => agent(`a-${i}`)), task("T-1", { agent: "a-249" })];
    const file = await lines(all);
    const original = world.store.write.bind(world.store);
    world.store.write = async (writes) => {
      const revisions = await original(writes);
      // The bundle changes while it is being applied.
      world.policy = world.policy && { ...world.policy, purposes: new Map() };
      return revisions;
    };
    const { policy } = world;
    expect(await outcome(run(facts, file))).to.equal("import_stopped /agent/purposes/0 line 101");
    expect(facts.registry.sizes.agents).to.equal(100);
    world.policy = policy;
    world.store.write = original;
    expect(await run(facts, file)).to.deep.include({ created: 251 });
  });

  it("is not applied twice at once", async () => {
    const file = await lines([agent("a-1")]);
    const both = await Promise.all([outcome(run(facts, file)), outcome(run(facts, file))]);
    expect(both).to.deep.equal(["done", "import_exists"]);
  });
});

describe("an export", () => {
  it("is what an import takes to make the same again, and changes nothing where it came from", async () => {
    const world = new World();
    const facts = await world.open();
    await importFacts(facts, await lines(everyKind.filter((fact) => !("task" in fact))), {
      id: "I-1",
      dryRun: false,
      by: "ops",
      reason: null,
    });
    await facts.changeAgent("a-1", { status: "active", reason: "r" }, null, "ops");
    await importFacts(facts, await lines(everyKind.filter((fact) => "task" in fact)), {
      id: "I-2",
      dryRun: false,
      by: "ops",
      reason: null,
    });
    await facts.revoke({ scope: { everything: true }, reason: "r" }, "ops");
    await facts.changeAgent("a-2", { status: "suspended", reason: "r" }, null, "ops");
    const file = await lines([...exportFacts(facts.registry, world.clock.wall_ms)]);
    expect(file.facts).to.have.length(8);
    const again = await importFacts(facts, file, { id: "I-3", dryRun: true, by: "ops", reason: null });
    expect([again.unchanged, again.differences]).to.deep.equal([8, []]);
    const other = await new World().open();
    await importFacts(other, file, { id: "I-3", dryRun: false, by: "ops", reason: null });
    expect([...exportFacts(other.registry, world.clock.wall_ms)]).to.deep.equal([...exportFacts(facts.registry, world.clock.wall_ms)]);
  });
});

describe("an import in YAML", () => {
  const yaml = `agents:
  a-1:
    owner: ops
    purposes: [support]
tasks:
  T-1:
    agent: a-1
    purpose: support
    subjects: {customer: [ada]}
grants:
  G-1: {agent: a-1, entry: {read: invoice}, reason: r, requested_by: a, approved_by: b, expires: "${at(HOUR_MS)}"}
revocations:
  task/T-1: {reason: odd}
  everything: {reason: drill}
`;
  const read = (text: string): ImportFile => readYamlDocument(Buffer.from(text), "facts.yaml");

  it("says the same by ids", async () => {
    const facts = await new World().open();
    expect(await run(facts, read(yaml))).to.deep.include({ created: 5 });
    expect([facts.registry.revoked("task", "T-1"), facts.registry.revoked("everything", "")]).to.deep.equal([true, true]);
    expect(facts.registry.task("T-1")).to.deep.include({ expires_ms: null, subjects: { customer: ["ada"] } });
  });

  const bad: [what: string, spoilt: string, refused: string][] = [
    ["an unknown section", yaml.replace("tasks:", "taks:"), "import_invalid /taks line 5"],
    ["an unknown key", yaml.replace("owner: ops", "owner: ops\n    ownr: ops"), "import_invalid /agents/a-1/ownr line 4"],
    ["a missing key", yaml.replace("owner: ops", "name: ops"), "import_invalid /agents/a-1/owner line 2"],
    ["a revocation of an unknown scope", yaml.replace("task/T-1", "tsk/T-1"), "import_invalid /revocations/tsk/T-1 line 13"],
    ["a purpose the bundle doesn't know", yaml.replace("[support]", "[suport]"), "import_invalid /agent/purposes/0 line 4"],
    ["a task of nobody", yaml.replace("agent: a-1\n", "agent: a-2\n"), "import_invalid /task/agent line 7"],
    ["a subject type the vocabulary lacks", yaml.replace("{customer", "{custmer"), "import_invalid /task/subjects/custmer line 9"],
    ["a key twice", yaml.replace("  T-1:\n", "  T-1: {}\n  T-1:\n"), "import_invalid  line 7"],
  ];
  const told = (text: string): object => {
    try {
      return read(text);
    } catch (cause) {
      return (cause as Problem).detail;
    }
  };

  it("says of a key that is missing or unknown what a line of JSON says", () => {
    expect(told(yaml.replace("owner: ops", "name: ops"))).to.include({ expected: "a value", reason: "field_missing" });
    expect(told(yaml.replace("tasks:", "todo:"))).to.include({ expected: "only known fields", reason: "field_unknown" });
  });

  it("says what a misspelt key may have meant", () => {
    expect(told(yaml.replace("tasks:", "taks:"))).to.include({
      expected: "only known fields; did you mean `tasks`?",
      reason: "field_unknown",
    });
    expect(told(yaml.replace("owner: ops", "ownr: ops"))).to.include({
      field: "/agents/a-1/ownr",
      expected: "only known fields; did you mean `owner`?",
    });
  });

  for (const [what, spoilt, refused] of bad) {
    it(`is refused for ${what}, naming the line`, async () => {
      const facts = await new World().open();
      const trying = async (): Promise<unknown> => run(facts, read(spoilt));
      expect(await outcome(trying())).to.equal(refused);
      expect(facts.registry.revision).to.equal(0);
    });
  }
});
