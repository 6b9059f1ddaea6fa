/**
 * One action on the facts of this turn: gather, floor, evaluate, conclude. Synchronous and without effect, so nothing that the
 * conclusion rests on can move before the caller commits it, in the same turn.
 */
import { NOTHING_ODD, Problem, canonical } from "../contract/index.js";
import { actOf, isItsOwn } from "./act.js";
import { approvalOf } from "./approval.js";
import { conclude, concludeFloor, unasked, type LevelResult, type Scene } from "./conclude.js";
import { floor } from "./floor.js";
import { gather, inputText } from "./gather.js";
import type { Pdp } from "./pdp.js";
import type { ActionHistory, FlowAnswered } from "./ports.js";
import type { Gathered, Level } from "./situation.js";
import type { Question, Attempt, Attempter, ScoredAction, Conclusion } from "./question.js";

/** Knowledge of an action's values; `facts` null: the policy has no words for it. */
type Looked = Omit<FlowAnswered, "facts"> & { facts: FlowAnswered["facts"] | null };

export function attempter({ system: { clock }, identity, facts, profile, masks, limits, flow }: Pdp): Attempter {
  return (question, history) => {
    if (!profile.ready) throw new Problem("log_unavailable");
    const began = clock.monotonic();
    const gathered = gather(question, { identity, facts, now_ms: clock.wall(), time_skew_max_ms: limits.time_skew_max_ms });
    for (const level of gathered.levels) {
      const code = floor(level.situation);
      if (code === null) continue;
      const scored = score(question, gathered, false, isItsOwn(code));
      const conclusion = concludeFloor(code, question.policy, sceneOf(question, level), question.action.request.task);
      return attempt(question, gathered, [], conclusion, scored, began, 0);
    }
    const scored = score(question, gathered, true, true);
    // The baseline is the acting agent's: at the levels above its own task nothing is odd.
    const looked = sources(question, gathered, history);
    const known = canonical(looked?.facts ?? null);
    const inputs = gathered.levels.map((_, level) =>
      inputText(question, gathered, level, level === 0 ? scored.assessed : NOTHING_ODD, known),
    );
    let fuel = 0;
    const results = gathered.levels.map((level, i): LevelResult => {
      const evaluation = question.policy.evaluate(inputs[i] ?? "");
      fuel += evaluation.fuel ?? 0;
      return { evaluation, scene: sceneOf(question, level), grants: level.grants };
    });
    const conclusion = conclude(results as [LevelResult, ...LevelResult[]], question.policy);
    return attempt(question, gathered, inputs, conclusion, scored, began, fuel, looked);
  };

  /** Looks up the sources of the action's values and what is used of limits; null if the policy has no words for either. */
  function sources(
    { policy: { vocabulary }, action: { request } }: Question,
    { levels }: Gathered,
    history: ActionHistory | undefined,
  ): Looked | null {
    const { agent, now_ms, purpose } = levels[0].situation;
    const root = levels.at(-1)?.situation.task ?? null;
    const isPlanned = root?.plan !== undefined;
    if (flow === undefined) return isPlanned ? UNWATCHED : null;
    const hasWords = vocabulary.flow !== undefined || purpose?.limits !== undefined || isPlanned;
    if (!hasWords && root?.watched !== true) return null;
    const looked = (history ?? flow).ask({ vocabulary, purpose, request, root, agent: agent ?? NOBODY, now_ms });
    // A policy with words decides elsewhere, or may decide later: what this one permits is noted for it.
    return hasWords ? looked : { ...looked, facts: null };
  }

  /** @param own false for what isn't the agent's own doing, which says nothing for or against it */
  function score(question: Question, gathered: Gathered, evaluated: boolean, own: boolean): ScoredAction {
    const act = actOf(question, gathered, masks, evaluated);
    return { act, own, assessed: own ? profile.assess(act) : NOTHING_ODD };
  }

  function attempt(
    question: Question,
    gathered: Gathered,
    inputs: readonly string[],
    found: Conclusion,
    scored: ScoredAction,
    began: number,
    fuel: number,
    looked: Looked | null = null,
  ): Attempt {
    const { kind, happened, policy, action } = question;
    const conclusion =
      happened?.unasked === true ? unasked(found, policy, sceneOf(question, gathered.levels[0]), action.request.task) : found;
    // An observed action takes nothing from what may still happen.
    const uses = conclusion.proceed && kind === "decision" ? countedUses(gathered, conclusion) : NONE;
    const approval = conclusion.wait?.for === "approval" ? approvalOf(question, gathered.levels, facts) : null;
    const { note = null, shared = null } = looked ?? {};
    const evaluate_ms = clock.monotonic() - began;
    return { question, gathered, inputs, conclusion, scored, uses, approval, flow: note, unread: shared, evaluate_ms, fuel };
  }
}

const NONE: readonly string[] = [];
const NOBODY = { owner: "", attributes: {} };
/** Facts of an action on a task with a plan where nobody knows what the task has seen: no argument can be told to be as planned. */
const UNWATCHED: Looked = {
  facts: {
    ...{ arguments: {}, complete: false, effect: null, full: [], instructed: false, labels: null, limits: {}, others: null },
    plan: { arguments: { "*": "unknown" }, fits: true, step: null },
  },
  note: null,
};

function sceneOf({ action, asker: { caller }, vocabulary }: Question, { situation }: Level): Scene {
  return { action, caller, situation, vocabulary };
}

/** Grants that permitted and whose uses are counted. */
function countedUses({ levels }: Gathered, { reasons }: Conclusion): readonly string[] {
  if (levels.every(({ grants }) => grants.length === 0)) return NONE;
  const used = new Set(reasons.flatMap(({ code, params }) => (code === "granted" ? [params["grant"]] : [])));
  const counted = levels.flatMap(({ grants }) => grants.filter(({ counted, input }) => counted && used.has(input.id)));
  return [...new Set(counted.map(({ input }) => input.id))];
}
