import { expect } from "chai";
import type { Answer } from "../../src/contract/index.js";
import type { Narrowed } from "../../src/decision/ports.js";
import { AGENT, ALLOWED, REQUEST, TASK, World, policyOf } from "./world.js";

const OTHERS = { ...REQUEST, resource: { type: "invoice", id: "I-2", attributes: { customer: "bob" } } };
const left = (actions_per_minute = 10, permitted = 0): Narrowed => ({ actions_per_minute, permitted });
const codes = ({ decision, reasons }: Answer): string => `${decision} ${reasons.map(({ code }) => code).join()}`;

describe("decide: for an agent that is narrowed", () => {
  // prettier-ignore
  const cases: [what: string, request: object, said: string][] = [
    ["reading what its task is about", REQUEST, "allow read_own"],
    ["searching for what its task is about", { ...REQUEST, verb: "search", resource: { type: "invoice", id: null, attributes: { customer: "ada" } } }, "allow read_own"],
    ["searching for whatever there is", { ...REQUEST, verb: "search", resource: { type: "invoice", id: null, attributes: {} } }, "deny narrowed_to_task"],
    ["writing, though its task is about it", { ...REQUEST, verb: "update" }, "deny narrowed_to_read"],
    ["reading what is another's", OTHERS, "deny narrowed_to_task"],
    ["reading of what nobody says whose it is", { ...REQUEST, resource: { type: "invoice", id: "I-3", attributes: {} } }, "deny narrowed_to_task"],
    ["reading what is of no task", { ...REQUEST, resource: { type: "file", id: "a/b" } }, "deny narrowed_to_task"],
    ["reading without a task", { ...REQUEST, purpose: "roaming", task: undefined }, "deny narrowed_to_task"],
    ["a verb that nobody knows", { ...REQUEST, verb: "invent" }, "deny verb_unknown"],
    ["a type that nobody knows", { ...REQUEST, resource: { type: "unheard", id: "x" } }, "deny type_unknown"],
  ];
  for (const [what, request, said] of cases) {
    it(`${said.startsWith("allow") ? "permits" : "refuses"} ${what}`, async () => {
      const world = new World();
      world.agents.set(AGENT.id, { ...AGENT, purposes: new Set(["support", "roaming"]) });
      world.narrowed.set(AGENT.id, left());
      expect(codes((await world.decide(request)).answer)).to.equal(said);
    });
  }

  it("says so on record, with all that the floor read of it", async () => {
    const world = new World();
    world.narrowed.set(AGENT.id, left(3, 1));
    await world.decide(OTHERS);
    const record = JSON.parse(world.records[0] ?? "") as { floor: object; input?: object };
    expect(record.floor).to.deep.include({
      narrowed: { actions_per_minute: 3, permitted: 1, verb_class: "read", relation: "other" },
    });
    expect(record.input).to.be.undefined;
  });

  it("is seen as it is once everything that it waited for has come", async () => {
    const narrowing = new World();
    narrowing.reached = () => {
      narrowing.narrowed.set(AGENT.id, left());
      return Promise.resolve(true);
    };
    expect(codes((await narrowing.decide({ ...OTHERS, at_least: 8 })).answer)).to.equal("deny narrowed_to_task");
    const widening = new World();
    widening.narrowed.set(AGENT.id, left());
    widening.reached = () => {
      widening.narrowed.clear();
      return Promise.resolve(true);
    };
    expect(codes((await widening.decide({ ...OTHERS, at_least: 8 })).answer)).to.equal("allow read_own");
  });

  it("permits no more than is left, however many are asked at once", async () => {
    const world = new World();
    world.narrowed.set(AGENT.id, left(3));
    const answers = await Promise.all(Array.from({ length: 20 }, () => world.decide()));
    const said = answers.map(({ answer }) => codes(answer)).sort();
    expect(said).to.deep.equal([
      ...Array.from({ length: 3 }, () => "allow read_own"),
      ...Array.from({ length: 17 }, () => "deny narrowed_rate"),
    ]);
  });

  it("counts what proceeds and nothing else", async () => {
    const world = new World();
    world.narrowed.set(AGENT.id, left(3));
    const flag = { effect: "flag", code: "unrelated", severity: "high", params: {}, proceed: false } as const;
    const deny = { effect: "deny", code: "read_only", severity: "high", params: {} } as const;
    for (const reason of [flag, deny]) {
      world.active = policyOf(() => ({ decision: reason.effect, proceed: false, reasons: [reason], obligations: [] }));
      await world.decide();
    }
    world.active = policyOf(() => ALLOWED);
    await world.decide(OTHERS);
    await world.observe();
    expect(world.narrowed.get(AGENT.id)?.permitted).to.equal(0);
    await world.decide();
    expect(world.narrowed.get(AGENT.id)?.permitted).to.equal(1);
  });

  it("takes no use of a grant for an action that comes too often", async () => {
    const world = new World();
    world.narrowed.set(AGENT.id, left(1));
    world.uses.set("G-1", 5);
    const input = { id: "G-1", exact: false, about: "any", when: [] } as const;
    world.grants = [{ state: "live", input: { ...input, when: [] }, counted: true, expires_ms: Infinity }];
    const granted = { effect: "allow", code: "granted", severity: "info", params: { grant: "G-1" } };
    world.active = policyOf(() => ({ decision: "allow", proceed: true, reasons: [granted], obligations: [] }));
    await Promise.all(Array.from({ length: 10 }, () => world.decide()));
    expect(world.uses.get("G-1")).to.equal(4);
  });

  describe("at any level of a chain of tasks", () => {
    const chained = (): World => {
      const world = new World();
      for (const id of ["lead-1", "lead-2"]) world.agents.set(id, { ...AGENT, id });
      world.tasks.set("T-00", { ...TASK, id: "T-00", agent: "lead-2", subjects: { customer: ["ada", "bob"] } });
      world.tasks.set("T-0", { ...TASK, id: "T-0", agent: "lead-1", parent: "T-00" });
      world.tasks.set("T-1", { ...TASK, parent: "T-0" });
      return world;
    };

    for (const [agent, task] of [
      ["lead-1", "T-0"],
      ["lead-2", "T-00"],
    ] as const) {
      it(`refuses what is done on behalf of ${agent}, and says of whose task that is`, async () => {
        const world = chained();
        world.narrowed.set(agent, left());
        const { answer } = await world.decide({ ...REQUEST, verb: "update" });
        expect([codes(answer), answer.reasons[0]?.of]).to.deep.equal(["deny narrowed_to_read", task]);
        expect(codes((await world.decide()).answer)).to.equal("allow read_own");
      });
    }

    it("counts for each of them that is narrowed, once, and takes from none where one has no more", async () => {
      const world = chained();
      world.narrowed.set("lead-1", left(5)).set("lead-2", left(1));
      await world.decide();
      const counts = (): unknown => ["lead-1", "lead-2"].map((agent) => world.narrowed.get(agent)?.permitted);
      expect(counts()).to.deep.equal([1, 1]);
      const { answer } = await world.decide();
      expect([codes(answer), answer.reasons[0]?.of, counts()]).to.deep.equal(["deny narrowed_rate", "T-00", [1, 1]]);
    });

    it("counts once for an agent that has two tasks of it", async () => {
      const world = chained();
      world.tasks.set("T-0", { ...TASK, id: "T-0", agent: "support-7", parent: "T-00" });
      world.narrowed.set("support-7", left(5));
      await world.decide();
      expect(world.narrowed.get("support-7")?.permitted).to.equal(1);
    });
  });
});
