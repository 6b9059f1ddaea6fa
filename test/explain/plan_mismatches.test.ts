import { expect } from "chai";
import type { PlanMismatch, PolicyInput, TaskPlan } from "../../src/contract/index.js";
import { planMismatches } from "../../src/explain/plan_mismatches.js";

const PLAN: TaskPlan = [
  { step: "memo", verb: "read", type: "mail", id: "7" },
  { step: "answer", verb: "send", type: "mail", times: 1, arguments: { recipients: ["memo.sender", "user"] } },
  { verb: "send", type: "note", arguments: { to: ["user"] } },
];
const MANY: TaskPlan = Array.from({ length: 15 }, (_, n) => ({ verb: "read", type: "mail", id: `m-${n}` }));
const BY_PERSON =
  "a person approves it; where any of the values there will do, write the source with `[]` behind it in the plan of the next task";

/** What a decision's record says of the plan and of where each argument came from. */
interface Found {
  verb?: string;
  type?: string;
  id?: string | null;
  fits?: boolean;
  step?: string;
  arguments?: Record<string, string>;
  times?: { max: number; used: number; adds: number | null };
  sources?: Record<string, { writer: string; sources: { writer: string; record: string | null; path: string }[] }>;
}

function mismatches(found: Found | null, plan: TaskPlan | undefined = PLAN): PlanMismatch[] | null {
  const { verb = "send", type = "mail", id = null, fits = true, sources = {} } = found ?? {};
  const { step = null, times, arguments: given = {} } = found ?? {};
  const planned = { fits, step, arguments: given, ...(times !== undefined && { times }) };
  const input = {
    request: { verb, resource: { type, id } },
    facts: { flow: { arguments: sources, ...(found !== null && { plan: planned }) } },
  };
  return planMismatches(input as unknown as PolicyInput, plan);
}

const stranger = (path: string) => ({ writer: "anyone", sources: [{ writer: "anyone", record: "d-1", path }] });

describe("what stopped an action of a planned task", () => {
  const stopped: [what: string, found: Found, expected: Partial<PlanMismatch>, plan?: TaskPlan][] = [
    [
      "a verb of another id",
      { verb: "read", id: "9", fits: false },
      { code: "outside_plan", wanted: ["read mail 7 (step memo)"], found: ["read mail 9"] },
    ],
    [
      "a verb that the plan doesn't have",
      { verb: "delete", id: "7", fits: false },
      { code: "outside_plan", wanted: ["read mail 7 (step memo)", "send mail (step answer)", "send note"], found: ["delete mail 7"] },
    ],
    [
      "one call more than a long plan has",
      { verb: "read", id: "x", fits: false },
      { code: "outside_plan", wanted: [...MANY.slice(0, 12).map(({ id }) => `read mail ${id ?? ""}`), "3 more"] },
      MANY,
    ],
    ["any call of an empty plan", { fits: false }, { code: "outside_plan", wanted: [], found: ["send mail"] }, []],
    [
      "a stranger's value",
      { step: "answer", arguments: { "recipients/0": "elsewhere" }, sources: { "recipients/0": stranger("body") } },
      { code: "not_as_planned", step: "answer", wanted: ["memo.sender", "user"], found: ["body of what decision d-1 returned (anyone)"] },
    ],
    [
      "a value of a whole text",
      { step: "answer", arguments: { "recipients/0": "elsewhere" }, sources: { "recipients/0": stranger("") } },
      { found: ["the text of what decision d-1 returned (anyone)"] },
    ],
    [
      "a trusted fact's value",
      {
        ...{ step: "answer", arguments: { "recipients#2": "elsewhere" } },
        sources: { "recipients#2": { writer: "own", sources: [{ writer: "own", record: null, path: "facts/account" }] } },
      },
      { argument: "recipients#2", wanted: ["memo.sender", "user"], found: ["facts/account (own)"] },
    ],
    [
      "a value that nothing said",
      { step: "answer", arguments: { "recipients/0": "elsewhere" }, sources: { "recipients/0": { writer: "none", sources: [] } } },
      { found: ["nothing that the task or its reads say"] },
    ],
    [
      "a value of a task that is not remembered whole",
      { step: "answer", arguments: { "recipients/0": "unknown" }, sources: { "recipients/0": { writer: "unknown", sources: [] } } },
      { code: "flow_unknown", found: ["not known"], next: "create a new task: what this one read isn't remembered whole" },
    ],
    [
      "a value beside others",
      { step: "answer", arguments: { "recipients/0": "several" } },
      { code: "plan_waits", found: ["not known"], next: BY_PERSON },
    ],
    ["a call without a step's name", { type: "note", arguments: { to: "elsewhere" } }, { step: null, wanted: ["user"] }],
    ["an argument that the plan doesn't name", { step: "answer", arguments: { cc: "elsewhere" } }, { argument: "cc", wanted: [] }],
    ["a step of another id", { step: "memo", verb: "read", id: "8", arguments: { id: "elsewhere" } }, { wanted: [] }],
    [
      "a call that is used up",
      { step: "answer", times: { max: 1, used: 1, adds: 1 } },
      { code: "plan_used_up", step: "answer", argument: null, wanted: ["at most 1 times"], found: ["permitted 1 times"] },
    ],
    [
      "a call that nobody counts",
      { type: "note", times: { max: 2, used: 0, adds: null } },
      { code: "flow_unknown", step: null, wanted: ["at most 2 times"], found: ["not known how often"] },
    ],
  ];
  for (const [what, found, expected, plan] of stopped) {
    it(`is told of ${what}`, () => {
      const all = mismatches(found, plan);
      expect(all).to.have.length(1);
      expect(all?.[0]).to.deep.include(expected);
    });
  }

  it("lists each argument, and the count behind them", () => {
    const found: Found = { step: "answer", arguments: { a: "elsewhere", b: "planned", c: "several" }, times: { max: 1, used: 1, adds: 1 } };
    expect(mismatches(found)?.map(({ code, argument }) => [code, argument])).to.deep.equal([
      ["not_as_planned", "a"],
      ["plan_waits", "c"],
      ["plan_used_up", null],
    ]);
  });

  it("is nothing where every argument is as planned and the count has room", () => {
    expect(mismatches({ step: "answer", arguments: { "recipients/0": "planned" }, times: { max: 2, used: 1, adds: 1 } })).to.deep.equal([]);
    expect(mismatches({ step: "memo", verb: "read", id: "7" })).to.deep.equal([]);
  });

  it("goes without what was planned once the plan is no longer known", () => {
    const flow = { arguments: {}, plan: { fits: true, step: "answer", arguments: { "recipients/0": "elsewhere" } } };
    const request = { verb: "send", resource: { type: "mail", id: null } };
    const of = (facts: object) => planMismatches({ request, facts } as unknown as PolicyInput, undefined);
    expect(of({ flow })?.[0]).to.deep.include({ code: "not_as_planned", wanted: [], found: ["not known"] });
    expect(of({ flow: { ...flow, plan: { fits: false, step: null, arguments: {} } } })?.[0]).to.deep.include({
      code: "outside_plan",
      wanted: [],
    });
  });

  it("is null on a task without a plan, and on one whose flow isn't known", () => {
    expect(mismatches(null)).to.equal(null);
    const request = { verb: "send", resource: { type: "mail", id: null } };
    expect(planMismatches({ request, facts: { flow: null } } as unknown as PolicyInput, PLAN)).to.equal(null);
  });
});
