/** Ids in the order of their UTF-16 units. Adding costs nothing; what was added is put in its place when a page is asked for. */
export class SortedIds {
  #ids: string[] = [];
  #added: string[] = [];

  add(id: string): void {
    this.#added.push(id);
  }

  keep(wanted: (id: string) => boolean): void {
    this.settle();
    this.#ids = this.#ids.filter(wanted);
  }

  /** Puts what was added in its place. */
  settle(): void {
    // A few are put in one by one: sorting all would hold decisions up.
    if (this.#added.length <= FEW) for (const id of this.#added) this.#ids.splice(this.#place(id), 0, id);
    else this.#ids = [...this.#ids, ...this.#added].sort();
    this.#added = [];
  }

  /** The ids after this one. */
  *after(id: string): Generator<string> {
    this.settle();
    const ids = this.#ids;
    for (let at = this.#place(id); at < ids.length; at++) yield ids[at] ?? "";
  }

  /** Returns the index of the first id after this one. */
  #place(id: string): number {
    let [low, high] = [0, this.#ids.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#ids[middle] ?? "") <= id) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

const FEW = 100;
