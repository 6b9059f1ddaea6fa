import { expect } from "chai";
import { HandedOn, Reach } from "../../src/facts/reach.js";
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
