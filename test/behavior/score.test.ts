import { expect } from "chai";
import { newScore, riskOf, score } from "../../src/behavior/score.js";
import { CHANNEL, SeenAction } from "../../src/behavior/seen_action.js";
import { agentSlab } from "../../src/behavior/slab.js";

/** What is made of an act that is odd by so many decades, with evidence of which so much is there that a finding takes. */
function totalOf(decades: number, near: number): number {
  const seen = new SeenAction();
  seen.decades[CHANNEL.order] = seen.most[CHANNEL.order] = decades;
  [seen.near, seen.found] = [near, -1];
  const out = newScore();
  score(agentSlab(), seen, false, 0, out);
  return out.total;
}

describe("evidence over sessions that isn't a finding yet", () => {
  it("counts from half of a finding's on, and more the nearer it comes", () => {
    const totals = [0, 0.5, 0.7, 0.9, 1].map((near) => totalOf(0, near));
    expect(totals.slice(0, 2)).to.deep.equal([0, 0]);
    expect(totals.slice(1)).to.deep.equal(totals.slice(1).sort((a, b) => a - b));
  });

  it("makes no flag of an act: what flags it, or suspends its agent, is the act itself or a finding", () => {
    for (const decades of [0, 1, 2, 3, 4, 6, 10]) {
      const [alone, near] = [totalOf(decades, 0), totalOf(decades, 1)];
      expect(near).to.be.at.least(alone);
      expect(riskOf(near), `${decades} decades`).to.be.at.most(Math.max(riskOf(alone), 59));
    }
  });
});

/** Decades of the hour, and of the pace at which the agent works in it. */
const NIGHTS: Record<string, { hour: number; rate?: number; fan_out?: number; together: boolean }> = {
  "a night on duty, at the pace of the day": { hour: 3, together: false },
  "a burst by day": { hour: 0.5, rate: 3, together: false },
  "a burst at an hour that is no more than usual": { hour: 1, rate: 3, fan_out: 2, together: false },
  "a burst at night": { hour: 3, rate: 2, together: true },
  "one resource after another at night": { hour: 2, fan_out: 3, together: true },
};

describe("an odd pace at an odd hour", () => {
  const seenBy = (odd: Partial<Record<"hour" | "rate" | "fan_out", number>>): { total: number; step: number } => {
    const seen = new SeenAction();
    for (const [name, decades] of Object.entries(odd)) {
      const channel = CHANNEL[name as "hour" | "rate" | "fan_out"];
      seen.decades[channel] = seen.most[channel] = decades;
    }
    seen.found = -1;
    const out = newScore();
    score(agentSlab(), seen, false, 0, out);
    return out;
  };

  for (const [name, { hour, rate = 0, fan_out = 0, together }] of Object.entries(NIGHTS))
    it(`${name} is ${together ? "odder than the two apart, at once and in memory" : "no odder than its parts"}`, () => {
      const [both, late, quick] = [seenBy({ hour, rate, fan_out }), seenBy({ hour }), seenBy({ rate, fan_out })];
      const apart = late.total + quick.total;
      if (together) expect(both.total).to.be.above(apart + 0.5);
      else expect(both.total).to.be.closeTo(apart, 1e-9);
      if (together) expect(both.step).to.be.above(late.step + quick.step + 0.5);
    });
});
