/** Parts of a decision point, and what it offers. */
import type { Act, Answer, Assessment, Problem, Sighted } from "../contract/index.js";
import type { System } from "../system/index.js";
import type { Approvable } from "./approval.js";
import type { Attempt, Attempter } from "./attempt.js";
import type { Chain } from "./chain.js";
import type { WrittenDecision } from "./commit.js";
import type { Intake } from "./intake.js";
import type {
  AgentProof,
  AnswerTime,
  Caller,
  DecisionLog,
  Engine,
  Facts,
  ValueFlow,
  Identity,
  KeptProfile,
  Masks,
  PolicyStage,
} from "./ports.js";
import type { Kind } from "./record.js";
import type { ScanLimits } from "./scan.js";

export interface DecisionLimits extends ScanLimits {
  batch_actions_max: number;
  /** Milliseconds that a claimed time may be from the host's clock, either way. */
  time_skew_max_ms: number;
  /** Milliseconds that a flag may wait for approval. */
  approval_wait_ms: number;
  /** Tasks whose last decision is remembered; the next record of the task names it. */
  chained_tasks_max: number;
}

/** Finds the incident that an action belongs to. Called for each record in the turn that hands it over, in order. */
export interface IncidentPort {
  /** @returns the finding's id; null if it belongs to none */
  place(sighted: Sighted): string | null;
  /** Called when the record of a decision that began a finding did not reach the disk. */
  unrecorded(decisionId: string): void;
}

export interface Pdp {
  system: Pick<System, "clock" | "random" | "timers">;
  identity: Identity;
  engine: Engine;
  facts: Facts;
  log: DecisionLog;
  profile: KeptProfile;
  /** Without it nothing is decided by a policy that masks something. */
  masks?: Masks;
  /** Without it a policy is told that nobody knows where values come from. @default none */
  flow?: ValueFlow;
  limits: DecisionLimits;
  /** The last decision of each task on record. @default none */
  chain?: Chain;
  /** Called for each decision on record, before its answer leaves. */
  decided?: (decisionId: string, caller: string, proceed: boolean) => void;
  /** Called for each decision that is on record, permits, and doesn't leave: its time was over. */
  withheld?: (decisionId: string) => void;
  /** Second policy beside the active one. @default the active policy decides for all */
  stage?: PolicyStage;
  /** Without it each action that has to be looked into is a finding of its own. */
  findings?: IncidentPort;
  /**
   * Called for each decision and observed action in the turn that hands its record over, after the profile has learned from it. It
   * may change facts, and throws nothing. Not called for what isn't the agent's own doing.
   */
  settled?: (act: Act, assessed: Assessment, answer: Answer, kind: Kind, approval: Approvable | null) => void;
}

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
  /** Undoes what `write` kept of a record that did not reach the disk. */
  unrecorded: (written: Pick<WrittenDecision, "answer" | "task">) => void;
}
