/** Holds requests that wait for the next bundle (OPA's long poll): bounded, and all answered as soon as it is active. */
import type { ServerResponse } from "node:http";
import { Problem } from "../contract/index.js";
import type { Timers } from "../system/index.js";
import { Places } from "../system/places.js";

export interface WaiterLimits {
  waiters_max: number;
  /** Most waiters of one caller, so that others find room. */
  waiters_per_token_max: number;
  wait_max_ms: number;
}

export class BundleWaiters {
  readonly #timers: Pick<Timers, "after">;
  readonly #limits: WaiterLimits;
  /** Functions that answer a waiter, with its caller. */
  readonly #waiting = new Map<() => void, string>();
  readonly #places: Places;
  #closed = false;

  constructor(timers: Pick<Timers, "after">, limits: WaiterLimits) {
    this.#timers = timers;
    this.#limits = limits;
    this.#places = new Places(limits.waiters_max);
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** True once the service stops: connections aren't kept for further requests. */
  get closed(): boolean {
    return this.#closed;
  }

  /**
   * Resolves when another bundle is active, when the time is over, when another caller needs the place, or when nobody is left
   * to be answered.
   * @param ms asked for; no more than the limit is given
   * @throws Problem `subscribers_full`
   */
  wait(response: ServerResponse, ms: number, caller: string): Promise<void> {
    if (this.#closed || response.destroyed) return Promise.resolve();
    const share = [...this.#waiting.values()].filter((other) => other === caller).length;
    if (share >= this.#limits.waiters_per_token_max) throw new Problem("subscribers_full");
    return new Promise((resolve) => {
      const leave = this.#places.take(caller, () => {
        end();
      });
      if (leave === null) throw new Problem("subscribers_full");
      const end = (): void => {
        if (!this.#waiting.delete(end)) return;
        leave();
        cancel();
        response.off("close", end);
        resolve();
      };
      const cancel = this.#timers.after(Math.min(ms, this.#limits.wait_max_ms), end);
      response.once("close", end);
      this.#waiting.set(end, caller);
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
