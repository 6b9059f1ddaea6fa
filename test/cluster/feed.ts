import { isChange, type Change, type CopyFeed, type FeedTaker, type Mark } from "../../src/store/store.js";

/** Feed of one cluster, which each of its nodes reads in the turn in which something is added. */
export class Feed {
  readonly #takers: FeedTaker[] = [];
  readonly items: (Change | Mark)[] = [];
  /** Changes that were sent to it: as the second feed it brings them when a test adds them. */
  readonly copied: Change[] = [];

  follow(after: number, take: FeedTaker): () => void {
    this.#takers.push(take);
    take(this.items.filter((item) => !isChange(item) || item.revision > after));
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

  /** The same as a feed of copies, as a member reads one. */
  get copies(): CopyFeed {
    return {
      follow: (take) => this.follow(0, take),
      mark: (mark) => {
        this.mark(mark);
      },
      copy: (change) => {
        this.copy(change);
      },
    };
  }

  add(item: Change | Mark): void {
    this.items.push(item);
    for (const take of this.#takers) take([item]);
  }
}
