/** Budgets split into small actions, over time, over tasks handed on and over many agents. */
import type { Limit, PolicyInput, Purpose } from "../../src/contract/index.js";
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
        ...{ resource: { type: "order", id: one.order, attributes: {} }, arguments: { amount: one.amount } },
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
    "what is taken being added up": [cut.text("flow/counts.js", "take", "counter.sum += amount", "")],
    "what was not made being given back": [cut.text("flow/counts.js", "giveBack", "!== decisionId", "!== ''")],
    "different values being told apart": [cut.text("flow/counts.js", "#charge", '!before.has(value ?? "")', "false")],
    "what has left a window being dropped": [cut.text("flow/counts.js", "drop", "<= from", "< 0")],
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
