/** Budgets split into small actions, over time, over tasks handed on and over many agents. */
import type { Limit, PolicyInput, Purpose, TaskPlan, Values } from "../../src/contract/index.js";
import type { LimitUse, RecordedAction } from "../../src/flow/counts.js";
import { cut } from "./cut.js";
import { threat, type Tree } from "./threat.js";

/** Interleavings that are drawn. */
const RUNS = Number(process.env["REMIT_INTERLEAVINGS"] ?? 1_000);
const MS_MAX = Math.max(120_000, RUNS * 60);
const STEPS = 40;
const MAX = 100;
const OWNER_MAX = 150;
const HOUR_MS = 3_600_000;
const LIMITS: Limit[] = [
  { code: "task_sum", of: { pay: ["order"] }, measure: "sum", path: ["request", "arguments", "amount"], max: MAX, per: "task" },
  { code: "hour_count", of: { pay: ["order"] }, measure: "count", max: 8, per: "hour" },
  { code: "day_distinct", of: { pay: ["order"] }, measure: "distinct", path: ["request", "resource", "id"], max: 4, per: "day" },
  { code: "once", of: { pay: ["order"] }, measure: "count", each: ["request", "resource", "id"], max: 3, per: "day" },
  {
    ...{ code: "owner_sum", of: { pay: ["order"] }, measure: "sum", path: ["request", "arguments", "amount"] },
    ...{ max: OWNER_MAX, per: "day", by: "owner" },
  },
];

/** Numbers that look random and are the same each time. */
function drawn(seed: number): (below: number) => number {
  let state = seed * 2_654_435_761 + 1;
  return (below) => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) | 0;
    return (state >>> 8) % below;
  };
}

interface Payment {
  id: string;
  agent: string;
  root: string;
  owner: string;
  amount: number;
  order: string;
  at: number;
}

/** Whether this may come beside what was made and not given back, by arithmetic alone. */
function fits(made: readonly Payment[], one: Payment): boolean {
  const mine = made.filter(({ agent }) => agent === one.agent);
  const within = (ms: number) => (other: Payment) => other.at > one.at - ms;
  const sum = (all: readonly Payment[]): number => all.reduce((so_far, { amount }) => so_far + amount, 0);
  const lately = mine.filter(within(24 * HOUR_MS));
  return (
    sum(made.filter(({ root }) => root === one.root)) + one.amount <= MAX &&
    mine.filter(within(HOUR_MS)).length + 1 <= 8 &&
    new Set([...lately.map(({ order }) => order), one.order]).size <= 4 &&
    lately.filter(({ order }) => order === one.order).length + 1 <= 3 &&
    sum(made.filter(({ owner }) => owner === one.owner).filter(within(24 * HOUR_MS))) + one.amount <= OWNER_MAX
  );
}

/** Agents of two owners, on tasks that were handed on from three: requests that are asked, decided, made or not, in any order. */
async function split(tree: Tree): Promise<string | null> {
  const { LimitCounts } = await tree("flow/counts.js");
  for (let run = 0; run < RUNS; run++) {
    const draw = drawn(run);
    const counts = new LimitCounts();
    let made: Payment[] = [];
    let now = 0;
    for (let step = 0; step < STEPS; step++) {
      now += draw(4) === 0 ? draw(8 * HOUR_MS) : draw(1_000);
      const undone = made[draw(made.length + 1)];
      if (draw(6) === 0 && undone !== undefined) {
        counts.giveBack(undone.id);
        made = made.filter((one) => one !== undone);
        continue;
      }
      const who = draw(4);
      const [root, amount, order] = [`t-${draw(3)}`, 1 + draw(40), `o-${draw(6)}`];
      const one = { id: `d-${run}-${step}`, agent: `a-${who}`, owner: `owner-${who % 2}`, root, amount, order, at: now };
      const request = {
        ...{ agent: one.agent, purpose: "p", task: `${root}/${who}`, verb: "pay" },
        ...{ resource: { type: "order", id: one.order, attributes: {} }, arguments: { amount: one.amount }, related: {} },
      } as unknown as PolicyInput["request"];
      const { limits, charges } = counts.ask({
        ...{ request, purpose: { limits: LIMITS } as unknown as Purpose, owner: one.owner },
        ...{ root: { id: one.root, agent: "a-0" }, now_ms: now },
      });
      const permits = Object.values(limits).every(({ used, adds, max }) => adds !== null && used + adds <= max);
      if (permits !== fits(made, one))
        return `${permits ? "too much is permitted" : "what fits is refused"} in interleaving ${run}, step ${step}`;
      if (!permits) continue;
      counts.take(one.id, charges, one.root, now);
      made.push(one);
    }
  }
  return null;
}

threat("A3", "a sum, a number and different values are bounded, however they are split and interleaved", {
  check: split,
  ms_max: MS_MAX,
  without: {
    "what is taken being added up": [cut.text("flow/counts.js", "take", "counter.sum + amount", "0")],
    "what was not made being given back": [cut.text("flow/counts.js", "giveBack", "!== decisionId", "!== ''")],
    "different values being told apart": [cut.text("flow/counts.js", "#charge", '!before.has(value ?? "")', "false")],
    "what has left a window being dropped": [cut.text("flow/counts.js", "overIn", "<= from", "< 0")],
  },
});

