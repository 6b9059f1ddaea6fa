/** FeedFollowers of a store's feed: each gets what it lacks by reading, then what comes as it comes. */
import { pause, type Timers } from "../system/index.js";
import { STORE_LIMITS, isChange, type Change, type FeedTaker, type Mark } from "./store.js";

const RETRY_MS = 250;

interface FeedFollower {
  take: FeedTaker;
  /** Revision of the last change that it has received. */
  at: number;
  /** Place of the feed from which on all comes as it comes; what was before is read. */
  readonly from: number;
  /** Came while it reads what was before; null if it is up to date. */
  waiting: (Change | Mark)[] | null;
}

export class FeedFollowers {
  readonly #read: (after: number, limit: number) => Promise<Change[]>;
  readonly #timers: Timers;
  readonly #failed: (cause: unknown) => void;
  readonly #followers = new Set<FeedFollower>();

  /**
   * @param read durable changes after a revision, as `Store.changes`
   * @param failed called when a follower can't take what it has lacked, and gets nothing more: nobody may go on as if it had.
   * @default throws in a turn of its own, which ends the process, as an error of what is passed on does
   */
  constructor(read: (after: number, limit: number) => Promise<Change[]>, timers: Timers, failed?: (cause: unknown) => void) {
    this.#read = read;
    this.#timers = timers;
    this.#failed =
      failed ??
      ((cause) => {
        timers.turnEnd(() => {
          throw cause;
        });
      });
  }

  /**
   * Follows the feed after a revision.
   * @param passed place of the feed up to which everything was passed on before
   * @param marks passed on first of all that isn't read
   * @returns ends it
   */
  add(after: number, take: FeedTaker, passed: number, marks: readonly Mark[] = []): () => void {
    const isUpToDate = after >= passed && marks.length === 0;
    const follower: FeedFollower = { take, at: after, from: passed, waiting: isUpToDate ? null : [...marks] };
    this.#followers.add(follower);
    if (!isUpToDate) void this.#catchUp(follower);
    return () => {
      this.#followers.delete(follower);
      follower.take = () => undefined;
    };
  }

  get size(): number {
    return this.#followers.size;
  }

  /** Passes on what is next in the feed. */
  pass(items: readonly (Change | Mark)[]): void {
    for (const follower of this.#followers) {
      if (follower.waiting === null) give(follower, items);
      else follower.waiting.push(...items);
    }
  }

  async #catchUp(follower: FeedFollower): Promise<void> {
    while (this.#followers.has(follower) && follower.waiting !== null) {
      let page: Change[];
      try {
        page = follower.at < follower.from ? await this.#read(follower.at, STORE_LIMITS.changes_max) : [];
      } catch {
        await pause(this.#timers, RETRY_MS);
        continue;
      }
      try {
        // Later ones come by the feed: a mark that is before them there must not come after them here.
        give(
          follower,
          page.filter(({ revision }) => revision <= follower.from),
        );
        if (page.length === STORE_LIMITS.changes_max && (page.at(-1)?.revision ?? 0) < follower.from) continue;
        const waiting = follower.waiting;
        follower.waiting = null;
        give(follower, waiting);
      } catch (cause) {
        // What it hasn't taken would be missing between what it has and what comes.
        this.#followers.delete(follower);
        this.#failed(cause);
      }
    }
  }
}

/** Passes on what the follower lacks. */
function give(follower: FeedFollower, items: readonly (Change | Mark)[]): void {
  const lacking = items.filter((item) => !isChange(item) || item.revision > follower.at);
  if (lacking.length === 0) return;
  follower.at = lacking.reduce((at, item) => (isChange(item) ? item.revision : at), follower.at);
  follower.take(lacking);
}
