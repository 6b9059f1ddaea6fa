/** The answer to a question: what was concluded, how long it holds, and whether anybody has to look into it. */
import type { Answer } from "../contract/index.js";
import type { Gathered } from "./situation.js";
import type { Attempt, Conclusion, Kind } from "./question.js";

/** @param approval_wait_ms time that a flag may wait for a person */
export function answerOf(decision_id: string, { question, gathered, conclusion, approval }: Attempt, approval_wait_ms: number): Answer {
  const { decision, proceed, reasons, tell_agent, obligations, wait } = conclusion;
  const { action, kind, policy } = question;
  const { now_ms } = gathered.levels[0].situation;
  // Member by member: spreading costs more than everything else here.
  const answer: Answer = {
    decision,
    proceed,
    reasons,
    obligations,
    decision_id,
    action_digest: action.digest,
    // Nobody may act any more on what has already happened.
    valid_for_ms: kind === "observed" ? 0 : Math.max(0, Math.min(validUntil(gathered), policy.expires_ms ?? Infinity) - now_ms),
    policy: policy.identity,
    facts_revision: gathered.revision,
  };
  if (tell_agent !== undefined) answer.tell_agent = tell_agent;
  // In key order, as it is written.
  if (wait !== null)
    answer.wait = {
      ...(approval !== null && { approval_digest: approval.digest }),
      ...wait,
      until: new Date(now_ms + approval_wait_ms).toISOString(),
    };
  if (action.request_id !== null) answer.request_id = action.request_id;
  return answer;
}

/** Milliseconds since the epoch: as long as the purpose says, and no longer than anything that the answer rests on. */
function validUntil({ levels, lease }: Gathered): number {
  const { now_ms, purpose, agent_proof, task_proof } = levels[0].situation;
  let until = now_ms + (purpose?.answer_lasts_ms ?? 0);
  if (lease !== null) until = Math.min(until, now_ms + Math.floor(lease.left_ms));
  if (agent_proof !== null) until = Math.min(until, agent_proof.token.expires_ms);
  if (task_proof !== null) until = Math.min(until, task_proof.token.expires_ms);
  for (const { situation, grants } of levels) {
    until = Math.min(until, situation.task?.expires_ms ?? Infinity);
    for (const { state, expires_ms } of grants) if (state === "live") until = Math.min(until, expires_ms);
  }
  return until;
}

/**
 * Returns whether a finding is opened. What was denied did not happen, unless it had happened already; but what is odd enough to be
 * denied for it says something about its agent.
 */
export function opensFinding({ decision, reasons }: Pick<Conclusion, "decision" | "reasons">, kind: Kind = "decision"): boolean {
  if (decision === "deny") return kind === "observed" || reasons.some(({ code }) => code === "unusual_denied");
  return reasons.some(({ effect }) => effect === "log" || effect === "flag");
}
