/**
 * Restrictions by the feeds that have brought them: which of those in the feed of all facts the second feed lacks. An author copies its
 * change there at once; a change that stays uncopied is copied by whoever sees that.
 */
import type { Change } from "../store/store.js";

/** Milliseconds after which what the second feed lacks is copied. */
const COPY_AFTER_MS = 1000;
/** Copies made at once; the others are made with the next tick. */
const AT_ONCE = 100;

export class Copies {
  /** Restrictions of the feed of all facts that the second feed hasn't brought, with the time at which they were read. */
  readonly #missing = new Map<number, { change: Change; read: number }>();
  /** Revisions that the second feed has brought first. */
  readonly #early = new Set<number>();

  get missing(): number {
    return this.#missing.size;
  }

  /** Returns true for a restriction that the feed of all facts has brought, and the second feed hasn't. */
  lacks(revision: number): boolean {
    return this.#missing.has(revision);
  }

  /** Takes a restriction from the feed of all facts. */
  original(change: Change, now: number): void {
    if (!this.#early.delete(change.revision)) this.#missing.set(change.revision, { change, read: now });
  }

  /** Takes a restriction from the second feed. @param isRead true if the feed of all facts is as far */
  copy(revision: number, isRead: boolean): void {
    this.#missing.delete(revision);
    if (!isRead) this.#early.add(revision);
  }

  /**
   * Returns what has to be copied, once the second feed has brought a tick of this node: what was read before that was sent, and isn't in
   * it, is missing.
   * @param applied revision up to which the feed of all facts was read when the tick was sent
   */
  due(applied: number, now: number): Change[] {
    const due: Change[] = [];
    for (const [revision, { change, read }] of this.#missing) {
      if (revision > applied || now - read < COPY_AFTER_MS || due.length === AT_ONCE) break;
      due.push(change);
    }
    return due;
  }
}
