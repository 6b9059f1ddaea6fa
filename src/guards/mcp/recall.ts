/** Takes a request back. As an `AbortController` with its signal, of which a call would need several, and making one costs more than parsing it. */
import type { Cancelling } from "../../client/cancelling.js";

export class Recall implements Cancelling {
  aborted = false;
  reason: unknown = undefined;
  #listeners: (() => void)[] = [];

  /** Once: what comes after the first says nothing more. */
  abort(reason: unknown): void {
    if (this.aborted) return;
    this.aborted = true;
    this.reason = reason;
    const listeners = this.#listeners;
    this.#listeners = [];
    for (const listener of listeners) listener();
  }

  addEventListener(_type: "abort", listener: () => void): void {
    if (!this.aborted) this.#listeners.push(listener);
  }

  removeEventListener(_type: "abort", listener: () => void): void {
    this.#listeners = this.#listeners.filter((one) => one !== listener);
  }
}
