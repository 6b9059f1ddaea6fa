/**
 * Places that callers share, up to a maximum. A single caller may have all of them; once none is left, the caller with most gives one up to
 * one with fewer.
 */
export class Places {
  readonly #max: number;
  /** Functions that free a place, the oldest first, by owner. */
  readonly #taken = new Map<string, Set<() => void>>();
  #size = 0;

  constructor(max: number) {
    this.#max = max;
  }

  get size(): number {
    return this.#size;
  }

  /**
   * Takes a place.
   * @param evicted called if the place has to be given up; the place is free then
   * @returns a function that gives the place back; null if this owner gets no place
   */
  take(owner: string, evicted: () => void): (() => void) | null {
    if (this.#size >= this.#max && !this.#evictFor(owner)) return null;
    const own = this.#taken.get(owner) ?? new Set();
    this.#taken.set(owner, own);
    const evict = (): void => {
      free();
      evicted();
    };
    const free = (): void => {
      if (!own.delete(evict)) return;
      this.#size--;
      if (own.size === 0) this.#taken.delete(owner);
    };
    own.add(evict);
    this.#size++;
    return free;
  }

  /** Returns whether there is a place now. Nobody gives one up to who would then have as many. */
  #evictFor(owner: string): boolean {
    let most: ReadonlySet<() => void> = new Set();
    for (const places of this.#taken.values()) if (places.size > most.size) most = places;
    const [oldest] = most;
    if (oldest === undefined || most.size <= (this.#taken.get(owner)?.size ?? 0) + 1) return false;
    oldest();
    return true;
  }
}
