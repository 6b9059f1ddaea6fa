/** Whoever wants its own unusual work to look ordinary, or a purpose's ordinary work to look unusual, by verdicts on findings. */
import type { Act, Assessment, Calibration, Finding, FindingState } from "../../src/contract/index.js";
import type { BehaviorProfile } from "../../src/behavior/profile.js";
import type { Verdicts } from "../../src/findings/verdicts.js";
import { DAY, MINUTE, MONDAY, act, live, shift, work } from "../behavior/desk.js";
import { CONFIDENTIAL, visits, type Beside } from "../behavior/visits.js";
import { flag, seen, sighted } from "../findings/sightings.js";
import { cut } from "./cut.js";
import { threat, type Modules } from "./threat.js";

type Moves = FindingState["calibrates"];
const PURPOSE = "support";
const ONE = { expected: { purpose: PURPOSE, expected: 1, misuse: 0 }, misuse: { purpose: PURPOSE, expected: 0, misuse: 1 } };
const same = (one: Moves, other: Moves): boolean => JSON.stringify(one) === JSON.stringify(other);

/** Returns how one verdict on a finding with this reason moves its purpose's thresholds. */
async function moves(
  { Verdicts: Desk }: { Verdicts: typeof Verdicts },
  { FindingFold }: Modules["findings/finding.js"],
  code: string,
  by: string,
  state: "expected" | "misuse" | "open",
  before?: Moves,
): Promise<Moves> {
  const one = sighted({ reasons: [flag(code)] });
  const first = seen(one, `F-${one.decision_id}`, 1);
  Object.assign(first.record, { proof: { principal: { subject: "cyd" } } });
  const earlier = before === undefined ? null : { calibrates: before };
  const judged = { ...new FindingFold(`F-${one.decision_id}`, first).told, state: earlier === null ? "open" : "expected", revision: 0 };
  const finding = { ...judged, verdict: earlier } as unknown as Finding;
  let said: Moves;
  const desk = new Desk({
    findings: { get: () => Promise.resolve(finding) },
    held: { of: () => null },
    policy: () => null,
    clock: { wall: () => one.time_ms, monotonic: () => 0 },
    facts: {
      registry: { finding: () => undefined },
      suspend: () => Promise.resolve({ in_force: null }),
      ledger: {
        inTurn: (_: string, turn: () => Promise<unknown>) => turn(),
        commit: ([{ value }]: [{ value: FindingState }]) => {
          said = value.calibrates;
          return Promise.resolve();
        },
      },
    } as never,
    recordsOf: () => Promise.resolve([{ ...first, outcome: null }]),
    actOf: () => ({ verb: "read", type: "invoice", id: "I-1", time_ms: one.time_ms }) as Act,
    limits: { approval_lasts_ms: 1000 },
  });
  const looked = state === "expected" ? { seen: 1 } : {};
  await desk.judge(finding.id, { state, reason: "r", ...looked }, 0, { id: by, roles: new Set() });
  return said;
}

threat("A23", "`expected` moves nothing by whoever asked, acted or was acted for, and nothing where behaviour wasn't what was found", {
  async check(tree) {
    const [verdicts, folds] = [await tree("findings/verdicts.js"), await tree("findings/finding.js")];
    const said = (code: string, by: string, state: "expected" | "open", before?: Moves): Promise<Moves> =>
      moves(verdicts, folds, code, by, state, before);
    if (!same(await said("unusual_flagged", "eve", "expected"), ONE.expected)) throw new Error("a verdict by others moves nothing");
    for (const by of ["gateway-1", "support-7", "cyd", "corp:Cyd"])
      if ((await said("unusual_flagged", by, "expected")) !== undefined) return `moved by ${by}`;
    if ((await said("unrelated", "eve", "expected")) !== undefined) return "moved by what a policy flagged";
    const back = await said("unusual_flagged", "eve", "open", ONE.expected);
    return same(back, { purpose: PURPOSE, expected: -1, misuse: 0 }) ? null : "a verdict that is taken back goes on counting";
  },
  without: {
    "the reviewer being another": [cut.returns("findings/verdicts.js", "isOwn", "false")],
    "verdicts by others alone moving thresholds": [cut.text("findings/verdicts.js", "calibrating", "&& isOthers", "")],
    "findings about behaviour alone moving them": [cut.text("findings/verdicts.js", "calibrating", 'about !== "behavior" ||', "")],
    "a verdict being taken back with its finding": [
      cut.text("findings/verdicts.js", "calibrating", 'state !== "open" || before === undefined', "true"),
    ],
  },
});

const isByEvidence = ({ reasons }: Assessment): boolean => reasons.some((reason) => reason.includes("odds of"));

