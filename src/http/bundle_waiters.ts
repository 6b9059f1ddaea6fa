/** Who waits for the next bundle (OPA's long poll): bounded, and all answered as soon as there is one. */
import type { ServerResponse } from "node:http";
import { Problem } from "../contract/index.js";
import type { Timers } from "../system/index.js";

export interface WaiterLimits {
  waiters_max: number;
  /** Of one token: others find room. */
  waiters_per_token_max: number;
  wait_max_ms: number;
}

export class BundleWaiters {
  readonly #timers: Pick<Timers, "after">;
  readonly #limits: WaiterLimits;
  /** What answers each, and whose token it has. */
  readonly #waiting = new Map<() => void, string>();
  #closed = false;

  constructor(timers: Pick<Timers, "after">, limits: WaiterLimits) {
    this.#timers = timers;
    this.#limits = limits;
  }

  /** Whether the service stops: connections aren't kept for what comes next. */
  get closed(): boolean {
    return this.#closed;
  }

  /**
   * Resolves when another bundle is active, when the time is over, or when nobody is left to be answered.
   * @param ms asked for; no more than the limit is given
   * @param token of who asks
   * @throws Problem `subscribers_full`
   */
  wait(response: ServerResponse, ms: number, token: string): Promise<void> {
    if (this.#closed || response.destroyed) return Promise.resolve();
    const { waiters_max, waiters_per_token_max } = this.#limits;
    const share = [...this.#waiting.values()].filter((other) => other === token).length;
    if (this.#waiting.size >= waiters_max || share >= waiters_per_token_max) throw new Problem("subscribers_full");
    return new Promise((resolve) => {
      const end = (): void => {
        if (!this.#waiting.delete(end)) return;
        cancel();
        response.off("close", end);
        resolve();
      };
      const cancel = this.#timers.after(Math.min(ms, this.#limits.wait_max_ms), end);
      response.once("close", end);
      this.#waiting.set(end, token);
    });
  }

  /** There is another bundle. */
  activated(): void {
    for (const end of [...this.#waiting.keys()]) end();
  }

  /** Answers all, and lets nobody wait any more. */
  close(): void {
    this.#closed = true;
    this.activated();
  }
}
