import { expect } from "chai";
import { HandedOn, Reach, type ReachedTask, type Sight } from "../../src/facts/reach.js";
import { OVER_KEPT_MS, Registry } from "../../src/facts/registry.js";
import type { Json } from "../../src/store/store.js";
import { HOUR_MS, NOW, POLICY, StillTimers, at, compileEntry } from "./world.js";

const EMPTY_TASK = { purpose: "support", subjects: {}, attributes: {}, verbs: null, expires: at(HOUR_MS), ended: null };

describe("whom a change concerns", () => {
  let registry: Registry;
  let handedOn: HandedOn;
  let revision = 0;

  beforeEach(() => {
    registry = new Registry(() => POLICY, compileEntry, new StillTimers());
    handedOn = new HandedOn(registry);
    revision = 0;
  });

  const apply = (key: string, value: object): void => {
    registry.apply({ revision: ++revision, key, value: value as Json, by: "x", time: at(0), reason: null, change: "x" });
  };
  const task = (id: string, agent: string, parent: string | null, expires = at(HOUR_MS)): void => {
    const value = {
      id,
      agent,
      purpose: "support",
      parent,
      principal: null,
      subjects: {},
      attributes: {},
      verbs: null,
      expires,
      ended: null,
    };
    apply(`task/${id}`, value);
    handedOn.add(value);
  };
  const agent = (id: string, owner = "a"): void => {
    apply(`agent/${id}`, {
      id,
      version: "1",
      name: null,
      owner,
      purposes: ["support"],
      delegates: [],
      attributes: {},
      credentials: [],
      token: "optional",
      status: "active",
      registered: at(0),
      bound: at(0),
    });
  };
  const only = (...agents: string[]): { agents: Set<string>; purposes: null } => ({ agents: new Set(agents), purposes: null });
  const reach = (key: string, value: object = {}): Reach => {
    const found = Reach.of({ key, value: value as Json }, registry, handedOn);
    if (found === null) throw new Error("nobody");
    return found;
  };
  const revoked = (scope: string, of: string): Reach => reach(`revocation/${scope}/${of}`, { scope, of });

  it("is whoever has a task below, over all levels, and nobody else", () => {
    for (const id of ["a-1", "a-2", "a-3", "a-4"]) agent(id, id === "a-1" ? "b" : "a");
    task("T-1", "a-1", null);
    task("T-2", "a-2", "T-1");
    task("T-3", "a-3", "T-2");
    task("T-4", "a-4", null);
    const found = (one: Reach): string[] => ["a-1", "a-2", "a-3", "a-4"].filter((id) => one.concerns(only(id)));
    expect(found(revoked("task", "T-1"))).to.deep.equal(["a-1", "a-2", "a-3"]);
    expect(found(revoked("task", "T-2"))).to.deep.equal(["a-2", "a-3"]);
    expect(found(revoked("agent", "a-1"))).to.deep.equal(["a-1", "a-2", "a-3"]);
    expect(found(reach("agent/a-3"))).to.deep.equal(["a-3"]);
    expect(found(revoked("owner", "b"))).to.deep.equal(["a-1", "a-2", "a-3"]);
    expect(found(revoked("owner", "nobody"))).to.deep.equal([]);
    expect(found(revoked("purpose", "support"))).to.deep.equal(["a-1", "a-2", "a-3", "a-4"]);
  });

  it("is everybody for a person, who is named only to those that speak for a task of that person", () => {
    for (const id of ["a-1", "a-2", "a-3"]) agent(id);
    const of = (id: string, holder: string, parent: string | null, principal: string): void => {
      apply(`task/${id}`, { ...EMPTY_TASK, id, agent: holder, parent, principal });
    };
    of("T-1", "a-1", null, "ada");
    of("T-2", "a-2", "T-1", "ada");
    of("T-3", "a-3", null, "bob");
    const ada = revoked("principal", "ada");
    const ids = ["a-1", "a-2", "a-3"];
    expect(ids.filter((id) => ada.concerns(only(id)))).to.deep.equal(ids);
    expect(ids.filter((id) => ada.isNamedTo(only(id)))).to.deep.equal(["a-1", "a-2"]);
    expect(ada.isNamedTo({ agents: null, purposes: new Set(["billing"]) })).to.be.false;
    expect(ada.isNamedTo({ agents: null, purposes: null })).to.be.true;
    expect(revoked("principal", "nobody").isNamedTo(only("a-1"))).to.be.false;
    expect(revoked("agent", "a-3").isNamedTo(only("a-1"))).to.be.true;
  });

  it("is only whoever sees everything, of what is forgotten", () => {
    agent("a-1");
    for (const one of [revoked("task", "T-9"), revoked("grant", "G-9"), reach("grant/G-1", { agent: null, task: "T-9" })]) {
      expect(one.concerns(only("a-1"))).to.be.false;
      expect(one.concerns({ agents: null, purposes: new Set(["support"]) })).to.be.false;
      expect(one.concerns({ agents: null, purposes: null })).to.be.true;
    }
  });

  describe("told of each kind of change", () => {
    const everybody = ["a-1", "a-2", "a-3", "a-4"];
    const any = { agent: null, purpose: null, task: null };
    beforeEach(() => {
      for (const id of everybody) agent(id, id === "a-4" ? "b" : "a");
      task("T-1", "a-1", null);
      task("T-2", "a-2", "T-1");
      task("T-3", "a-3", null);
      apply("task/T-4", { ...EMPTY_TASK, id: "T-4", agent: "a-4", parent: null, principal: null, purpose: "billing" });
      const lasts = { not_before: at(0), expires: at(HOUR_MS), ended: null };
      apply("grant/G-1", { id: "G-1", agent: "a-3", task: null, ...lasts });
      apply("grant/G-2", { id: "G-2", agent: null, task: "T-1", ...lasts });
    });
    const stored = (id: string): ReachedTask => registry.task(id) ?? expect.fail(`no task ${id}`);
    const chains = (): ReachedTask[][] => [[stored("T-1")], [stored("T-2"), stored("T-1")], [stored("T-3")], [stored("T-4")]];

    const changes: [what: string, of: () => Reach, scope: [string, string], work: object, concerns: string[], hits: string[]][] = [
      ["an agent", () => reach("agent/a-3"), ["agent", "a-3"], { ...any, agent: "a-3" }, ["a-3"], ["T-3"]],
      ["an agent that handed on", () => reach("agent/a-1"), ["agent", "a-1"], any, ["a-1", "a-2"], ["T-1", "T-2"]],
      ["a narrowing", () => reach("narrowing/a-3"), ["agent", "a-3"], { ...any, agent: "a-3" }, ["a-3"], ["T-3"]],
      [
        "a task",
        () => reach("task/T-3", stored("T-3")),
        ["task", "T-3"],
        { agent: "a-3", purpose: "support", task: "T-3" },
        ["a-3"],
        ["T-3"],
      ],
      [
        "a task that was handed on",
        () => reach("task/T-1", stored("T-1")),
        ["task", "T-1"],
        { ...any, purpose: "support" },
        ["a-1", "a-2"],
        ["T-1", "T-2"],
      ],
      [
        "a task below",
        () => reach("task/T-2", stored("T-2")),
        ["task", "T-2"],
        { agent: "a-2", purpose: "support", task: "T-2" },
        ["a-2"],
        ["T-2"],
      ],
      [
        "an agent's grant",
        () => reach("grant/G-1", { agent: "a-3", task: null }),
        ["grant", "G-1"],
        { ...any, agent: "a-3" },
        ["a-3"],
        ["T-3"],
      ],
      [
        "a task's grant",
        () => reach("grant/G-2", { agent: null, task: "T-1" }),
        ["grant", "G-2"],
        { ...any, purpose: "support" },
        ["a-1", "a-2"],
        ["T-1", "T-2"],
      ],
      ["a revoked agent", () => revoked("agent", "a-3"), ["agent", "a-3"], { ...any, agent: "a-3" }, ["a-3"], ["T-3"]],
      [
        "a revoked task",
        () => revoked("task", "T-3"),
        ["task", "T-3"],
        { agent: "a-3", purpose: "support", task: "T-3" },
        ["a-3"],
        ["T-3"],
      ],
      ["a revoked grant", () => revoked("grant", "G-1"), ["grant", "G-1"], { ...any, agent: "a-3" }, ["a-3"], ["T-3"]],
      [
        "a revoked grant of a task",
        () => revoked("grant", "G-2"),
        ["grant", "G-2"],
        { ...any, purpose: "support" },
        ["a-1", "a-2"],
        ["T-1", "T-2"],
      ],
      [
        "a revoked purpose",
        () => revoked("purpose", "billing"),
        ["purpose", "billing"],
        { ...any, purpose: "billing" },
        everybody,
        ["T-4"],
      ],
      ["a revoked owner", () => revoked("owner", "b"), ["owner", "b"], any, ["a-4"], ["T-4"]],
      ["a revoked person", () => revoked("principal", "ada"), ["principal", "ada"], any, everybody, ["T-1", "T-2", "T-3", "T-4"]],
      ["a revoked token", () => revoked("token", "j-1"), ["token", "j-1"], any, everybody, ["T-1", "T-2", "T-3", "T-4"]],
      ["a revoked caller", () => revoked("caller", "gw"), ["caller", "gw"], any, everybody, ["T-1", "T-2", "T-3", "T-4"]],
      ["everything revoked", () => revoked("everything", ""), ["everything", ""], any, everybody, ["T-1", "T-2", "T-3", "T-4"]],
      ["a task that is forgotten", () => revoked("task", "T-9"), ["task", "T-9"], any, [], []],
      ["a grant that is forgotten", () => revoked("grant", "G-9"), ["grant", "G-9"], any, [], []],
    ];
    for (const [what, of, scope, work, concerns, hits] of changes)
      it(`${what}: ${concerns.join(", ") || "nobody"}`, () => {
        const one = of();
        expect([one.scope, one.of]).to.deep.equal(scope);
        expect(one.work).to.deep.equal(work);
        expect(everybody.filter((id) => one.concerns(only(id)))).to.deep.equal(concerns);
        expect(chains().flatMap((chain) => (one.hits(chain) ? [chain[0]?.id] : []))).to.deep.equal(hits);
      });

    it("by purpose too: a change of another one's tasks isn't theirs, nor is one of an agent with another purpose", () => {
      const billing = { agents: null, purposes: new Set(["billing"]) };
      const a1ForBilling = { agents: new Set(["a-1"]), purposes: new Set(["billing"]) };
      const seen = (sight: Sight): string[] => changes.flatMap(([what, of]) => (of().concerns(sight) ? [what] : []));
      const everyones = ["a revoked person", "a revoked token", "a revoked caller", "everything revoked"];
      const agents = ["an agent", "an agent that handed on", "a narrowing", "an agent's grant", "a revoked agent", "a revoked grant"];
      expect(seen(billing)).to.have.members([...agents, "a revoked purpose", "a revoked owner", ...everyones]);
      expect(seen(a1ForBilling)).to.have.members(["an agent that handed on", "a revoked purpose", ...everyones]);
      expect(seen({ agents: new Set(["a-4"]), purposes: new Set(["support"]) })).to.have.members(["a revoked owner", ...everyones]);
      expect(seen({ agents: new Set(["a-9", "a-4"]), purposes: null })).to.include("a revoked owner");
    });

    it("nothing of how far an import has come, or of a finding", () => {
      for (const key of ["import/i-1", "finding/F-1", "other/x"])
        expect(Reach.of({ key, value: {} }, registry, handedOn), key).to.equal(null);
    });
  });

  it("counts a task that was handed on once, and none below one that is forgotten", () => {
    for (const id of ["a-1", "a-2"]) agent(id);
    task("T-1", "a-1", null);
    task("T-2", "a-2", "T-1");
    handedOn.add({ id: "T-2", parent: "T-1" });
    handedOn.add({ id: "T-9", parent: "T-8" });
    expect(handedOn.size).to.equal(1);
    expect([handedOn.has("agent", "a-1"), handedOn.has("agent", "a-2"), handedOn.has("agent", "T-1")]).to.deep.equal([true, false, false]);
    expect([handedOn.has("task", "T-1"), handedOn.has("task", "a-1")]).to.deep.equal([true, false]);
    expect([...handedOn.below(({ agent }) => agent === "a-1")].map(({ id }) => id)).to.deep.equal(["T-2"]);
    expect([...handedOn.belowAgent("a-2"), ...handedOn.belowTask("T-2"), ...handedOn.belowAgent("nobody")]).to.deep.equal([]);
    expect(new HandedOn(registry).size, "of what the registry has").to.equal(1);
  });

  it("is nobody who may ask for nothing, whatever it is", () => {
    agent("a-1");
    for (const one of [revoked("everything", ""), revoked("token", "j"), revoked("purpose", "support"), reach("agent/a-1")]) {
      expect(one.concerns(only())).to.be.false;
      expect(one.concerns({ agents: null, purposes: new Set() })).to.be.false;
    }
  });

  it("takes an agent and a purpose for one name each, whatever is in them", () => {
    for (const id of ["a", "a b"]) agent(id);
    task("T-1", "a", null);
    task("T-2", "b", "T-1");
    expect(revoked("task", "T-1").concerns(only("b"))).to.be.true;
    expect(revoked("task", "T-1").concerns(only("b support"))).to.be.false;
  });

  it("keeps no more of what was handed on than is known, over a hundred thousand tasks", () => {
    agent("a-1");
    for (let round = 0; round < 100; round++) {
      const expires = at(round * 1000);
      task(`T-${round}`, "a-1", null, expires);
      for (let i = 0; i < 1000; i++) task(`T-${round}-${i}`, "a-2", `T-${round}`, expires);
      registry.forget(NOW + round * 1000 + OVER_KEPT_MS - 500);
    }
    expect(handedOn.size).to.be.below(5000);
    expect(handedOn.has("task", "T-0")).to.be.false;
    expect(handedOn.has("task", "T-99")).to.be.true;
    expect([...handedOn.belowTask("T-99")]).to.have.length(1000);
  });
});
