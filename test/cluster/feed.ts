import type { Change, FeedTaker, Mark } from "../../src/store/store.js";

/** Feed of one cluster, which each of its nodes reads in the turn in which something is added. */
export class Feed {
  readonly #takers: FeedTaker[] = [];
  readonly items: (Change | Mark)[] = [];

  follow(_after: number, take: FeedTaker): () => void {
    this.#takers.push(take);
    take([...this.items]);
    return () => undefined;
  }

  mark(mark: Mark): void {
    this.add(mark);
  }

  add(item: Change | Mark): void {
    this.items.push(item);
    for (const take of this.#takers) take([item]);
  }
}
