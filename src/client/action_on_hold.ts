/** An answer, and whether it may still be acted on: once, soon, and only while nothing has taken it back. */
import type { Answer } from "../contract/index.js";
import type { Action, AskedAction } from "./action.js";
import type { DenialCode, NoAnswerCode } from "./errors.js";
import { hits, type ChangeReceiver, type AffectedWork } from "./change_receiver.js";
import type { Outside } from "./outside.js";

interface HeldParts {
  answer: Answer;
  asked: AskedAction;
  /** When the request was sent, monotonic. */
  sent_ms: number;
  /** `follower.mark`, when it was sent. */
  mark: number;
}

/** Made by a client, for itself. */
export class ActionOnHold {
  readonly answer: Answer;
  /** Action that was decided; frozen. */
  readonly action: Action;
  readonly asked: AskedAction;
  readonly sent_ms: number;
  readonly #mark: number;
  readonly #follower: ChangeReceiver;
  readonly #outside: Outside;
  #used = false;

  constructor({ answer, asked, sent_ms, mark }: HeldParts, follower: ChangeReceiver, outside: Outside) {
    this.answer = answer;
    this.asked = asked;
    this.action = asked.action;
    this.sent_ms = sent_ms;
    this.#mark = mark;
    this.#follower = follower;
    this.#outside = outside;
  }

  get work(): AffectedWork {
    const { agent, purpose } = this.action;
    return { agent, purpose, task: this.asked.task };
  }

  /** Returns true if a change that concerns the action has been received since its request was sent. */
  get heardOf(): boolean {
    const since = this.#follower.since(this.#mark);
    return since?.some((one) => one.what === "anew" || hits(one.change, this.work)) ?? true;
  }

  /** When it is no longer valid, monotonic. */
  get until_ms(): number {
    return this.sent_ms + this.answer.valid_for_ms;
  }

  /** Why it can't be acted on now; null: it can. */
  get fault(): DenialCode | NoAnswerCode | null {
    return this.faultNow(false);
  }

  /** @param fresh in the turn in which it came: it hasn't been kept, so nothing has to have been heard meanwhile */
  faultNow(fresh: boolean): DenialCode | NoAnswerCode | null {
    const { proceed, decision, facts_revision } = this.answer;
    if (!proceed) return decision === "flag" ? "waiting" : "denied";
    if (!this.asked.unchanged) return "action_changed";
    if (this.#used) return "answer_used";
    if (this.#outside.monotonic() >= this.until_ms) return "answer_expired";
    if (this.#follower.hit(this.#mark, this.work, facts_revision)) return "answer_dropped";
    return fresh || this.#follower.covers(facts_revision) ? null : "not_live";
  }

  /** It is acted on: not again. */
  use(): void {
    this.#used = true;
  }
}
