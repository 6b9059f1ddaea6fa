/** Situation of one decision, looked up in memory in one turn: what the floor reads, what the policy sees. */
import type { Purpose, Relation, VerbClass } from "../contract/index.js";
import type { Agent, AgentProof, AnswerTime, Caller, Grant, Narrowed, RevocationScope, Task, TaskProof } from "./ports.js";

/** The caller, and what its agent has proven. */
export interface Asker {
  caller: Caller;
  /** Null unless the request carried an agent's token. */
  agent_proof: AgentProof | null;
}

/** Narrowing of an agent, with the parts of the action that are compared with it. */
export interface NarrowedTo extends Narrowed {
  /** Null if the vocabulary lacks the verb. */
  verb_class: VerbClass | null;
  /** To this task. */
  relation: Relation;
}

/** Everything that the floor reads, at one facts revision. */
export interface Situation {
  caller_permitted: boolean;
  facts_stale: boolean;
  /** The widest revocation that stops the action; null if none does. */
  revoked: RevocationScope | null;
  agent_id: string;
  agent: Agent | undefined;
  token_required: boolean;
  /** Proof from the agent's token; `proven_agent` is the agent that has those credentials. */
  agent_proof: AgentProof | null;
  proven_agent: string | undefined;
  /** True if the token's principal or an earlier actor is an agent that is stopped or not registered for the purpose. */
  actor_stopped: boolean;
  purpose_id: string;
  purpose: Purpose | undefined;
  task_id: string | null;
  task: Task | undefined;
  task_proof: TaskProof | null;
  verb_id: string;
  verb_known: boolean;
  type_known: boolean;
  /** Null unless the agent is narrowed. */
  narrowed: NarrowedTo | null;
  /** The host's clock, milliseconds since the epoch. */
  now_ms: number;
  claim_ms: number | null;
  time_skew_max_ms: number;
}

/** A task of the chain with its agent. */
export interface Level {
  situation: Situation;
  grants: readonly Grant[];
}

export interface Gathered {
  revision: number;
  /** Time within which an answer on it may leave: as it was when this was gathered, whatever was renewed since. */
  lease: AnswerTime | null;
  /** The action's own task first, then its ancestors up to the root. */
  levels: readonly [Level, ...Level[]];
}
