import { expect } from "chai";
import { FALSE_A_YEAR } from "../../src/behavior/evidence.js";
import { BehaviorProfile } from "../../src/behavior/profile.js";
import { FALSE_A_YEAR as GROUP_FALSE_A_YEAR } from "../../src/behavior/groups.js";
import type { Act, SharedOddity } from "../../src/contract/index.js";
import { act, DAY, HOUR, MONDAY, SECOND } from "./desk.js";

/**
 * Ten weeks of twelve agents that do nothing wrong: weekends off, a week's holiday each, one hired in the fifth week, month ends with twice the work, a release
 * that gives everyone a new step, a time change, and people's untidiness. Drawn from numbers: every run is the same.
 */
const [AGENTS, DAYS, TICKETS] = [12, 70, 20];
const [HIRED, RELEASE, TIME_CHANGE] = [28, 35, 49];
/** Days before anything is judged. */
const WARM_UP = 14;

const mixed = (seed: number): number => {
  const a = Math.imul(seed ^ (seed >>> 16), 0x7feb352d);
  const b = Math.imul(a ^ (a >>> 15), 0x846ca68b);
  return ((b ^ (b >>> 16)) >>> 0) / 2 ** 32;
};

function isAtWork(agent: number, day: number): boolean {
  if (day % 7 >= 5) return false;
  if (agent === AGENTS - 1 && day < HIRED) return false;
  return Math.floor(day / 7) !== 3 + (agent % 6);
}

const isMonthEnd = (day: number): boolean => day % 30 >= 25 && day % 30 <= 27;

function* workday(agent: number, day: number): Generator<Act> {
  const tickets = TICKETS * (isMonthEnd(day) ? 2 : 1);
  const offset_ms = day < TIME_CHANGE ? HOUR : 2 * HOUR;
  for (let n = 0; n < tickets; n++) {
    const seed = (agent * 1_000 + day) * 100 + n;
    const chance = (k: number): number => mixed(seed * 16 + k);
    const task = `T-${agent}-${day}-${n}`;
    const steps: Partial<Act>[] = [
      { type: "ticket" },
      { type: "customer" },
      { type: "order" },
      { verb: "update", verb_class: "write", type: "ticket" },
    ];
    if (day >= RELEASE && chance(1) < 0.5) steps.splice(1, 0, { verb: "search", type: "article" });
    if (chance(2) < 0.3) steps.splice(3, 0, { type: "invoice" });
    if (chance(3) < 0.02) steps.splice(3, 0, { verb: "refund", verb_class: "write", type: "payment" });
    // Somebody looks at another customer, does two things the other way round, or forgets the ticket.
    if (chance(4) < 0.01) steps.splice(2, 0, { type: "customer" });
    if (chance(5) < 0.02) steps.reverse();
    const taskless = chance(6) < 0.005;
    // Eight hours of local time.
    const began = MONDAY + day * DAY - offset_ms + HOUR + ((n + chance(7)) * 8 * HOUR) / tickets;
    for (const [i, step] of steps.entries()) {
      const id = step.type === "ticket" ? task : `${step.type ?? ""}-${Math.floor(mixed(seed * 32 + i) * 4_000)}`;
      yield act({
        ...step,
        agent: `support-${agent}`,
        owner: `team-${agent % 3}`,
        version: agent % 2 === 0 ? "1" : "2",
        id,
        task: taskless ? null : task,
        session: task,
        offset_ms,
        time_ms: began + i * 20 * SECOND,
      });
    }
  }
}

describe("ten weeks of a team that does nothing wrong", () => {
  const evidence: string[] = [];
  const shared: SharedOddity[] = [];
  const flaggedHours = new Set<string>();
  let judgedDays = 0;

  before(() => {
    const profile = new BehaviorProfile({ agents_max: 99 });
    for (let day = 0; day < DAYS; day++) {
      const acts: Act[] = [];
      for (let agent = 0; agent < AGENTS; agent++) if (isAtWork(agent, day)) acts.push(...workday(agent, day));
      if (day >= WARM_UP) judgedDays += AGENTS;
      for (const one of acts.sort((a, b) => a.time_ms - b.time_ms)) {
        const { risk, reasons } = profile.assess(one);
        const together = profile.learn(one, "allow");
        if (together !== null) shared.push(together);
        if (day < WARM_UP) continue;
        evidence.push(...reasons.filter((reason) => reason.includes("odds of")));
        if (risk >= 60) flaggedHours.add(`${one.agent} ${Math.floor(one.time_ms / HOUR)}`);
      }
    }
  });

  it("has no more findings by evidence than are stated", () => {
    const years = judgedDays / 365;
    expect(evidence.length, evidence.join("\n")).to.be.at.most(2 * FALSE_A_YEAR * years);
  });

  it("has no more findings about groups of agents than are stated", () => {
    expect(shared.length, JSON.stringify(shared)).to.be.at.most(Math.ceil((GROUP_FALSE_A_YEAR * DAYS) / 365));
  });

  it("has hours with a flag on at most two in a hundred days of an agent", () => {
    expect(flaggedHours.size / judgedDays, [...flaggedHours].join("\n")).to.be.at.most(0.02);
  });
});
