/** A map that its holders share: when it is full, the holder with most entries loses its oldest, so that none crowds out another. */
interface FairEntry<V> {
  readonly key: string;
  readonly holder: string;
  readonly value: V;
  isIn: boolean;
}

/** Entries of one holder. */
interface HolderQueue<V> {
  /** The oldest first; those that were taken out are passed over. */
  queue: FairEntry<V>[];
  /** Place in the queue before which nothing is left. */
  head: number;
  size: number;
}

/** Entries taken out that a queue may keep beside as many that are in. */
const SLACK = 64;

export class FairMap<V> {
  readonly #max: number;
  readonly #entries = new Map<string, FairEntry<V>>();
  readonly #held = new Map<string, HolderQueue<V>>();
  /** Holders by how many entries they have, so that the one with most is found without a search. */
  readonly #bySize = new Map<number, Set<string>>();
  #most = 0;

  constructor(max: number) {
    this.#max = max;
  }

  get size(): number {
    return this.#entries.size;
  }

  has(key: string): boolean {
    return this.#entries.has(key);
  }

  get(key: string): V | undefined {
    return this.#entries.get(key)?.value;
  }

  /** Adds an entry as its holder's newest, in place of one with the same key. */
  set(holder: string, key: string, value: V): void {
    this.delete(key);
    const entry = { key, holder, value, isIn: true };
    this.#entries.set(key, entry);
    const held = this.#held.get(holder) ?? { queue: [], head: 0, size: 0 };
    this.#held.set(holder, held);
    held.queue.push(entry);
    this.#resize(holder, held, held.size + 1);
    if (this.#entries.size > this.#max) this.#makeRoom();
  }

  delete(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    entry.isIn = false;
    const held = this.#held.get(entry.holder);
    if (held === undefined) return;
    this.#resize(entry.holder, held, held.size - 1);
    if (held.size === 0) this.#held.delete(entry.holder);
    else if (held.queue.length > 2 * held.size + SLACK) {
      held.queue = held.queue.filter(({ isIn }) => isIn);
      held.head = 0;
    }
  }

  #makeRoom(): void {
    const [holder = ""] = this.#bySize.get(this.#most) ?? [];
    const held = this.#held.get(holder);
    if (held === undefined) return;
    while (held.queue[held.head]?.isIn === false) held.head++;
    const oldest = held.queue[held.head];
    if (oldest !== undefined) this.delete(oldest.key);
  }

  #resize(holder: string, held: HolderQueue<V>, size: number): void {
    const before = this.#bySize.get(held.size);
    before?.delete(holder);
    if (before?.size === 0) this.#bySize.delete(held.size);
    held.size = size;
    if (size > 0) this.#bySize.set(size, (this.#bySize.get(size) ?? new Set()).add(holder));
    // Sizes change by one: whoever had most alone still has most.
    if (size > this.#most || !this.#bySize.has(this.#most)) this.#most = size;
  }
}
