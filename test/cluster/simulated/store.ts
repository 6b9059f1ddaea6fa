/** Store of a simulated node: what `NatsStore` does with the servers, over links that lose, delay and repeat. */
import type * as followers from "../../../src/store/followers.js";
import {
  StoreUnavailable,
  StoreUnsure,
  isChange,
  type Change,
  type ChangeFilter,
  type CopyFeed,
  type FeedTaker,
  type Guard,
  type Mark,
  type Store,
  type Write,
} from "../../../src/store/store.js";
import { without } from "../../../src/system/without.js";
import type { Timers } from "../../../src/system/index.js";
import type { EngineFeed, WriteAnswer } from "./engine.js";

/** What a store needs of the node that it is in. */
export interface Wire {
  readonly timers: Timers;
  /** Has the engine do something, unless what is sent to it is lost. */
  send(act: () => void): void;
  /** Like `send`, of a question for what a follower lacks. */
  ask(act: () => void): void;
  /** Has this node do something once the engine's answer comes, unless that is lost. */
  answer(act: () => void): void;
  /** The engine has taken a mark into a feed. */
  marked(feed: 0 | 1, mark: Mark): void;
  /** Returns a name that no other write has. */
  nextWrite(): string;
  /** Places of the feed of facts that the replica which a start reads may be behind. */
  lag(): number;
}

const READ_MS = 400;
const REPEAT_MS = 150;
const UNSURE_MS = 1500;

export class SimulatedStore implements Store {
  readonly healthy = true;
  /** Place that the feed of facts had when this store was opened. */
  readonly opened_at: number;
  readonly #feed: EngineFeed;
  readonly #copies: EngineFeed;
  readonly #wire: Wire;
  readonly #isCopied: (change: Change) => boolean;
  readonly #followers: followers.FeedFollowers;
  readonly #marksBefore: readonly Mark[];
  readonly #copying = new Set<number>();
  /** Place up to which the feed of facts has come. */
  at: number;
  revision: number;

  constructor(
    Followers: typeof followers.FeedFollowers,
    feeds: readonly [EngineFeed, EngineFeed],
    wire: Wire,
    isCopied: (change: Change) => boolean,
  ) {
    [this.#feed, this.#copies] = feeds;
    this.#wire = wire;
    this.#isCopied = isCopied;
    const { items } = this.#feed;
    this.opened_at = items.length;
    this.at = items.length;
    this.#marksBefore = marksIn(items);
    this.revision = this.#feed.between(0, items.length).at(-1)?.revision ?? 0;
    this.#followers = new Followers((after, limit) => this.changes(after, limit), wire.timers);
  }

  async write(writes: readonly Write[], guard?: Guard): Promise<number[]> {
    const settled = this.#settle(this.#wire.nextWrite(), writes, guard);
    const late = new Promise<null>((resolve) => {
      this.#wire.timers.after(UNSURE_MS, () => {
        resolve(null);
      });
    });
    const answer = await Promise.race([settled, late]);
    if (answer === null)
      throw new StoreUnsure(
        "no server has said whether the change is made",
        settled.then((one) => ("revisions" in one ? one.revisions : null)),
      );
    if ("conflict" in answer) throw answer.conflict;
    for (const [i, write] of writes.entries()) {
      const change = { ...without(write, "expected"), revision: answer.revisions[i] ?? 0 };
      this.revision = Math.max(this.revision, change.revision);
      if (this.#isCopied(change)) this.copies.copy(change);
    }
    return answer.revisions;
  }

  follow(after: number, take: FeedTaker): () => void {
    return this.#followers.add(after, take, this.at, this.#marksBefore);
  }

