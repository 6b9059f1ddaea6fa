/** The servers of a simulated cluster: two ordered feeds, which take nothing while they have no leader. */
import { restrictionOf } from "../../../src/facts/narrowing.js";
import { isChange, StoreConflict, type Change, type Guard, type Mark, type Write } from "../../../src/store/store.js";

/** Returns true for what the second feed carries. */
export const isCopied = ({ change, value }: Change): boolean => restrictionOf(change, value) !== null;

/** Returns true for a change that names a bundle, which asks for more than to be read. */
export const isNaming = ({ key }: Change): boolean => key.startsWith("bundle/");

/** Answer to a write; null: the server says nothing. */
export type WriteAnswer = { revisions: number[] } | { conflict: StoreConflict } | null;

/** One feed. A place in it is a revision, whether a change or a mark is there. */
export class EngineFeed {
  readonly items: (Change | Mark)[] = [];
  leaderlessUntil = 0;
  /** Changes that are sent to it are lost until then. */
  losesUntil = 0;
  readonly #clock: { readonly now: number };
  readonly #arrived: (items: readonly (Change | Mark)[]) => void;
  readonly #last = new Map<string, number>();
  readonly #answers = new Map<string, WriteAnswer>();
  readonly #copied = new Set<number>();

  constructor(clock: { readonly now: number }, arrived: (items: readonly (Change | Mark)[]) => void) {
    this.#clock = clock;
    this.#arrived = arrived;
  }

  mark(mark: Mark): boolean {
    if (this.#isSilent(false)) return false;
    this.#add([mark]);
    return true;
  }

  /** Makes all of a call's changes or none. The same call, sent again, has the same answer. */
  write(id: string, writes: readonly Write[], guard: Guard | undefined): WriteAnswer {
    if (this.#isSilent(true)) return null;
    const before = this.#answers.get(id);
    if (before !== undefined) return before;
    const conflict = this.#conflict(writes, guard);
    if (conflict !== null) return { conflict };
    const changes = writes.map(({ expected: _, ...write }, i) => ({ ...write, revision: this.items.length + 1 + i }));
    const answer = { revisions: changes.map(({ revision }) => revision) };
    for (const { key, revision } of changes) this.#last.set(key, revision);
    this.#answers.set(id, answer);
    this.#add(changes);
    return answer;
  }

  /** Takes a copy of a change, once. @returns false if the server says nothing */
  copy(change: Change): boolean {
    if (this.#isSilent(true)) return false;
    if (this.#copied.has(change.revision)) return true;
    this.#copied.add(change.revision);
    this.#add([change]);
    return true;
  }

  /** Returns the changes after a place, up to another. */
  between(after: number, to: number): Change[] {
    return this.items.slice(after, to).filter(isChange);
  }

  #conflict(writes: readonly Write[], guard: Guard | undefined): StoreConflict | null {
    if (guard !== undefined) {
      const found = Math.max(0, ...[...this.#last].filter(([key]) => key.startsWith(guard.prefix)).map(([, revision]) => revision));
      if (found > guard.since) return new StoreConflict(guard.prefix, guard.since, found);
    }
    const stale = writes.find(({ key, expected }) => (this.#last.get(key) ?? 0) !== expected);
    return stale === undefined ? null : new StoreConflict(stale.key, stale.expected, this.#last.get(stale.key) ?? 0);
  }

  #isSilent(isOfChange: boolean): boolean {
    return this.#clock.now < this.leaderlessUntil || (isOfChange && this.#clock.now < this.losesUntil);
  }

  #add(items: readonly (Change | Mark)[]): void {
    this.items.push(...items);
    this.#arrived(items);
  }
}
