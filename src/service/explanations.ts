/** Explains decisions on record by the running policy, a few evaluations a turn: decisions go on meanwhile. */
import { Problem, type PolicyInput, type TaskPlan } from "../contract/index.js";
import type { Engine } from "../decision/ports.js";
import { pause, type Timers } from "../system/index.js";
import type { Explain } from "../http/rooms.js";

export function explaining(engine: Engine, timers: Timers, planOf: (task: string) => TaskPlan | undefined): Explain {
  return async ({ record, beside }) => {
    const policy = engine.active;
    if (policy === null) throw new Problem("bundle_missing");
    if (record.kind !== "decision" && record.kind !== "observed") throw new Problem("record_not_found");
    const input = (record.input ?? beside?.["input"] ?? null) as PolicyInput | null;
    const { answer, masked } = record;
    const { decision_id, decision, proceed, reasons } = answer;
    const known = {
      decision_id,
      decided: { decision, proceed, reasons },
      refused: input === null ? (reasons[0]?.code ?? null) : null,
      same_policy: answer.policy.digest === policy.identity.digest,
      masked: masked !== undefined,
    };
    if (input === null) return { ...known, explanation: null };
    const data = { vocabulary: policy.vocabulary, purposes: Object.fromEntries(policy.purposes), zones: { ...policy.zones } };
    // What only explains is no part of a start.
    const { explainInput } = await import("../explain/explanation.js");
    return { ...known, explanation: await explainInput(policy, data, input, planOf, () => pause(timers, 0)) };
  };
}
