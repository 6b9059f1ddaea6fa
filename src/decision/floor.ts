/**
 * The floor: what no policy can lift. The first row whose condition holds refuses, the policy is not asked, and the
 * record says so. Order matters: a later row may rely on what an earlier one has ruled out. It is asked for the action's
 * own task and then for each task that one was handed on from.
 */
import type { FloorCode } from "../contract/index.js";
import type { TaskProof } from "./ports.js";
import type { Situation } from "./situation.js";

type Row = readonly [code: FloorCode, refuses: (s: Situation) => boolean];

export const FLOOR: readonly Row[] = [
  ["everything_revoked", (s) => s.revoked === "everything"],
  ["token_revoked", (s) => s.revoked === "token"],
  ["caller_revoked", (s) => s.revoked === "caller"],
  ["caller_not_permitted", (s) => !s.caller_permitted],
  ["facts_stale", (s) => s.facts_stale],
  ["agent_unknown", (s) => s.agent === undefined],
  ["agent_revoked", (s) => s.revoked === "agent" || s.agent?.status === "revoked"],
  ["owner_revoked", (s) => s.revoked === "owner"],
  ["principal_revoked", (s) => s.revoked === "principal"],
  // Whatever isn't active is at least suspended, so that a status of a later version never passes.
  ["agent_suspended", (s) => s.agent !== undefined && s.agent.status !== "active" && s.agent.status !== "revoked"],
  ["agent_token_required", (s) => s.token_required && s.agent_proof === null],
  // No grace: a token is over in the millisecond that it names.
  ["agent_token_expired", (s) => s.agent_proof !== null && s.now_ms >= s.agent_proof.token.expires_ms],
  ["agent_token_mismatch", (s) => s.agent_proof !== null && s.proven_agent !== s.agent_id],
  ["agent_token_stale", isOlderThanItsAgent],
  ["actor_stopped", (s) => s.actor_stopped],
  ["purpose_unknown", (s) => s.purpose === undefined],
  ["purpose_revoked", (s) => s.revoked === "purpose"],
  ["purpose_not_registered", (s) => s.agent?.purposes.has(s.purpose_id) !== true],
  ["task_required", (s) => s.purpose?.task !== "optional" && s.task_id === null],
  ["task_unknown", (s) => s.task_id !== null && s.task === undefined],
  ["task_token_mismatch", (s) => s.task_proof !== null && !isOfThisTask(s.task_proof, s)],
  ["task_token_expired", (s) => s.task_proof !== null && s.now_ms >= s.task_proof.token.expires_ms],
  ["task_of_another_agent", (s) => s.task !== undefined && s.task.agent !== s.agent?.id],
  ["task_of_another_purpose", (s) => s.task !== undefined && s.task.purpose !== s.purpose_id],
  ["task_revoked", (s) => s.revoked === "task"],
  ["task_ended", (s) => s.task?.ended === true],
  ["task_expired", (s) => s.task !== undefined && s.task.expires_ms !== null && s.now_ms >= s.task.expires_ms],
  ["principal_mismatch", isForAnother],
  ["verb_unknown", (s) => !s.verb_known],
  ["type_unknown", (s) => !s.type_known],
  ["verb_not_in_task", (s) => s.task?.verbs?.has(s.verb_id) === false],
  ["narrowed_to_read", ({ narrowed }) => narrowed !== null && narrowed.verb_class !== "read"],
  // What can't be said doesn't help.
  ["narrowed_to_task", ({ narrowed }) => narrowed !== null && narrowed.relation !== "task"],
  ["narrowed_rate", ({ narrowed }) => narrowed !== null && narrowed.permitted >= narrowed.actions_per_minute],
  ["time_skew", (s) => s.claim_ms !== null && Math.abs(s.claim_ms - s.now_ms) > s.time_skew_max_ms],
];

/** The code of the first row that refuses, or null where the policy may be asked. */
export function floor(situation: Situation): FloorCode | null {
  for (const [code, refuses] of FLOOR) if (refuses(situation)) return code;
  return null;
}

/**
 * Returns true if the token may be older than its agent: an id that was given again must not be used by whoever had it before. A token that
 * doesn't name its time of issue may be older.
 */
function isOlderThanItsAgent({ agent, agent_proof }: Situation): boolean {
  if (agent === undefined || agent_proof === null) return false;
  return (agent_proof.token.issued_ms ?? -Infinity) < agent.registered_ms;
}

function isOfThisTask(proof: TaskProof, { agent_id, purpose_id, task_id }: Situation): boolean {
  return proof.task === task_id && proof.agent === agent_id && proof.purpose === purpose_id;
}

/** The token names one person, and the task another. */
function isForAnother({ agent_proof, task }: Situation): boolean {
  const [proven, given] = [agent_proof?.principal?.subject, task?.principal];
  return typeof proven === "string" && typeof given === "string" && proven !== given;
}
