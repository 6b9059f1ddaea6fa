/**
 * Things of which few are in it at a time, and which come and go by the thousand. A `Set` would be emptied and grown without end, and V8 links each
 * of its earlier tables to the next: once one of them has grown old, all that was ever in those after it outlives
 * it, and is copied until the next full collection. Here a place is used again, and is empty in between.
 */
export class Bag<T extends object> {
  readonly #places: (T | null)[] = [];
  readonly #free: number[] = [];

  get size(): number {
    return this.#places.length - this.#free.length;
  }

  /** @returns its place, to be given back once */
  add(item: T): number {
    const place = this.#free.pop() ?? this.#places.length;
    this.#places[place] = item;
    return place;
  }

  remove(place: number): void {
    this.#places[place] = null;
    this.#free.push(place);
  }

  /** Returns the items, in no order. */
  all(): T[] {
    return this.#places.filter((item) => item !== null);
  }
}
