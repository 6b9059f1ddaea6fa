import { type Obligation, type PolicyReason } from "../../src/contract/index.js";
import { conclude, type Scene } from "../../src/decision/conclude.js";
import type { ActivePolicy } from "../../src/decision/ports.js";
import { readAction } from "../../src/decision/read.js";
import { vocabularyReader } from "../../src/decision/values.js";
import { CALLER, REQUEST, SITUATION, VOCABULARY, policyOf } from "./world.js";
import type { Conclusion } from "../../src/decision/question.js";

export const POLICY = policyOf(() => null);
export const reader = vocabularyReader(VOCABULARY);

export const noToken = (): never => {
  throw new Error("no token was given");
};

export function scene(request: object = {}, situation: Partial<Scene["situation"]> = {}): Scene {
  return {
    action: readAction({ ...REQUEST, ...request }, reader, noToken),
    caller: CALLER,
    situation: { ...SITUATION, ...situation },
    vocabulary: reader,
  };
}

export const conclusionOf = (result: unknown, policy: ActivePolicy = POLICY): Conclusion =>
  conclude([{ evaluation: { ok: true, result, fuel: 1 }, scene: scene(), grants: [] }], policy);

export const allow: PolicyReason = { effect: "allow", code: "read_own", severity: "info", params: {} };
export const unsaidFlag: PolicyReason = { effect: "flag", code: "unrelated", severity: "high", params: {} };
export const flag: PolicyReason = { ...unsaidFlag, proceed: true };
export const log: PolicyReason = { effect: "log", code: "odd_hour", severity: "low", params: {} };
export const deny: PolicyReason = { effect: "deny", code: "read_only", severity: "high", params: {} };

export function modify(values: (string | number)[]): Obligation[] {
  return values.map((value) => ({ type: "modify", argument: "limit", value }));
}
