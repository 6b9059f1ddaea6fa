/** An agent that reads, session by session, a little more that is confidential than its tasks need. */
import type { Act, DecisionRecord } from "../../src/contract/index.js";
import type { BehaviorProfile } from "../../src/behavior/profile.js";
import { BESIDE_TASK, CONFIDENTIAL, tidy, visits, type Beside } from "../behavior/visits.js";
import { fixedProfile } from "../../src/decision/fixed_ports.js";
import { ALLOWED, REQUEST, VOCABULARY, World, policyOf } from "../decision/world.js";
import { cut } from "./cut.js";
import { threat } from "./threat.js";

const WEEKS = 4;

/** Counts findings by evidence of labels in three weeks of such visits, after four of ordinary ones. */
function findings(Profile: new (options: { agents_max: number }) => BehaviorProfile, before: Beside, then: Beside): number {
  const profile = new Profile({ agents_max: 9 });
  visits(profile, 0, 7 * WEEKS, before);
  return visits(profile, 7 * WEEKS, 21, then).filter(({ channels, risk }) => "labels" in channels && risk >= 60).length;
}

const oneInSeven =
  (more: readonly Partial<Act>[], usual: Beside): Beside =>
  (day, n) =>
    n % 7 === 4 ? more : usual(day, n);

/** Visits that need four records of their patient. */
const busy: Beside = () => [CONFIDENTIAL, CONFIDENTIAL, CONFIDENTIAL];

threat("A22", "who reads more with labels than its sessions need is named in three weeks, and who works as always isn't", {
  async check(tree) {
    const { BehaviorProfile: Profile } = await tree("behavior/profile.js");
    const bad: readonly [what: string, before: Beside, more: readonly Partial<Act>[]][] = [
      ["records of others", tidy, [BESIDE_TASK, BESIDE_TASK]],
      ["a record of somebody else among the task's own", busy, [CONFIDENTIAL, CONFIDENTIAL, CONFIDENTIAL, BESIDE_TASK]],
      ["lists of records", tidy, [1, 2].map(() => ({ ...BESIDE_TASK, verb: "list", id: null }))],
      ["eight more of the task's own", tidy, Array.from({ length: 8 }, () => CONFIDENTIAL)],
    ];
    for (const [what, before, more] of bad) if (findings(Profile, before, oneInSeven(more, before)) === 0) return what;
    const usual = oneInSeven([BESIDE_TASK, BESIDE_TASK], tidy);
    const prices = [1, 2, 3].map((n) => ({ ...CONFIDENTIAL, relation: "unknown" as const, id: `price-${n}` }));
    const known: Beside = (day, n) => (n < 3 && (day < 5 || day % 3 === 0) ? prices.slice(n, n + 1) : tidy(day, n));
    const good: readonly [what: string, before: Beside, then: Beside][] = [
      ["what it always did", usual, usual],
      ["what it has known for days", known, oneInSeven(prices, tidy)],
    ];
    for (const [what, before, then] of good) if (findings(Profile, before, then) > 0) return `${what} is a finding`;
    return null;
  },
  without: {
    "labels being a test of their own": [cut.returns("behavior/evidence.js", "tallied", "before")],
    "what the task isn't about weighing more": [
      cut.text("behavior/evidence.js", "tallied", "seen.needed ? NEEDED : BEYOND_NEED", "NEEDED"),
    ],
    "lists being counted": [cut.text("behavior/evidence.js", "tallied", "seen.resource !== 0 &&", "")],
    "rarity among the agent's own sessions": [cut.call("behavior/evidence.js", "weigh", "rarityOf", "0.001")],
    "known resources being none": [cut.text("behavior/evidence.js", "tallied", "|| seen.known", "")],
  },
});

threat("A22", "the record of an action has the labels that the profile learned from", {
  async check(tree) {
    const { decider } = await tree("decision/decide.js");
    const world = new World(decider);
    world.profile = { ...fixedProfile(), learns: true };
    const flow = { roles: {}, writes: {}, labels: ["confidential"] };
    const types = { ...VOCABULARY.types, invoice: { ...VOCABULARY.types["invoice"], flow } } as typeof VOCABULARY.types;
    world.active = { ...policyOf(() => ALLOWED), vocabulary: { ...VOCABULARY, types } };
    for (const verb of ["read", "destroy"]) await world.decide({ ...REQUEST, verb });
    const labels = world.records.map((text) => (JSON.parse(text) as DecisionRecord).act?.labels?.join());
    if (labels.length !== 2) throw new Error("an action without a record");
    return labels.every((one) => one === "confidential") ? null : "an action that learned of labels that its record lacks";
  },
  without: {
    "the record's labels": [cut.text("decision/act.js", "actRecord", "labels !== undefined", "false")],
  },
});
