/** Attempts at one server, for as long as it takes: each failure is told once, and the wait after it grows with jitter. */
import { errorMessage } from "./error_message.js";
import type { System } from "./index.js";
import type { Posted } from "./post.js";
import { retryAfterMs } from "./post.js";

/** @example { retry_ms: 1000, retry_max_ms: 60_000 } */
export interface RetryOptions {
  /** Milliseconds of the first wait after a failure, and of the longest. */
  retry_ms: number;
  retry_max_ms: number;
}

export interface AttemptEvents {
  /** Called once per change of how it fails. */
  failing: (detail: string) => void;
  /** Called once it goes well again. */
  recovered: () => void;
}

/** Failures that count for the wait; more change nothing. */
const DOUBLINGS_MAX = 30;

/** Milliseconds to wait after so many failures, without jitter. */
export function backOffMs({ retry_ms, retry_max_ms }: RetryOptions, failures: number): number {
  return Math.min(retry_max_ms, retry_ms * 2 ** Math.min(failures - 1, DOUBLINGS_MAX));
}

export class Attempts {
  readonly #options: RetryOptions;
  readonly #system: Pick<System, "clock" | "timers" | "random">;
  readonly #events: AttemptEvents;
  #failures = 0;
  #failedBy: string | null = null;
  #wake: () => void = () => undefined;
  #stopped = false;

  constructor(options: RetryOptions, system: Pick<System, "clock" | "timers" | "random">, events: AttemptEvents) {
    this.#options = options;
    this.#system = system;
    this.#events = events;
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  /** Returns true if the last attempt failed. */
  get failing(): boolean {
    return this.#failedBy !== null;
  }

  succeeded(): void {
    this.#failures = 0;
    if (this.#failedBy !== null) this.#events.recovered();
    this.#failedBy = null;
  }

  /** Takes note of a failure; what breaks off because it is stopped is nobody's fault and isn't told. @returns milliseconds to wait: half of the back-off, and up to as much again by chance */
  failed(cause: unknown): number {
    const detail = errorMessage(cause);
    if (!this.#stopped && detail !== this.#failedBy) this.#events.failing(detail);
    this.#failedBy = detail;
    const most = backOffMs(this.#options, ++this.#failures);
    const bytes = new Uint8Array(2);
    this.#system.random.fill(bytes);
    return most / 2 + (most / 2) * (((bytes[0] ?? 0) * 256 + (bytes[1] ?? 0)) / 65_536);
  }

  /** Takes note of an answer that isn't a good one. @returns milliseconds to wait, never less than the answer asks for */
  refused(answer: Posted, detail = `status ${answer.status}`): number {
    return Math.max(this.failed(detail), retryAfterMs(answer, this.#system.clock.wall()));
  }

  /** Resolves after so many milliseconds, when it is woken, or when it is stopped. @param ms Infinity: until one of those */
  async wait(ms: number): Promise<void> {
    if (this.#stopped || ms <= 0) return;
    await new Promise<void>((resolve) => {
      let cancel = (): void => undefined;
      this.#wake = () => {
        cancel();
        this.#wake = () => undefined;
        resolve();
      };
      if (ms !== Infinity) {
        cancel = this.#system.timers.after(ms, () => {
          this.#wake();
        });
      }
    });
  }

  wake(): void {
    this.#wake();
  }

  stop(): void {
    this.#stopped = true;
    this.#wake();
  }
}
