/** Interface of a decision point: what doors, adapters and applications call. */
import type { Answer, Problem } from "../contract/index.js";
import type { ActionHistory, AnswerTime, Caller, AgentProof } from "./ports.js";
import type { Intake } from "./intake.js";
import type { Attempter, Attempt } from "./question.js";
import type { WrittenDecision } from "./pdp.js";

/** Milliseconds that each stage took. */
export interface Stages {
  read: number;
  evaluate: number;
  record: number;
}

export interface Decided {
  answer: Answer;
  /** The answer as JSON, as it is in the record. */
  text: string;
  /** The purpose as the bundle knows it, null if it doesn't: safe as a metric's label. */
  purpose: string | null;
  /** Time within which the answer may leave, if it permits. */
  lease: AnswerTime | null;
  stages: Stages;
  /** The agent, as the action names it. */
  agent: string;
  /** The trace that the action names, whatever it is; null if it names none. */
  trace: string | null;
}

/** Decides actions. `body` and `authorization` are an HTTP request's. */
export interface Decider {
  /** @throws Problem */
  decide: (body: Buffer, authorization: string | undefined) => Promise<Decided>;
  /** Decides in order, each action with its own id and record; one malformed item rejects the whole. @throws Problem */
  decideBatch: (body: Buffer, authorization: string | undefined) => Promise<Decided[]>;
  /** Decides like `decideBatch`, for an authenticated caller and parsed JSON. @throws Problem */
  decideAll: (asked: readonly unknown[], caller: Caller) => Promise<Decided[]>;
  /** Decides one action for an adapter or an embedding application. @throws Problem */
  decideAction: (asked: unknown, caller: Caller, adapter?: string | null, proof?: AgentProof | null) => Promise<Decided>;
  /**
   * Decides several actions like `decideAction`, in order. One that can't be read results in its problem, and hinders no other.
   * @throws Problem for all of them: no bundle, no records
   */
  decideActions: (asked: readonly unknown[], caller: Caller, adapter: string) => Promise<(Decided | Problem)[]>;
  /** Reads a body and authenticates its caller for an adapter. */
  intake: Intake;
  /** Attempts an action: returns what it would come to; nothing is learned or recorded. */
  attempt: Attempter;
  observed: ObservedCommit;
}

/** Commits observed actions, whose records are appended by the group. */
export interface ObservedCommit {
  /** Writes the record and learns from it; the record has to be appended in the same turn. @throws Problem of masks */
  write: (attempt: Attempt) => WrittenDecision;
  /** Reads what an action rests on that the nodes of a cluster share; null: nothing. @throws Problem `history_unavailable` later */
  read: (attempt: Attempt) => Promise<ActionHistory> | null;
  /** Resolves when all nodes know what was written so far. */
  known: () => Promise<void>;
  /** Undoes what `write` kept of a record that did not reach the disk. */
  unrecorded: (written: Pick<WrittenDecision, "answer" | "task">) => void;
}
