import type { Change, FeedTaker, Mark } from "../../src/store/store.js";

/** Feed of one cluster, which each of its nodes reads in the turn in which something is added. */
export class Feed {
  readonly #takers: FeedTaker[] = [];
  readonly items: (Change | Mark)[] = [];
  /** Changes that were sent to it: as the second feed it brings them when a test adds them. */
  readonly copied: Change[] = [];

  follow(_after: number, take: FeedTaker): () => void {
    this.#takers.push(take);
    take([...this.items]);
    return () => undefined;
  }

  /** Marks that don't come back yet; null: each does. */
  late: Mark[] | null = null;

  mark(mark: Mark): void {
    if (this.late === null) this.add(mark);
    else this.late.push(mark);
  }

  copy(change: Change): void {
    this.copied.push(change);
  }

  add(item: Change | Mark): void {
    this.items.push(item);
    for (const take of this.#takers) take([item]);
  }
}