/** Up to three records more than a visit's own, as it needs. */
const usual: Beside = (_day, n) => Array.from({ length: n % 4 }, () => CONFIDENTIAL);
/** As many, of who knows whom: odd over sessions, and in nothing else. */
const strange: Beside = (day, n) => (n % 8 === 7 ? usual(day, n).map((one) => ({ ...one, relation: "unknown" as const })) : usual(day, n));

/** Three weeks of strange visits, once so many findings were `expected`. */
function practice(Profile: new (options: { agents_max: number }) => BehaviorProfile, expected: number): Assessment[] {
  const profile = new Profile({ agents_max: 9 });
  visits(profile, 0, 28, usual);
  for (let n = 0; n < expected; n++) profile.calibrate("customer_support", { expected: 1, misuse: 0 }, MONDAY + 28 * DAY);
  return visits(profile, 28, 21, strange);
}

threat("A23", "however many verdicts there are, thresholds move by 1.5 at most, for one purpose, and evidence keeps its bar", {
  async check(tree) {
    const { BehaviorProfile: Profile } = await tree("behavior/profile.js");
    const desk = (expected: number, misuse: number): BehaviorProfile => {
      const profile = new Profile({ agents_max: 9 });
      work(profile, shift({ days: 28 }));
      for (let n = 0; n < Math.max(expected, misuse); n++)
        profile.calibrate("customer_support", { expected: n < expected ? 1 : 0, misuse: n < misuse ? 1 : 0 }, MONDAY + 28 * DAY);
      return profile;
    };
    const moved = (expected: number, misuse: number): Calibration => desk(expected, misuse).calibrationOf("customer_support");
    if (moved(5, 0).score !== 0.5 || moved(0, 2).score !== -0.6) throw new Error("a verdict moves another amount");
    if (moved(1000, 0).score > 1.5) return "`expected` a thousand times makes anything ordinary";
    if (moved(0, 1000).score < -1.5) return "`misuse` a thousand times makes anything unusual";
    const [before, after] = [desk(0, 0), desk(1000, 0)];
    const odd = act({ type: "payroll", id: "p-1", task: "T-odd", session: "T-odd", time_ms: MONDAY + 28 * DAY });
    if (after.assess(odd).risk >= before.assess(odd).risk) throw new Error("verdicts move nothing");
    const other = { ...odd, purpose: "sales" };
    if (after.assess(other).risk !== before.assess(other).risk) return "another purpose's thresholds move";
    if (after.assess(odd).risk < before.assess(odd).risk / 2) return "what is unusual passes";
    const outvoted = practice(Profile, 1000).filter(isByEvidence);
    if (outvoted.length === 0) throw new Error("nothing is found by evidence");
    return outvoted.some(({ risk }) => risk < 60) ? "evidence over sessions is outvoted" : null;
  },
  without: {
    "the bound of `expected`": [cut.call("behavior/calibration.js", "calibrate", ["Math.min", "MOVED_MAX"], "Math.max(-MOVED_MAX, moved)")],
    "the bound of `misuse`": [cut.call("behavior/calibration.js", "calibrate", ["Math.max", "moved"], "moved")],
    "evidence having a bar of its own": [
      cut.text("behavior/score.js", "score", ">= 0 ? FOUND : out.near", ">= 0 ? FOUND - moved : out.near"),
    ],
  },
});

threat("A23", "nothing that agents do moves thresholds: neither odd acts nor what teaches them, nor an agent that is let go on", {
  async check(tree) {
    const { BehaviorProfile: Profile } = await tree("behavior/profile.js");
    const profile = new Profile({ agents_max: 9 });
    work(profile, shift({ days: 14 }));
    for (let n = 0; n < 300; n++) {
      const one = act({ type: "payroll", id: `p-${n}`, task: null, session: `s-${n}`, time_ms: MONDAY + 14 * DAY + n * MINUTE });
      live(profile, one, (["allow", "flag", "deny"] as const)[n % 3] ?? "deny");
      if (n % 10 === 0) profile.markExpected(one);
      if (n % 50 === 0) profile.forgive(one.agent);
    }
    return profile.calibrationOf("customer_support").score === 0 ? null : "an agent's own acts";
  },
  without: {
    "learning being apart from verdicts": [
      cut.text(
        "behavior/profile.js",
        "BehaviorProfile.learn",
        "this.#moved(state)",
        "this.calibrate(act.purpose, { expected: 1, misuse: 0 }, 0)",
      ),
    ],
    "what a person found to be usual moving nothing by itself": [
      cut.text(
        "behavior/profile.js",
        "BehaviorProfile.markExpected",
        "this.#moved(state)",
        "this.calibrate(act.purpose, { expected: 1, misuse: 0 }, 0)",
      ),
    ],
  },
});
