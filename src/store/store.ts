/**
 * The store keeps what must outlive a process as one feed of changes: each is the next revision and sets one key to a JSON
 * value. It knows nothing of what keys and values mean. Every implementation passes `test/store/contract.ts`.
 */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [member: string]: Json };

export interface Change {
  /** Rises with each change; a shared store uses some numbers for marks. */
  revision: number;
  key: string;
  /** Value of the key since this change. */
  value: Json;
  /** Caller that made the change. */
  by: string;
  /** RFC 3339. */
  time: string;
  reason: string | null;
  /** Name of the change, such as `agent_created`. */
  change: string;
}

export interface Write extends Omit<Change, "revision"> {
  /** The revision of the key's last change; 0 where the key must never have existed. */
  expected: number;
}

/** Changes of exactly this key, or of keys that begin so; all of them where neither is given. */
export interface ChangeFilter {
  key?: string;
  prefix?: string;
}

/** Says of itself where in the feed it was; changes nothing, and isn't kept for long. */
export interface Mark {
  /** Author of the mark: a node of the cluster. */
  by: string;
  /** Number that the author gave it. */
  n: number;
  value: Json;
  /**
   * It is at a place of the feed from before the store was opened, or that was read before: brought once more, or by a feed that was put
   * back to an earlier state.
   */
  passed?: true;
}

/** Receives changes and marks that follow on what it has received, with nothing missing between. */
export type FeedTaker = (items: readonly (Change | Mark)[]) => void;

/** Second feed of a shared store: copies of some changes with the revisions that they have, in any order, and marks. */
export interface CopyFeed {
  /** Passes on every copy and every mark, once, nothing missing between; then each as it comes. @returns ends it */
  follow(take: FeedTaker): () => void;
  /** Puts a mark behind the copies made so far, like `Store.mark`. */
  mark(mark: Mark): void;
  /** Copies a durable change. It comes back through `follow`, once however often it is copied, if it isn't lost. */
  copy(change: Change): void;
}

/** Demands that no key of a kind has changed after the revision. */
export interface Guard {
  /** Kind of the keys, with its slash: `agent/`. The call writes one of them at least. */
  prefix: string;
  since: number;
}

export interface Store {
  /** Revision of the last durable change; 0 before the first. */
  readonly revision: number;
  /** False if a write made now can't be expected to reach the disk. */
  readonly healthy: boolean;

  /**
   * All or nothing. Each write gets a higher revision than any before, in order. A key may be written once in a call.
   * @returns the revisions, once they are durable
   * @throws StoreConflict where a key's last change is another, or the guard doesn't hold; others' calls are not touched by it
   * @throws StoreUnsure if the changes may be durable, or become so
   * @throws StoreUnavailable
   * @throws StoreInvalid
   */
  write(writes: readonly Write[], guard?: Guard): Promise<number[]>;

  /**
   * Passes on every change and every mark after a revision, once, in order, nothing missing between; then each as it comes. What
   * can't be read now is passed on once it can.
   * @returns ends it
   */
  follow(after: number, take: FeedTaker): () => void;

  /** Puts a mark behind the changes made so far. It comes back through `follow` if it isn't lost. */
  mark(mark: Mark): void;

  /**
   * Every key's latest change, by revision, in chunks; of a key that changes meanwhile the earlier, the later or both.
   * @param passing called first with all changes that there are, in order and in chunks, by a store that has to read them for that
   * @throws StoreUnavailable, and what `passing` throws
   */
  entries(passing?: (changes: readonly Change[]) => Promise<void>): AsyncIterable<Change[]>;

  /**
   * Changes after a revision, oldest first; fewer than `limit` (1 to `changes_max`) only where there are no more.
   * @throws StoreUnavailable
   * @throws StoreInvalid
   */
  changes(after: number, limit: number, filter?: ChangeFilter): Promise<Change[]>;

  /**
   * Writes a copy as of one revision, while changes go on.
   * @param file must not exist yet
   * @throws StoreUnavailable
   */
  backup(file: string): Promise<void>;

  /** Refuses new calls, waits for those taken, lets go of the files. */
  close(): Promise<void>;
}

export const STORE_LIMITS = {
  key_bytes_max: 512,
  /** Most bytes of a value's JSON text. */
  value_bytes_max: 64 * 1024,
  value_depth_max: 64,
  by_bytes_max: 512,
  reason_bytes_max: 4096,
  writes_max: 1000,
  changes_max: 1000,
};

export class StoreConflict extends Error {
  override readonly name = "StoreConflict";

  constructor(
    readonly key: string,
    readonly expected: number,
    /** Revision of the key's last change; 0 if the key has no changes. */
    readonly found: number,
  ) {
    super(`${key} was last changed at revision ${found}, not ${expected}`);
  }
}

/**
 * The disk is full or fails, the queue is full, or the store is closed. Nothing of the call is applied, and nothing of it
 * is found later, save where the process dies before the store is back: then it is as with any call without an answer.
 */
export class StoreUnavailable extends Error {
  override readonly name: string = "StoreUnavailable";

  constructor(readonly detail: string) {
    super(`the store is unavailable: ${detail}`);
  }
}

/** The store didn't say whether the changes are made. They are found later, or never. */
export class StoreUnsure extends StoreUnavailable {
  constructor(
    detail: string,
    /** Resolves when that is known: with the revisions, or null if the changes will never be made. */
    readonly settled: Promise<number[] | null>,
  ) {
    super(detail);
  }
}

/** Returns true for a change, false for a mark. */
export function isChange(item: Change | Mark): item is Change {
  return "revision" in item;
}

/** The caller's mistake. */
export class StoreInvalid extends Error {
  override readonly name = "StoreInvalid";

  constructor(
    /** A JSON pointer (RFC 6901) into what was given. */
    readonly field: string,
    readonly expected: string,
  ) {
    super(`${field === "" ? "it" : field} must be ${expected}`);
  }
}
