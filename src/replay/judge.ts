/** Judges one recorded decision against a bundle: the same, different, or not to be told. */
import type { Evaluation } from "../decision/ports.js";
import { decideAgain, type Evaluate } from "./repeated_decision.js";
import type { RunningBundle } from "./bundles.js";
import { differences, type ValueDifference } from "./compare.js";
import { dependsOnMask } from "./mask_dependence.js";
import type { ReplayableRecord } from "./recorded_decision.js";

const OVERRUN = { ok: false, code: "evaluation_budget", detail: "", fuel: 0 } as const satisfies Evaluation;

/** `ended`: the recorded evaluation was interrupted, and this one was not. */
export type ReplayVerdict =
  { is: "identical"; ended?: true } | { is: "masked" } | { is: "differing"; differences: readonly ValueDifference[] };

export function judgeAgain(recorded: ReplayableRecord, bundle: RunningBundle): ReplayVerdict {
  if (dependsOnMask(recorded, bundle.vocabulary)) return { is: "masked" };
  const found = differ(recorded, bundle);
  if (found.length === 0) return { is: "identical" };
  return ranOver(recorded, bundle) ? { is: "identical", ended: true } : { is: "differing", differences: found };
}

function differ({ record, made }: ReplayableRecord, bundle: RunningBundle, evaluate?: Evaluate): readonly ValueDifference[] {
  const conclusion = decideAgain(made, bundle, record, evaluate);
  if (conclusion !== null) return differences(record, conclusion, bundle.identity);
  return [{ at: "/reasons/0/code", was: record.answer.reasons[0]?.code }];
}

/**
 * Returns true if the answer is what an interrupted evaluation of some task of the chain leads to. How long an evaluation takes depends on
 * the machine, and is no part of the record.
 */
function ranOver(recorded: ReplayableRecord, bundle: RunningBundle): boolean {
  const { made, record } = recorded;
  if (made.by !== "policy" || record.answer.reasons[0]?.code !== OVERRUN.code) return false;
  for (const stopped of made.inputs.keys()) {
    const evaluate: Evaluate = (input, level) => (level === stopped ? OVERRUN : bundle.evaluate(input));
    if (differ(recorded, bundle, evaluate).length === 0) return true;
  }
  return false;
}
