/**
 * Why an action doesn't run: one table, whose codes are an interface. Whatever is thrown, nothing ran that should not, or what
 * ran was told to stop.
 */
import type { Answer, ProblemDetail, Reason, Wait } from "../contract/index.js";

/** The service answered, and the answer, or what it asks for, is a no. */
export const DENIALS = {
  denied: "the decision is deny",
  waiting: "the decision waits, and what it waits for did not come in time",
  obligation_unknown: "the answer has an obligation that this guard does not know",
  obligation_unmet: "an obligation of the answer could not be met",
  not_confirmed: "the required confirmation was not given",
  action_changed: "the action is not the one that was decided any more",
  stopped: "what permitted the action was taken back while it ran",
} as const;

/** There is no answer that could be acted on. */
export const NO_ANSWERS = {
  action_unreadable: "the action cannot be written as JSON",
  token_unavailable: "there is no token to ask with",
  queue_full: "as many calls wait to be asked as the limit allows",
  unreachable: "no connection, or it broke off before an answer began",
  breaker_open: "the service has failed too often in a row; it is asked again after a pause",
  deadline: "there was no whole answer in time",
  cancelled: "whoever called has cancelled it",
  closed: "the client is closed",
  problem: "the service refused the request; `problem` says why",
  redirected: "the answer is a redirection, which is not followed",
  status_unexpected: "the answer's status is neither 200 nor a problem's",
  type_unexpected: "the answer is not of type application/json",
  answer_too_large: "the answer is larger than any that the service gives",
  answer_cut: "the answer broke off",
  answer_unreadable: "the answer is not a decision in the agreed form",
  answer_contradictory: "the answer says two things that exclude each other",
  answer_foreign: "the answer is to another request, or from before this client's start",
  answer_other_action: "the answer's action digest is not that of this action",
  answer_replayed: "the answer carries the id of a decision that came before",
  answer_used: "the answer has been acted on already",
  answer_expired: "the answer is no longer valid, counted since its request was sent",
  answer_dropped: "a restriction since the answer has made it void",
  not_live: "no events from the service, so a kept answer can't be used",
} as const;

export type DenialCode = keyof typeof DENIALS;
export type NoAnswerCode = keyof typeof NO_ANSWERS;

const NOT_YOU = "You are not permitted to do this.";
const NOT_NOW = "This cannot be decided now; nothing was done.";
/** Fixed sentences for refusals where the answer's own sentence doesn't fit: it was a permission, or a question. */
const SENTENCES: Partial<Record<DenialCode, string>> = {
  obligation_unknown: NOT_YOU,
  obligation_unmet: NOT_YOU,
  not_confirmed: "This was not confirmed.",
  action_changed: NOT_NOW,
  stopped: "You are no longer permitted to do this; it was stopped.",
};

/** Either of the two. Its message is what the model may see, since frameworks hand it on; all else is for who operates. */
export abstract class Refusal extends Error {
  abstract readonly code: DenialCode | NoAnswerCode;
  /** Meaning of `code`, in words for operators. */
  abstract readonly title: string;

  /** A fixed sentence for the model, without values from data. */
  get tell_agent(): string {
    return this.message;
  }
}

export class Denied extends Refusal {
  override readonly name = "Denied";

  /** @param answer the decision; null where it isn't about one */
  constructor(
    readonly code: DenialCode,
    readonly answer: Answer | null,
    options?: ErrorOptions,
  ) {
    super(SENTENCES[code] ?? answer?.tell_agent ?? NOT_YOU, options);
  }

  get title(): string {
    return DENIALS[this.code];
  }

  /** For who operates: codes, messages and values. */
  get reasons(): readonly Reason[] {
    return this.answer?.reasons ?? [];
  }

  get wait(): Wait | null {
    return this.answer?.wait ?? null;
  }
}

/** A problem as the service says it (RFC 9457). */
export interface ProblemSaid extends ProblemDetail {
  status: number;
  code: string;
  title?: string;
}

export class Undecided extends Refusal {
  override readonly name = "Undecided";

  constructor(
    readonly code: NoAnswerCode,
    options: ErrorOptions = {},
    /** With `code: problem`. */
    readonly problem: ProblemSaid | null = null,
  ) {
    super(NOT_NOW, options);
  }

  get title(): string {
    return NO_ANSWERS[this.code];
  }
}
