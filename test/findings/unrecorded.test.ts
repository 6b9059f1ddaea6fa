import { expect } from "chai";
import { Problem, type PolicyResult } from "../../src/contract/index.js";
import { decider } from "../../src/decision/decide.js";
import { Incidents } from "../../src/findings/incidents.js";
import { REQUEST, World, policyOf, problemOf } from "../decision/world.js";

const FLAGGED: PolicyResult = {
  decision: "flag",
  proceed: true,
  reasons: [{ effect: "flag", code: "unrelated", severity: "medium", params: {}, proceed: true }],
  obligations: [],
};

describe("a finding of decisions that the log doesn't take", () => {
  /** Everything is flagged, and the log fails as long as it is told to. */
  function world(): { world: World; fails: (is: boolean) => void } {
    const made = new World((pdp) => decider({ ...pdp, findings: new Incidents() }));
    made.active = policyOf(() => FLAGGED);
    let failing = false;
    made.append = () => (failing ? Promise.reject(new Problem("log_unavailable")) : Promise.resolve());
    return { world: made, fails: (is) => (failing = is) };
  }

  it("is none: the next begins with one that is on record", async () => {
    const { world: desk, fails } = world();
    fails(true);
    expect((await problemOf(desk.decide())).code).to.equal("log_unavailable");
    fails(false);
    const { answer } = await desk.decide();
    expect(answer.finding).to.equal(`F-${answer.decision_id}`);
    expect((await desk.decide()).answer.finding).to.equal(answer.finding);
  });

  it("is none of a batch either, whose others are one", async () => {
    const { world: desk, fails } = world();
    fails(true);
    await problemOf(desk.batch([REQUEST, REQUEST]));
    fails(false);
    const answers = (await desk.batch([REQUEST, REQUEST, REQUEST])).map(({ answer }) => answer);
    expect(new Set(answers.map(({ finding }) => finding))).to.deep.equal(new Set([`F-${answers[0]?.decision_id ?? ""}`]));
  });

  it("that has begun goes on, whatever is lost of it", async () => {
    const { world: desk, fails } = world();
    const { answer } = await desk.decide();
    fails(true);
    await problemOf(desk.decide());
    fails(false);
    expect((await desk.decide()).answer.finding).to.equal(answer.finding);
  });
});
