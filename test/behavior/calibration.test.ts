import { expect } from "chai";
import { uncalibrated } from "../../src/behavior/calibration.js";
import { BehaviorProfile } from "../../src/behavior/profile.js";
import { act, bytesOf, DAY, MONDAY } from "./desk.js";
import { DAYS, team, THEN } from "./team.js";

const PURPOSE = "customer_support";
const EXPECTED = { expected: 1, misuse: 0 };
const MISUSE = { expected: 0, misuse: 1 };
const BACK = { expected: -1, misuse: 0 };
/** An act of a type that nobody in the team works with. */
const ODD = act({ type: "payroll", id: "p-1", task: "T-odd", session: "T-odd", time_ms: THEN });

const judged = (profile: BehaviorProfile, ...verdicts: { expected: number; misuse: number }[]): BehaviorProfile => {
  for (const one of verdicts) profile.calibrate(PURPOSE, one, THEN);
  return profile;
};
const times = <T>(count: number, one: T): T[] => Array.from({ length: count }, () => one);

describe("verdicts on findings about behaviour", () => {
  const before = team().assess(ODD).risk;

  it("make a purpose's agents score less where they were `expected`, and more where they were `misuse`", () => {
    const risks = [judged(team(), ...times(5, EXPECTED)), team(), judged(team(), MISUSE)].map((profile) => profile.assess(ODD).risk);
    expect(risks).to.deep.equal([...risks].sort((a, b) => a - b));
    expect(new Set(risks).size).to.equal(3);
  });

  it("leave other purposes as they are", () => {
    const [judgedTeam, other] = [judged(team(), ...times(9, EXPECTED)), { ...ODD, purpose: "sales" }];
    expect(judgedTeam.assess(other)).to.deep.equal(team().assess(other));
  });

  it("leave an ordinary act ordinary, however many say `misuse`", () => {
    const ordinary = act({ type: "ticket", id: "T-x", task: "T-x", session: "T-x", time_ms: THEN });
    expect(team().assess(ordinary).risk).to.equal(0);
    expect(judged(team(), ...times(50, MISUSE)).assess(ordinary).risk).to.equal(0);
  });

  it("move by 1.5 at most, either way, and back from there with the next of the other kind", () => {
    const profile = judged(team(), ...times(1000, EXPECTED));
    expect(profile.calibrationOf(PURPOSE)).to.deep.equal({ expected: 1000, misuse: 0, score: 1.5 });
    const least = profile.assess(ODD).risk;
    expect(least).to.be.above(before / 2);
    expect(judged(profile, MISUSE).calibrationOf(PURPOSE).score).to.equal(1.2);
    expect(profile.assess(ODD).risk).to.be.above(least);
    expect(judged(team(), ...times(1000, MISUSE)).calibrationOf(PURPOSE).score).to.equal(-1.5);
  });

  it("move nothing any more once they are taken back", () => {
    const profile = judged(team(), EXPECTED, BACK);
    expect(profile.calibrationOf(PURPOSE)).to.deep.equal({ expected: 0, misuse: 0, score: 0 });
    expect(profile.assess(ODD).risk).to.equal(before);
  });

  it("are kept in a snapshot", () => {
    const profile = judged(team(), ...times(3, EXPECTED), MISUSE);
    const after = BehaviorProfile.restore(bytesOf(profile), { agents_max: 100 }).profile;
    expect(after.calibrationOf(PURPOSE)).to.deep.equal(profile.calibrationOf(PURPOSE));
    expect(after.assess(ODD)).to.deep.equal(profile.assess(ODD));
  });

  it("say what an action would have had without them", () => {
    expect(uncalibrated(60, { score: 0 })).to.equal(60);
    expect(uncalibrated(60, { score: 1.5 })).to.be.within(65, 70);
    expect(uncalibrated(60, { score: -1.5 })).to.be.within(48, 53);
    expect(uncalibrated(0, { score: -1.5 })).to.equal(0);
  });

  it("are never made by what agents do", () => {
    const profile = team();
    for (let n = 0; n < 500; n++) {
      const one = act({ type: "payroll", id: `p-${n}`, task: null, session: `s-${n}`, time_ms: MONDAY + DAYS * DAY + n * 1000 });
      profile.assess(one);
      profile.learn(one, (["allow", "flag", "deny"] as const)[n % 3] ?? "deny");
      profile.markExpected(one);
      profile.forgive(one.agent);
    }
    expect(profile.calibrationOf(PURPOSE)).to.deep.equal({ expected: 0, misuse: 0, score: 0 });
  });
});
