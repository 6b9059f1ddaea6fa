/** Parts of a decision point, as whoever opens one hands them to it. */
import type { Act, Answer, Assessment, Sighted } from "../contract/index.js";
import type { System } from "../system/index.js";
import type { Chain } from "./chain.js";
import type { DecisionLog, Engine, Facts, ValueFlow, Identity, KeptProfile, Masks, ActivePolicy } from "./ports.js";
import type { ScanLimits } from "./scan.js";
import type { recordText } from "./record.js";
import type { Approvable, Attempt, Kind } from "./question.js";

export interface DecisionLimits extends ScanLimits {
  /** Bytes of a body with one action, and of one action among several. */
  body_bytes_max: number;
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

/** A second policy beside the active one. */
export interface PolicyStage {
  /** Returns the policy that decides for an agent: the active one, unless the agent is in the share of the staged one. */
  policyFor(agent: string, active: ActivePolicy): ActivePolicy;
  /** Called with each decision, in the turn in which its record is handed over. Throws nothing. */
  decided(attempt: Attempt): void;
}

/** An answer, and its record as the log takes it. */
export interface WrittenDecision {
  task: string | null;
  answer: Answer;
  /** The answer as it is in the record. */
  text: string;
  entry: ReturnType<typeof recordText>;
}