  mark(mark: Mark): void {
    this.#wire.send(() => {
      if (this.#feed.mark(mark)) this.#wire.marked(0, mark);
    });
  }

  async *entries(passing?: (changes: readonly Change[]) => Promise<void>): AsyncGenerator<Change[]> {
    const changes = await this.#read("send", () => this.#feed.between(0, Math.max(0, this.opened_at - this.#wire.lag())));
    await passing?.(changes);
    yield [...new Map(changes.map((change) => [change.key, change])).values()].sort((a, b) => a.revision - b.revision);
  }

  changes(after: number, limit: number, { key, prefix = "" }: ChangeFilter = {}): Promise<Change[]> {
    return this.#read(key === undefined ? "ask" : "send", () =>
      this.#feed
        .between(after, this.#feed.items.length)
        .filter((change) => (key === undefined ? change.key.startsWith(prefix) : change.key === key))
        .slice(0, limit),
    );
  }

  backup(): Promise<void> {
    return Promise.reject(new StoreUnavailable("a simulated store has no backup"));
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  /** Takes what comes next by the feed of facts. */
  take(items: readonly (Change | Mark)[]): void {
    this.at += items.length;
    this.revision = items.findLast(isChange)?.revision ?? this.revision;
    this.#followers.pass(items);
  }

  /** Takes a mark that was there before once more. */
  again(mark: Mark): void {
    this.#followers.pass([{ ...mark, passed: true }]);
  }

  /** Second feed, as this node reads it. */
  readonly copies = {
    at: 0,
    opened_at: 0,
    taker: null as FeedTaker | null,
    follow: (take: FeedTaker): (() => void) => {
      const { copies } = this;
      const before = marksIn(this.#copies.items);
      copies.opened_at = this.#copies.items.length;
      if (before.length > 0) take(before);
      copies.taker = take;
      return () => {
        copies.taker = null;
      };
    },
    mark: (mark: Mark): void => {
      this.#wire.send(() => {
        if (this.#copies.mark(mark)) this.#wire.marked(1, mark);
      });
    },
    copy: (change: Change): void => {
      if (this.#copying.has(change.revision)) return;
      this.#copying.add(change.revision);
      this.#copyUntilTaken(change);
    },
    /** Takes what comes next. A mark from before it was opened says nothing of now. */
    take: (items: readonly (Change | Mark)[]): void => {
      const { copies } = this;
      const news = items.filter((item, i) => isChange(item) || copies.at + i >= copies.opened_at);
      copies.at += items.length;
      copies.taker?.(news);
    },
  } satisfies CopyFeed & Record<string, unknown>;

  #copyUntilTaken(change: Change): void {
    if (!this.#copying.has(change.revision)) return;
    this.#wire.send(() => {
      if (this.#copies.copy(change)) this.#wire.answer(() => this.#copying.delete(change.revision));
    });
    this.#wire.timers.after(REPEAT_MS, () => {
      this.#copyUntilTaken(change);
    });
  }

  /** Repeats the very same write until its outcome is known. */
  #settle(id: string, writes: readonly Write[], guard: Guard | undefined): Promise<NonNullable<WriteAnswer>> {
    return new Promise((resolve) => {
      let isKnown = false;
      const attempt = (): void => {
        if (isKnown) return;
        this.#wire.send(() => {
          const answer = this.#feed.write(id, writes, guard);
          if (answer === null) return;
          this.#wire.answer(() => {
            isKnown = true;
            resolve(answer);
          });
        });
        this.#wire.timers.after(REPEAT_MS, attempt);
      };
      attempt();
    });
  }

  #read<T>(how: "send" | "ask", read: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#wire.timers.after(READ_MS, () => {
        reject(new StoreUnavailable("no server has answered"));
      });
      this.#wire[how](() => {
        const found = read();
        this.#wire.answer(() => {
          resolve(found);
        });
      });
    });
  }
}

/** Returns the last mark of each author. */
function marksIn(items: readonly (Change | Mark)[]): Mark[] {
  const marks = new Map<string, Mark>();
  for (const item of items) if (!isChange(item)) marks.set(item.by, { ...item, passed: true });
  return [...marks.values()];
}
