import { expect } from "chai";
import { BehaviorProfile } from "../../src/behavior/profile.js";
import type { Act, SharedOddity } from "../../src/contract/index.js";
import { act, bytesOf, DAY, HOUR, live, MINUTE, MONDAY, shift } from "./desk.js";

/** Twenty agents of three owners after four weeks of ordinary days and one more; every other one has the second version. */
const AGENTS = Array.from({ length: 20 }, (_, i) => `support-${i}`);
const DAYS = 28;
const numberOf = (agent: string): number => Number(agent.slice("support-".length));
const of = (agent: string): Pick<Act, "agent" | "version" | "owner"> => ({
  agent,
  version: numberOf(agent) % 2 === 0 ? "1" : "2",
  owner: `team-${numberOf(agent) % 3}`,
});

function practised(agents: readonly string[] = AGENTS): { profile: BehaviorProfile; found: SharedOddity[] } {
  const profile = new BehaviorProfile({ agents_max: 100 });
  const found: SharedOddity[] = [];
  for (let day = 0; day <= DAYS; day++)
    for (const agent of agents)
      for (const one of shift({ agent, from: day, days: 1, tickets: 8 })) found.push(...learned(profile, { ...one, ...of(agent) }));
  return { profile, found };
}

function learned(profile: BehaviorProfile, one: Act): SharedOddity[] {
  profile.assess(one);
  const shared = profile.learn(one, "allow");
  return shared === null ? [] : [shared];
}

/** One act on the last day, beside the work. */
function odd(agent: string, over: Partial<Act> = {}): Act {
  const task = `T-${agent}-odd`;
  const time_ms = MONDAY + DAYS * DAY + 7.5 * HOUR + numberOf(agent) * MINUTE;
  return act({ ...of(agent), type: "payroll", id: "p-1", task, session: task, time_ms, ...over });
}

const SECOND_VERSION = AGENTS.filter((agent) => numberOf(agent) % 2 === 1);
const TAIL_HELD = SECOND_VERSION.slice(0, 4);

describe("the same oddness in several agents", () => {
  const saved = (() => {
    const { profile, found } = practised();
    return { bytes: bytesOf(profile), found };
  })();
  const profileNow = (): BehaviorProfile => BehaviorProfile.restore(saved.bytes, { agents_max: 100 }).profile;
  const happening = (acts: readonly Act[], profile = profileNow()): SharedOddity[] => acts.flatMap((one) => learned(profile, one));

  it("is found in none of the days before", () => {
    expect(saved.found).to.deep.equal([]);
  });

  it("is found in agents of one version, none of which is odd enough for more than a finding of its own", () => {
    const profile = profileNow();
    const risks = TAIL_HELD.map((agent) => profile.assess(odd(agent)).risk);
    const [first, ...more] = happening(
      TAIL_HELD.map((agent) => odd(agent)),
      profile,
    );
    expect(first).to.include({
      purpose: "customer_support",
      kind: "version",
      value: "2",
      channel: "what",
      type: "payroll",
      count: 3,
      active: 10,
    });
    expect(first?.agents).to.deep.equal(TAIL_HELD.slice(0, 3).toSorted());
    expect(more).to.deep.equal([]);
    expect(Math.max(...risks)).to.be.below(85);
  });

  it("is found again only when twice as many agents have it", () => {
    const found = happening(SECOND_VERSION.map((agent) => odd(agent)));
    expect(found.map(({ count }) => count)).to.deep.equal([3, 6]);
  });

  it("is found in agents of one owner, and of one source", () => {
    const team = AGENTS.filter((agent) => numberOf(agent) % 3 === 1).slice(0, 4);
    expect(happening(team.map((agent) => odd(agent)))[0]).to.include({ kind: "owner", value: "team-1" });
    const anywhere = [0, 1, 2, 4].map((n) => odd(`support-${n}`, { source: "wl-new" }));
    expect(happening(anywhere)[0]).to.include({ kind: "source", value: "wl-new" });
  });

  it("names a group in words that can be shown, whatever a caller calls its source", () => {
    const source = `wl-\u202e\n${"x".repeat(300)}`;
    const [found] = happening([0, 1, 2, 4].map((n) => odd(`support-${n}`, { source })));
    expect(found).to.include({ kind: "source" });
    expect(found?.value)
      .to.match(/^wl-\ufffd\ufffdx+…$/)
      .and.to.have.length.below(64);
  });

  const nothing: Record<string, () => readonly Act[]> = {
    "two agents": () => TAIL_HELD.slice(0, 2).map((agent) => odd(agent)),
    "one agent again and again": () => Array.from({ length: 9 }, (_, n) => odd("support-1", { id: `p-${n}` })),
    "agents of different versions, owners and sources": () => [0, 1, 5].map((n) => odd(`support-${n}`, { source: `wl-${n}` })),
    "agents that are odd in different ways": () =>
      TAIL_HELD.slice(0, 3).map((agent, i) => odd(agent, { type: ["payroll", "ledger", "contract"][i] ?? "" })),
    "agents that were granted it": () => TAIL_HELD.map((agent) => odd(agent, { granted: true })),
    "agents on different days": () => TAIL_HELD.map((agent, i) => odd(agent, { time_ms: MONDAY + (DAYS + i) * DAY + 7.5 * HOUR })),
    "everybody, as with a release": () =>
      [...AGENTS]
        .reverse()
        .toSorted((a, b) => (numberOf(a) % 5) - (numberOf(b) % 5))
        .map((agent) => odd(agent)),
    newcomers: () => [21, 23, 25, 27].map((n) => odd(`support-${n}`)),
    "another purpose": () => TAIL_HELD.map((agent) => odd(agent, { purpose: "sales" })),
  };
  for (const [who, acts] of Object.entries(nothing))
    it(`isn't found in ${who}`, () => {
      expect(happening(acts())).to.deep.equal([]);
    });

  it("isn't found in a purpose that is known for two days", () => {
    const profile = new BehaviorProfile({ agents_max: 100 });
    for (const agent of AGENTS) for (const one of shift({ agent, days: 2, tickets: 8 })) live(profile, { ...one, ...of(agent) });
    expect(
      happening(
        TAIL_HELD.map((agent) => odd(agent)),
        profile,
      ),
    ).to.deep.equal([]);
  });

  it("is the same, to the byte, after a snapshot in the middle", () => {
    const whole = profileNow();
    const acts = SECOND_VERSION.map((agent) => odd(agent));
    const found = happening(acts, whole);
    const before = profileNow();
    const half = happening(acts.slice(0, 2), before);
    const after = BehaviorProfile.restore(bytesOf(before), { agents_max: 100 }).profile;
    expect([...half, ...happening(acts.slice(2), after)]).to.deep.equal(found);
    expect(Buffer.from(bytesOf(after)).equals(bytesOf(whole))).to.equal(true);
  });

  it("doesn't count an agent whose habits were put back", () => {
    const profile = profileNow();
    const [first = "", ...others] = TAIL_HELD.slice(0, 3);
    expect(
      happening(
        [first].map((agent) => odd(agent)),
        profile,
      ),
    ).to.deep.equal([]);
    expect(profile.rollBack(first, MONDAY + DAYS * DAY)).to.not.equal(null);
    expect(
      happening(
        others.map((agent) => odd(agent)),
        profile,
      ),
    ).to.deep.equal([]);
  });
});
