/** Values that the stages of one decision hand to each other, from the question to the attempt. */
import type { Returned, Answer, Act, Assessment } from "../contract/index.js";
import type { ReadAction } from "./read.js";
import type { Asker, Gathered } from "./situation.js";
import type { ActionHistory, ActivePolicy, FlowAnswered } from "./ports.js";
import type { VocabularyReader } from "./values.js";

/** Kind of a judged action. `observed`: it has happened, and is judged anyway. */
export type Kind = "decision" | "observed";

/** Report about an observed action. */
export interface ObservedEvent {
  /** RFC 3339, UTC; and the same in milliseconds since the epoch. */
  at: string;
  at_ms: number;
  outcome: string | null;
  /** True if its agent should have asked before, and hadn't. */
  unasked?: boolean;
  /** Values that it returned; null: not reported. */
  returned?: Returned | null;
}

/** An action that has been read, with its caller and the policy that decides it from here to the answer. */
export interface Question {
  readonly action: ReadAction;
  readonly asker: Asker;
  readonly policy: ActivePolicy;
  readonly vocabulary: VocabularyReader;
  readonly kind: Kind;
  /** Report of an observed action; null for a decision. */
  readonly happened: ObservedEvent | null;
  /** When it arrived, milliseconds since the epoch. */
  readonly asked_ms: number;
  /** Milliseconds that reading it took. */
  readonly read_ms: number;
}

/** An action that may wait for approval. */
export interface Approvable {
  /** `sha256:` and hex; an approval names it. */
  digest: string;
  /** Persons that the action is for, at any level of its chain: none of them approves it. */
  principals: readonly string[];
}

/** The part of an answer that the policy, or the floor in its place, decides. */
export type Conclusion = Pick<Answer, "decision" | "proceed" | "reasons" | "obligations" | "tell_agent"> & {
  wait: { for: "approval" } | { for: "context"; needs: string[] } | null;
};

/** An act with its assessment, made before it was decided. */
export interface ScoredAction {
  act: Act;
  /** True if it is the agent's own doing, which the profile assesses and learns from. */
  own: boolean;
  assessed: Assessment;
}

export interface Attempt {
  readonly question: Question;
  readonly gathered: Gathered;
  /** Input of the policy for each task of the chain, as JSON; empty if the floor refused. */
  readonly inputs: readonly string[];
  readonly conclusion: Conclusion;
  readonly scored: ScoredAction;
  /** Counted grants that permit it, of which the commit takes a use each. */
  readonly uses: readonly string[];
  /** Approvable action, to which an approval is bound; null unless it waits for one. */
  readonly approval: Approvable | null;
  /** Note on its values, to be kept once it is permitted; null: nothing. */
  readonly flow: object | null;
  /** Shared history that it rests on and that was not read for it; null: none. */
  readonly unread: NonNullable<FlowAnswered["shared"]> | null;
  /** Milliseconds from gathering to the conclusion. */
  readonly evaluate_ms: number;
  /** Metering units that the evaluations used, together. */
  readonly fuel: number;
}

/** @throws Problem `log_unavailable` while the profile is rebuilt from the records: nothing is decided by half of one */
export type Attempter = (question: Question, history?: ActionHistory) => Attempt;
