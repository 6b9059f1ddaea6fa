/** Bounds on what callers and agents share. Whatever has one declares it, so that it is metered, and so that a test can flood it. */
export interface Bound {
  /** Setting that holds it, or the name of what has a fixed one. */
  readonly name: string;
  readonly max: number;
  /** Holders among whom it is divided when it is reached. */
  readonly shared_by: "caller" | "agent";
  /** Amount of it that is taken now. */
  readonly used: () => number;
}

export class Bounds implements Iterable<Bound> {
  readonly #bounds = new Map<string, Bound>();

  /** @throws Error for a name that is declared already */
  declare(bound: Bound): void {
    if (this.#bounds.has(bound.name)) throw new Error(`the bound ${bound.name} is declared twice`);
    this.#bounds.set(bound.name, bound);
  }

  [Symbol.iterator](): Iterator<Bound> {
    return this.#bounds.values();
  }
}
