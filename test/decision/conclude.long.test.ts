import { expect } from "chai";
import fc from "fast-check";
import { BUILTIN_REASONS, SEVERITIES, type PolicyReason } from "../../src/contract/index.js";
import { CATALOGUE } from "./world.js";
import { conclusionOf, allow, unsaidFlag, flag, log, deny, modify } from "./conclude_support.js";

describe("conclude: from what the policy answered to what is said", () => {
  it("never proceeds on a result that a second reading of the rules refuses", () => {
    let [proceeded, refused] = [0, 0];
    fc.assert(
      fc.property(fuzzedResult, (result) => {
        const conclusion = conclusionOf(result);
        const { decision, proceed } = conclusion;
        expect(["allow", "flag", "deny"]).to.include(decision);
        expect(decision === "deny" && proceed, "a deny that proceeds").to.be.false;
        expect(decision === "allow" && !proceed, "an allow that doesn't").to.be.false;
        expect(conclusion.wait !== null).to.equal(decision === "flag" && !proceed);
        expect(mayProceed(result) || !proceed, JSON.stringify(result)).to.be.true;
        if (proceed) proceeded++;
        else refused++;
      }),
      { numRuns: 20_000 },
    );
    // The fuzzer reaches both sides, or it shows nothing.
    expect(Math.min(proceeded, refused)).to.be.above(500);
  });
});

/** When an enforcement point may go on, read from the contract's words and not from the code. */
function mayProceed(result: unknown): boolean {
  if (typeof result !== "object" || result === null) return false;
  const { decision, proceed, reasons, obligations, ...more } = result as Record<string, unknown>;
  if (proceed !== true || Object.keys(more).length > 0) return false;
  if (!Array.isArray(reasons) || reasons.length === 0 || !Array.isArray(obligations)) return false;
  let [allows, flags] = [0, 0];
  for (const reason of reasons as unknown[]) {
    if (typeof reason !== "object" || reason === null) return false;
    const { effect, code, severity, params } = reason as Record<string, unknown>;
    if (typeof params !== "object" || params === null || Array.isArray(params)) return false;
    if (!(SEVERITIES as readonly unknown[]).includes(severity)) return false;
    if (typeof code !== "string" || !(Object.keys(CATALOGUE).includes(code) || BUILTIN_REASONS.has(code))) return false;
    if (effect === "allow") allows++;
    else if (effect === "flag") {
      flags++;
      if ((reason as PolicyReason).proceed !== true || "needs" in reason) return false;
    } else if (effect !== "log") return false;
  }
  return flags > 0 ? decision === "flag" : allows > 0 && decision === "allow";
}

/** Results near the good ones: mostly of the right shape, seldom sound. */
const fuzzedReason = fc.record(
  {
    effect: fc.constantFrom("allow", "allow", "flag", "flag", "log", "deny", "permit"),
    code: fc.constantFrom("read_own", "unrelated", "odd_hour", "read_only", "granted", "not_permitted", "made_up", "constructor"),
    severity: fc.constantFrom("info", "low", "medium", "high", "critical", "critical", "none"),
    params: fc.constantFrom<unknown>({}, {}, {}, { a: 1 }, null),
    proceed: fc.constantFrom<unknown>(true, true, true, false, "true"),
    needs: fc.constantFrom<unknown>(["a"], [], "a"),
  },
  { requiredKeys: ["effect", "code", "severity", "params"] },
);
const soundReason = fc.constantFrom<object>(
  allow,
  allow,
  flag,
  log,
  { ...flag, proceed: false },
  unsaidFlag,
  { ...flag, needs: ["a"] },
  deny,
);
const fuzzedResult = fc.oneof(
  fc.jsonValue(),
  fc.record(
    {
      decision: fc.constantFrom<unknown>("allow", "allow", "flag", "flag", "deny", "permit", null),
      proceed: fc.constantFrom<unknown>(true, true, true, true, false, 1),
      reasons: fc.array(fc.oneof({ weight: 4, arbitrary: soundReason }, fuzzedReason), { maxLength: 3 }),
      obligations: fc.constantFrom<unknown>([], [], [], [{ type: "notify", channel: "a" }], modify([1, 2]), null),
      extra: fc.constant(1),
    },
    { requiredKeys: ["decision", "proceed", "reasons", "obligations"] },
  ),
  fc.record({
    decision: fc.constantFrom("allow", "flag"),
    proceed: fc.constant(true),
    reasons: fc.array(soundReason, { minLength: 1, maxLength: 2 }),
    obligations: fc.constant([]),
  }),
);
