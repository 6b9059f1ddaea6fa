/**
 * Decides an attempt again by another policy, on the facts that it was made on. Pure: nothing is taken, learned or recorded. Both policies
 * have to have the same vocabulary, since the action was read by it.
 */
import { NOTHING_ODD } from "../contract/index.js";
import { conclude, concludeFloor, type LevelResult } from "./conclude.js";
import { floor } from "./floor.js";
import { inputText } from "./gather.js";
import type { ActivePolicy } from "./ports.js";
import type { Attempt, Conclusion } from "./question.js";

export function concludeBeside({ question, gathered, inputs }: Attempt, policy: ActivePolicy): Conclusion {
  const {
    action,
    asker: { caller },
    vocabulary,
  } = question;
  const levels = gathered.levels.map(({ situation, grants }) => ({
    scene: { action, caller, vocabulary, situation: { ...situation, purpose: policy.purposes.get(situation.purpose_id) } },
    grants,
  }));
  for (const { scene } of levels) {
    const code = floor(scene.situation);
    if (code !== null) return concludeFloor(code, policy, scene, action.request.task);
  }
  const results = levels.map((level, i): LevelResult => {
    // Only the floor's refusal for the other policy's purposes leaves no inputs: then nobody looked at baselines or sources.
    const input = inputs[i] ?? inputText(question, gathered, i, NOTHING_ODD, "null");
    return { ...level, evaluation: policy.evaluate(input) };
  });
  return conclude(results as [LevelResult, ...LevelResult[]], policy);
}
