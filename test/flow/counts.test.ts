import { expect } from "chai";
import type { Limit, LimitFlow, PolicyInput, Purpose, Values } from "../../src/contract/index.js";
import { LimitCounts } from "../../src/flow/counts.js";

const base: Limit = { code: "x", of: { send: ["mail"] }, measure: "count", max: 2, per: "task" };

interface Where {
  root?: string | null;
  agent?: string;
  at?: number;
  id?: string | null;
  owner?: string;
}

class Scene {
  readonly counts: LimitCounts;
  #n = 0;

  constructor(
    readonly limits: Limit[],
    options?: ConstructorParameters<typeof LimitCounts>[0],
    isOver?: (task: string) => boolean,
  ) {
    this.counts = new LimitCounts(options, isOver);
  }

  question(verb: string, given: Values, { root = "t-1", agent = "a-1", at = 0, id = "1", owner = "o" }: Where = {}) {
    const request = { agent, purpose: "p", verb, resource: { type: "mail", id, attributes: {} }, arguments: given, related: {} };
    return {
      request: request as unknown as PolicyInput["request"],
      purpose: { limits: this.limits } as unknown as Purpose,
      owner,
      root: root === null ? null : { id: root, agent },
      now_ms: at,
    };
  }

  /** Takes it if it fits, as a policy would. */
  does(verb: string, given: Values = {}, where: Where = {}): boolean {
    const asked = this.question(verb, given, where);
    const { limits, charges } = this.counts.ask(asked);
    const fits = Object.values(limits).every(({ used, adds, max }: LimitFlow) => adds !== null && used + adds <= max);
    if (fits) this.counts.take(`d-${++this.#n}`, charges, asked.root?.id ?? null, asked.now_ms);
    return fits;
  }

  get last(): string {
    return `d-${this.#n}`;
  }
}

