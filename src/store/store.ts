/**
 * The store keeps what must outlive a process as one feed of changes: each is the next revision and sets one key to a JSON
 * value. It knows nothing of what keys and values mean. Every implementation passes `test/store/contract.ts`.
 */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [member: string]: Json };

export interface Change {
  /** 1 is the first change; without gaps. */
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

export interface Store {
  /** Revision of the last durable change; 0 before the first. */
  readonly revision: number;
  /** False if a write made now can't be expected to reach the disk. */
  readonly healthy: boolean;

  /**
   * All or nothing. Each write gets the next revision, in order. A key may be written once in a call.
   * @returns the revisions, once they are durable
   * @throws StoreConflict where a key's last change is another; others' calls are not touched by it
   * @throws StoreUnavailable
   * @throws StoreInvalid
   */
  write(writes: readonly Write[]): Promise<number[]>;

  /**
   * Every key's latest change, by revision, in chunks; of a key that changes meanwhile the earlier, the later or both.
   * @throws StoreUnavailable
   */
  entries(): AsyncIterable<Change[]>;

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
  override readonly name = "StoreUnavailable";

  constructor(readonly detail: string) {
    super(`the store is unavailable: ${detail}`);
  }
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
