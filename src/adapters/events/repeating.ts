/** Waits between attempts: about twice as long as the time before, and never longer than may be. */
import type { System } from "../../system/index.js";

export interface RepeatOptions {
  /** The first wait after a failure, and the longest. */
  retry_ms: number;
  retry_max_ms: number;
}

export class Repeating {
  readonly #options: RepeatOptions;
  readonly #system: Pick<System, "timers" | "random">;
  #failed = 0;
  #wake: () => void = () => undefined;
  #stopped = false;

  constructor(options: RepeatOptions, system: Pick<System, "timers" | "random">) {
    this.#options = options;
    this.#system = system;
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  succeeded(): void {
    this.#failed = 0;
  }

  /** How long to wait after another failure, milliseconds. */
  failed(): number {
    const { retry_ms, retry_max_ms } = this.#options;
    const most = Math.min(retry_max_ms, retry_ms * 2 ** Math.min(this.#failed++, 30));
    const bytes = new Uint8Array(1);
    this.#system.random.fill(bytes);
    return most / 2 + (most / 2) * ((bytes[0] ?? 0) / 256);
  }

  /** Resolves after so long, when it is woken, or when it is stopped. @param ms Infinity: until then */
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
