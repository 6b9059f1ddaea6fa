/**
 * The floor: what no policy can lift. The first row whose condition holds refuses, the policy is not asked, and the
 * record says so. Order matters: a later row may rely on what an earlier one has ruled out.
 */
import type { FloorCode, Purpose } from "../contract/index.js";
import type { Agent, Task } from "./ports.js";

/** What the floor reads. Everything in it was looked up in memory, at one facts revision. */
export interface Situation {
  caller_permitted: boolean;
  facts_stale: boolean;
  agent: Agent | undefined;
  purpose_id: string;
  purpose: Purpose | undefined;
  task_id: string | null;
  task: Task | undefined;
  verb_id: string;
  verb_known: boolean;
  type_known: boolean;
  /** The host's clock, milliseconds since the epoch. */
  now_ms: number;
  claim_ms: number | null;
  time_skew_max_ms: number;
}

type Row = readonly [code: FloorCode, refuses: (s: Situation) => boolean];

export const FLOOR: readonly Row[] = [
  ["caller_not_permitted", (s) => !s.caller_permitted],
  ["facts_stale", (s) => s.facts_stale],
  ["agent_unknown", (s) => s.agent === undefined],
  ["agent_revoked", (s) => s.agent?.status === "revoked"],
  // Whatever isn't active is at least suspended, so that a status of a later version never passes.
  ["agent_suspended", (s) => s.agent !== undefined && s.agent.status !== "active" && s.agent.status !== "revoked"],
  ["purpose_unknown", (s) => s.purpose === undefined],
  ["purpose_not_registered", (s) => s.agent?.purposes.has(s.purpose_id) !== true],
  ["task_required", (s) => s.purpose?.task !== "optional" && s.task_id === null],
  ["task_unknown", (s) => s.task_id !== null && s.task === undefined],
  ["task_of_another_agent", (s) => s.task !== undefined && s.task.agent !== s.agent?.id],
  ["task_of_another_purpose", (s) => s.task !== undefined && s.task.purpose !== s.purpose_id],
  ["task_ended", (s) => s.task?.ended === true],
  // No grace: a task is over in the millisecond that it names.
  ["task_expired", (s) => s.task !== undefined && s.task.expires_ms !== null && s.now_ms >= s.task.expires_ms],
  ["verb_unknown", (s) => !s.verb_known],
  ["type_unknown", (s) => !s.type_known],
  ["verb_not_in_task", (s) => s.task?.verbs?.has(s.verb_id) === false],
  ["time_skew", (s) => s.claim_ms !== null && Math.abs(s.claim_ms - s.now_ms) > s.time_skew_max_ms],
];

/** The code of the first row that refuses, or null where the policy may be asked. */
export function floor(situation: Situation): FloorCode | null {
  for (const [code, refuses] of FLOOR) if (refuses(situation)) return code;
  return null;
}
