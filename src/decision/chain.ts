/** Last decision on each task, as long as not too many other tasks have had one since. */
import { Recent } from "../system/recent.js";

export class Chain {
  readonly #last: Recent<string>;

  constructor(max: number) {
    this.#last = new Recent(max);
  }

  /** @returns the decision before this one; null where none is known */
  next(task: string | null, decision: string): string | null {
    if (task === null) return null;
    const previous = this.#last.get(task) ?? null;
    this.#last.set(task, decision);
    return previous;
  }

  /** Forgets every task. */
  forget(): void {
    this.#last.clear();
  }

  /** A record must not name one that never was. */
  broken(task: string | null): void {
    if (task !== null) this.#last.delete(task);
  }
}
