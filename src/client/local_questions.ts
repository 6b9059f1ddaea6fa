/** Asks for decisions what decides in the same process: each at once and as it is, since nothing is on the way. */
import type { AskedAction } from "./action.js";
import type { Cancelling } from "./cancelling.js";
import { withinTurns } from "./deadline.js";
import { Undecided } from "./errors.js";
import type { Outside } from "./outside.js";
import type { Asking, Questions } from "./questions.js";
import type { Received } from "./transport.js";

/** What decides in the same process. */
export interface Decides {
  /** @throws Undecided */
  decide(asked: object): Promise<unknown>;
  /** Calls at the end of this turn of the event loop. */
  turnEnd(call: () => void): void;
}

export class LocalQuestions implements Asking {
  readonly #decides: Decides;
  readonly #outside: Outside;
  readonly #at_once_max: number;
  readonly #beyond: Questions;
  #asking = 0;
  #closed = false;

  /** @param beyond asks for those that are more at once than `at_once_max` */
  constructor(decides: Decides, outside: Outside, atOnceMax: number, beyond: Questions) {
    this.#decides = decides;
    this.#outside = outside;
    this.#at_once_max = atOnceMax;
    this.#beyond = beyond;
  }

  ask(asked: AskedAction, id: string, atLeast: number | null, ms: number, signal?: Cancelling): Promise<Received> {
    if (this.#asking >= this.#at_once_max) return this.#beyond.ask(asked, id, atLeast, ms, signal);
    if (this.#closed) return Promise.reject(new Undecided("closed"));
    const about = { ...asked.action, request_id: id, ...(atLeast !== null && { at_least: atLeast }) };
    const answered = withinTurns(this.#outside, this.#decides, ms, signal, () => this.#one(about));
    // What the answer is held against, while the disk is waited for.
    this.#decides.turnEnd(() => void asked.digest);
    return answered;
  }

  close(): void {
    this.#closed = true;
    this.#beyond.close();
  }

  async #one(about: object): Promise<Received> {
    const sent_ms = this.#outside.monotonic();
    this.#asking++;
    try {
      return { value: await this.#decides.decide(about), sent_ms };
    } finally {
      this.#asking--;
    }
  }
}