threat("A3", "what nobody knows the size of leaves nothing of a limit, whoever let it go ahead", {
  async check(tree) {
    const { LimitCounts } = await tree("flow/counts.js");
    const counts = new LimitCounts();
    const [summed] = LIMITS;
    const once: Limit = {
      code: "once",
      of: { pay: ["order"] },
      measure: "count",
      each: ["request", "arguments", "to"],
      max: 3,
      per: "day",
    };
    const ask = (agent: string, given: Values, limit: Limit | undefined, record?: RecordedAction) =>
      counts.ask(
        {
          request: {
            agent,
            purpose: "p",
            verb: "pay",
            resource: { type: "order", id: "o", attributes: {} },
            arguments: given,
            related: {},
          } as never,
          purpose: { limits: [limit] } as unknown as Purpose,
          ...{ owner: "o", root: { id: agent, agent }, now_ms: 0 },
        },
        record,
      );
    const fits = ({ limits }: LimitUse): boolean =>
      Object.values(limits).every(({ used, adds, max }) => adds !== null && used + adds <= max);
    const by = (agent: string, given: Values, limit: Limit | undefined, record?: RecordedAction): void => {
      counts.take(`d-${agent}`, ask(agent, given, limit, record).charges, agent, 0);
    };
    if (!fits(ask("approved", { amount: 1 }, summed))) throw new Error("what fits is refused");
    by("approved", {}, summed);
    if (fits(ask("approved", { amount: 1 }, summed))) return "an approved action without an amount was counted as nothing";
    by("masked", { amount: "masked:x" }, summed, {
      masked: ["/input/request/arguments/amount"],
      seen: { limits: { task_sum: { used: 0, adds: MAX - 10, max: MAX } } },
    });
    if (fits(ask("masked", { amount: 11 }, summed))) return "a masked amount was counted as nothing";
    if (!fits(ask("masked", { amount: 10 }, summed))) return "a masked amount isn't what its record says that it added";
    by("apart", { to: "masked:x" }, once, { masked: ["/input/request/arguments/to"], seen: { limits: {} } });
    return fits(ask("apart", { to: "ada" }, once)) ? "a masked name was counted as another" : null;
  },
  without: {
    "an unknown amount being kept": [
      cut.text("flow/counts.js", "#charge", "charges.push({ scope, key: base, amount: null", "void ({ scope, key: base, amount: null"),
    ],
    "the record being asked for what it masks": [cut.text("flow/counts.js", "#charge", 'measure === "sum" && isHidden(path)', "false")],
    "what is masked being taken for unknown": [cut.text("flow/counts.js", "#charge", "isHidden(each)", "false")],
  },
});

threat("A3", "a call of a task's plan is made as often as the plan says, whatever is asked at once, not made or handed on", {
  async check(tree) {
    const { Flow } = await tree("flow/flow.js");
    const flow = new Flow();
    const plan: TaskPlan = [
      { verb: "pay", type: "order", times: 2 },
      { verb: "pay", type: "order", id: "o-9", times: 1 },
    ];
    const ask = (id: string, agent = "a-1") =>
      flow.ask({
        ...{ vocabulary: { verbs: {}, types: {} } as never, purpose: undefined, now_ms: 0 },
        request: { agent, purpose: "p", verb: "pay", resource: { type: "order", id, attributes: {} }, arguments: {}, related: {} } as never,
        root: { id: "t", agent: "a-1", attributes: {}, plan },
        agent: { owner: "o", attributes: {} },
      });
    let n = 0;
    const pay = (id: string, agent?: string): boolean => {
      const { facts, note } = ask(id, agent);
      const times = facts.plan?.times;
      if (times === undefined) throw new Error("no number of times is told");
      const permits = times.adds !== null && times.used + times.adds <= times.max;
      if (permits && note !== null) flow.permitted(`d-${++n}`, note);
      return permits;
    };
    if (!pay("o-1") || !pay("o-2", "a-2")) throw new Error("what is planned is refused");
    if (pay("o-3") || pay("o-3", "a-2")) return "a call was made more often than is planned";
    if (!pay("o-9")) return "a call was counted for one of the plan that it isn't";
    if (pay("o-9")) return "a call of one thing was made more often than is planned";
    flow.notMade("d-1");
    return pay("o-1") && !pay("o-1") ? null : "what was not made stays counted";
  },
  without: {
    "what was made being counted": [cut.text("flow/flow.js", "ask", "[...limited, planCharge(root, times.call)]", "limited")],
    "calls of a plan being told apart": [cut.text("flow/counts.js", "planCharge", "`${scope} plan ${call}`", "`${scope} plan`")],
    "calls that are used up coming after others": [cut.text("flow/flow.js", "compared", "isUsedUp ?", "false ?")],
  },
});

threat("A8", "what was handed on counts for the task that it came from, and agents for their owner", {
  check: split,
  ms_max: MS_MAX,
  without: {
    "the topmost task": [cut.text("flow/counts.js", "scopeOf", "`task ${root.id}`", "`task ${request.task}`")],
    "the owner": [cut.text("flow/counts.js", "scopeOf", "`owner ${owner}`", "`agent ${request.agent}`")],
  },
});
