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

  it("takes no act beyond a flag: what suspends an agent is the act itself, or a finding", () => {
    for (const decades of [0, 1, 2, 3, 4, 6, 10]) {
      const [alone, near] = [totalOf(decades, 0), totalOf(decades, 1)];
      expect(near).to.be.at.least(alone);
      expect(riskOf(near), `${decades} decades`).to.be.at.most(Math.max(riskOf(alone), 61));
    }
  });
});
