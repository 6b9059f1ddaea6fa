/** Ids in the order of their UTF-16 units. Adding is cheap; what was added is put in its place when a page is asked for. */
export class SortedIds {
  #ids: string[] = [];
  #sorted = true;

  add(id: string): void {
    this.#sorted &&= (this.#ids.at(-1) ?? "") < id;
    this.#ids.push(id);
  }

  keep(wanted: (id: string) => boolean): void {
    this.#ids = this.#ids.filter(wanted);
  }

  /** The ids after this one. */
  *after(id: string): Generator<string> {
    if (!this.#sorted) this.#ids.sort();
    this.#sorted = true;
    const ids = this.#ids;
    let [low, high] = [0, ids.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((ids[middle] ?? "") <= id) low = middle + 1;
      else high = middle;
    }
    for (let at = low; at < ids.length; at++) yield ids[at] ?? "";
  }
}