describe("a limit", () => {
  it("counts within a task, and each task by itself", () => {
    const scene = new Scene([base]);
    expect([1, 2, 3].map(() => scene.does("send"))).to.deep.equal([true, true, false]);
    expect(scene.does("send", {}, { root: "t-2" })).to.equal(true);
    expect(scene.does("read")).to.equal(true);
    expect(scene.does("send", {}, { root: null })).to.equal(false);
  });

  it("counts an agent's last hour, and lets go of what is older", () => {
    const scene = new Scene([{ ...base, per: "hour" }]);
    expect([0, 1000, 2000].map((at) => scene.does("send", {}, { at, root: `t-${at}` }))).to.deep.equal([true, true, false]);
    expect(scene.does("send", {}, { at: 3_600_000 - 1 })).to.equal(false);
    expect(scene.does("send", {}, { at: 3_600_000 })).to.equal(true);
    expect(scene.does("send", {}, { at: 3_600_000, agent: "a-2" })).to.equal(true);
  });

  it("counts all agents of one owner together, where a purpose says so", () => {
    const scene = new Scene([{ ...base, per: "day", by: "owner" }]);
    const by = (agent: string, owner: string): boolean => scene.does("send", {}, { agent, owner });
    expect([by("a-1", "ada"), by("a-2", "ada"), by("a-3", "ada"), by("a-4", "ben")]).to.deep.equal([true, true, false, true]);
  });

  it("counts an address once, however it is spelled", () => {
    const to = (measure: object) => {
      const scene = new Scene([{ ...base, max: 1, ...measure }]);
      return (to: string): boolean => scene.does("send", { to });
    };
    const each = to({ each: ["request", "arguments", "to"] });
    const spelled = ["BOB@else.example", "Bob <bob@else.example>", " bob@else.example "];
    expect(["bob@else.example", ...spelled, "ann@else.example"].map(each)).to.deep.equal([true, false, false, false, true]);
    const distinct = to({ measure: "distinct", path: ["request", "arguments", "to"] });
    expect(["bob@else.example", ...spelled, "ann@else.example"].map(distinct)).to.deep.equal([true, true, true, true, false]);
    const ids = to({ measure: "distinct", path: ["request", "arguments", "to"] });
    expect(["Plan.md", "plan.md"].map(ids), "files").to.deep.equal([true, false]);
  });

  it("loses nothing to a clock that was ahead while it was asked", () => {
    const scene = new Scene([{ ...base, max: 1, per: "hour" }]);
    expect(scene.does("send", {}, { at: 1000 })).to.equal(true);
    const ahead = scene.counts.ask(scene.question("send", {}, { at: 7_200_000 })).limits["x"];
    expect(ahead).to.deep.equal({ used: 0, adds: 1, max: 1 });
    expect(scene.does("send", {}, { at: 2000 })).to.equal(false);
  });

  it("adds up an argument, and takes no number that isn't known or would give back", () => {
    const scene = new Scene([{ ...base, measure: "sum", path: ["request", "arguments", "amount"], max: 100 }]);
    expect(scene.does("send", { amount: 60 })).to.equal(true);
    expect(scene.does("send", { amount: 41 })).to.equal(false);
    expect(scene.does("send", { amount: 40 })).to.equal(true);
    for (const amount of [null, -1, "5", [null]]) expect(scene.does("send", { amount }), JSON.stringify(amount)).to.equal(false);
    expect(scene.does("send", { amount: 0 })).to.equal(true);
  });

  it("counts different values, and the same one once", () => {
    const scene = new Scene([{ ...base, measure: "distinct", path: ["request", "resource", "id"] }]);
    const on = (id: string | null): boolean => scene.does("send", {}, { id });
    expect(["1", "1", "2", "1", "2", "3"].map(on)).to.deep.equal([true, true, true, true, true, false]);
    expect(on(null)).to.equal(false);
  });

  it("counts each value apart: not twice", () => {
    const scene = new Scene([{ ...base, max: 1, each: ["request", "resource", "id"] }]);
    const on = (id: string | null): boolean => scene.does("send", {}, { id });
    expect(["1", "2", "1", "3"].map(on)).to.deep.equal([true, true, false, true]);
    expect(on(null)).to.equal(false);
  });

  it("lets something go only after something else, on the same task", () => {
    const scene = new Scene([{ ...base, measure: "after", after: { read: ["mail"] }, max: 1 }]);
    expect(scene.does("send")).to.equal(false);
    expect(scene.does("read")).to.equal(true);
    expect(scene.does("send")).to.equal(true);
    expect(scene.does("send", {}, { root: "t-2" })).to.equal(false);
  });

  it("is given back what was not made, once", () => {
    const scene = new Scene([base]);
    scene.does("send");
    scene.does("send");
    scene.counts.giveBack(scene.last);
    scene.counts.giveBack(scene.last);
    expect([scene.does("send"), scene.does("send")]).to.deep.equal([true, false]);
  });

  it("ends with its task, and nothing of it is kept", () => {
    const scene = new Scene([base]);
    scene.does("send");
    expect(scene.counts.size).to.equal(1);
    scene.counts.end("t-1");
    expect(scene.counts.size).to.equal(0);
  });

  it("of one agent takes no room of another's", () => {
    const scene = new Scene(
      [
        { ...base, max: 100, per: "day" },
        { ...base, code: "y", each: ["request", "arguments", "to"], per: "day" },
      ],
      {
        counters_max: 1000,
        agent_counters_max: 10,
        entries_max: 1000,
      },
    );
    const limits = Array.from({ length: 50 }, (_, i) => scene.does("send", { to: `${i}` }, { agent: "a-2", at: i }));
    expect(limits.at(-1)).to.equal(false);
    expect(scene.counts.size).to.be.at.most(10);
    expect(scene.does("send", { to: "x" }, { agent: "a-1", at: 60 })).to.equal(true);
  });

  it("has room again once windows have passed or tasks are over, though nobody said so", () => {
    const over = new Set<string>();
    const options = { counters_max: 8, agent_counters_max: 8, entries_max: 10 };
    const daily = new Scene([{ ...base, each: ["request", "arguments", "to"], per: "hour" }], options);
    expect(Array.from({ length: 10 }, (_, i) => daily.does("send", { to: `${i}` }, { at: i }))).to.include(false);
    expect(daily.does("send", { to: "later" }, { at: 3_600_000 + 60_000 })).to.equal(true);
    expect(daily.counts.size).to.equal(1);
    const perTask = new Scene([base], options, (task) => over.has(task));
    const tasks = Array.from({ length: 10 }, (_, i) => perTask.does("send", {}, { root: `t-${i}` }));
    expect(tasks).to.include(false);
    for (let i = 0; i < 10; i++) over.add(`t-${i}`);
    expect(perTask.does("send", {}, { root: "new", at: 60_000 })).to.equal(true);
  });

  it("of what went on without room, as by a person's word, is unknown until it can't count any more", () => {
    const scene = new Scene([{ ...base, each: ["request", "arguments", "to"], per: "hour" }], {
      counters_max: 9,
      agent_counters_max: 2,
      entries_max: 9,
    });
    for (const [i, to] of ["a", "b", "c"].entries()) {
      const { charges } = scene.counts.ask(scene.question("send", { to }));
      scene.counts.take(`d-${i}`, charges, "t-1", 0);
    }
    expect(scene.counts.size).to.equal(2);
    expect(scene.does("send", { to: "c" }, { at: 4_000_000 })).to.equal(false);
    expect(scene.does("send", { to: "c" }, { at: 4_000_000, agent: "a-2" })).to.equal(true);
    expect(scene.does("send", { to: "d" }, { at: 86_399_999 })).to.equal(false);
    // The next look for what is over, a minute after the last.
    expect(scene.does("send", { to: "d" }, { at: 86_399_999 + 60_000 })).to.equal(true);
  });

  const UNKNOWN: [string, Partial<Limit>, Values, Values][] = [
    ["a sum", { measure: "sum", path: ["request", "arguments", "n"], max: 100 }, {}, { n: 1 }],
    ["what is counted apart", { each: ["request", "arguments", "to"] }, {}, { to: "ada" }],
    ["different values", { measure: "distinct", path: ["request", "arguments", "to"] }, {}, { to: "ada" }],
  ];
  for (const [what, limit, first, next] of UNKNOWN)
    it(`of ${what} fits nothing once an action of unknown size was made, by a person's word or unasked, until that is given back or over`, () => {
      const scene = new Scene([{ ...base, per: "hour", ...limit }]);
      const { charges } = scene.counts.ask(scene.question("send", first));
      for (const [id, at] of [["made", 0] as const, ["not made", 1] as const]) scene.counts.take(id, charges, "t-1", at);
      scene.counts.giveBack("not made");
      expect(scene.does("send", next, { at: 2 })).to.equal(false);
      expect(scene.does("send", next, { at: 2, agent: "a-2" })).to.equal(true);
      expect(scene.does("send", next, { at: 3_600_000 })).to.equal(true);
    });

  it("of which more was made unasked than it counts keeps no more, and fits nothing", () => {
    const scene = new Scene([{ ...base, max: 100, per: "hour" }], { counters_max: 10, agent_counters_max: 10, entries_max: 3 });
    for (let i = 0; i < 9; i++) scene.counts.take(`d-${i}`, scene.counts.ask(scene.question("send", {})).charges, "t-1", i);
    const [counter] = Object.values(scene.counts.countersOf("agent a-1") ?? {});
    expect(counter?.taken).to.have.length(3);
    expect([10, 3_600_007, 3_600_008].map((at) => scene.does("send", {}, { at }))).to.deep.equal([false, false, true]);
  });

  it("that can't be counted any more fits nothing", () => {
    const many = new Scene([base], { counters_max: 1, agent_counters_max: 10, entries_max: 10 });
    expect([many.does("send"), many.does("send", {}, { root: "t-2" }), many.does("send")]).to.deep.equal([true, false, true]);
    const long = new Scene([{ ...base, max: 100 }], { counters_max: 10, agent_counters_max: 10, entries_max: 3 });
    expect([1, 2, 3, 4].map(() => long.does("send"))).to.deep.equal([true, true, true, false]);
  });
});

describe("a thousand limits", () => {
  it("cost an action that none of them counts nothing", () => {
    const scene = new Scene(Array.from({ length: 1000 }, (_, i) => ({ ...base, code: `x${i}` })));
    expect(scene.counts.ask(scene.question("read", {})).limits).to.deep.equal({});
    expect(Object.keys(scene.counts.ask(scene.question("send", {})).limits)).to.have.length(1000);
  });
});
