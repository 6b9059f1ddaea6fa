/** Simulated time: goes from event to event, in which code that awaits has run as far as it can before the next. */
export class Agenda {
  now = 0;
  readonly #heap: Event[] = [];
  #order = 0;

  plan(at: number, call: () => void): void {
    const heap = this.#heap;
    const event = { at: Math.max(at, this.now), order: this.#order++, call };
    let i = heap.push(event) - 1;
    while (i > 0) {
      const up = (i - 1) >> 1;
      const parent = heap[up];
      if (parent === undefined || !isBefore(event, parent)) break;
      heap[i] = parent;
      i = up;
    }
    heap[i] = event;
  }

  async run(until: number, stop: () => boolean): Promise<void> {
    for (let next = this.#pop(until); next !== null && !stop(); next = this.#pop(until)) {
      this.now = next.at;
      next.call();
      // Comes after all that awaits something which is known by now.
      await new Promise<void>((resolve) => {
        process.nextTick(resolve);
      });
    }
  }

  #pop(until: number): Event | null {
    const heap = this.#heap;
    const first = heap[0];
    if (first === undefined || first.at > until) return null;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return first;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      const [left, right] = [heap[child], heap[child + 1]];
      if (left === undefined) break;
      if (right !== undefined && isBefore(right, left)) child++;
      const down = heap[child];
      if (down === undefined || !isBefore(down, last)) break;
      heap[i] = down;
      i = child;
    }
    heap[i] = last;
    return first;
  }
}

interface Event {
  at: number;
  order: number;
  call: () => void;
}

const isBefore = (a: Event, b: Event): boolean => a.at < b.at || (a.at === b.at && a.order < b.order);
