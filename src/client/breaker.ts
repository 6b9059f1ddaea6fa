/** Gives a service that keeps failing a rest: callers hear at once what they would hear after their deadline. */
import { Undecided, type NoAnswerCode } from "./errors.js";

export interface BreakerLimits {
  /** Consecutive failures after which the breaker opens. */
  failures_max: number;
  open_ms: number;
}

/** Whatever a service in good health never does. What the caller did, such as cancelling, says nothing about it. */
const FAILURES: ReadonlySet<NoAnswerCode> = new Set([
  "unreachable",
  "deadline",
  "redirected",
  "status_unexpected",
  "type_unexpected",
  "answer_too_large",
  "answer_cut",
  "answer_unreadable",
] as const);

export class Breaker {
  readonly #limits: BreakerLimits;
  readonly #monotonic: () => number;
  #failures = 0;
  /** When one call may try again; null: it is closed. */
  #until: number | null = null;

  constructor(limits: BreakerLimits, monotonic: () => number) {
    this.#limits = limits;
    this.#monotonic = monotonic;
  }

  /** @throws Undecided `breaker_open`, and what the call throws */
  async run<T>(call: () => Promise<T>): Promise<T> {
    const now = this.#monotonic();
    if (this.#until !== null) {
      if (now < this.#until) throw new Undecided("breaker_open");
      // One call finds out; the others wait for what it finds.
      this.#until = now + this.#limits.open_ms;
    }
    try {
      const result = await call();
      this.#closed();
      return result;
    } catch (error) {
      if (!(error instanceof Undecided)) throw error;
      if (FAILURES.has(error.code) || (error.problem?.status ?? 0) >= 500) this.#failed();
      else if (error.code === "problem") this.#closed();
      throw error;
    }
  }

  #closed(): void {
    this.#failures = 0;
    this.#until = null;
  }

  #failed(): void {
    if (++this.#failures >= this.#limits.failures_max) this.#until = this.#monotonic() + this.#limits.open_ms;
  }
}
