/**
 * Answers under way. A revocation is acknowledged when none is left that began before it: each has been handed to the
 * kernel, or its connection has been cut.
 */
import { Bag } from "../system/bag.js";
import type { Timers } from "../system/index.js";

/** An answer that is due: a response over HTTP, or what stands for another. */
export interface Flight {
  /** `finish`: it is with the kernel. `close`: it has left or never will. */
  once(event: "finish" | "close", call: () => void): unknown;
  /** Cuts the answer off: nothing more of it leaves. */
  destroy(): unknown;
}

interface Generation {
  open: Bag<Flight>;
  empty: (() => void)[];
}

export class Flights {
  readonly #timers: Pick<Timers, "after">;
  readonly #cutAfterMs: number;
  #current: Generation = { open: new Bag(), empty: [] };
  /** Generations that a barrier has closed and that have answers left, oldest first. */
  #older: Generation[] = [];

  /** @param cutAfterMs time that a barrier waits for a client that doesn't take its answer, or for one that is being decided */
  constructor(timers: Pick<Timers, "after">, cutAfterMs: number) {
    this.#timers = timers;
    this.#cutAfterMs = cutAfterMs;
  }

  /** From here on the answer counts, until it has left or its connection is gone. */
  begin(response: Flight): void {
    const generation = this.#current;
    const place = generation.open.add(response);
    let isLeft = false;
    const end = (): void => {
      if (isLeft) return;
      isLeft = true;
      generation.open.remove(place);
      if (generation.open.size === 0) letGo(generation);
    };
    response.once("finish", end);
    response.once("close", end);
  }

  /** Resolves when every answer that began before the call has left or will never. */
  landed(): Promise<void> {
    this.#older = [...this.#older, this.#current].filter(({ open }) => open.size > 0);
    this.#current = { open: new Bag(), empty: [] };
    const waiting = [...this.#older];
    if (waiting.length === 0) return Promise.resolve();
    const cancel = this.#timers.after(this.#cutAfterMs, () => {
      // Nothing more of them leaves, whether or not they ever say so.
      this.#older = this.#older.filter((generation) => !waiting.includes(generation));
      for (const generation of waiting) {
        for (const response of generation.open.all()) response.destroy();
        letGo(generation);
      }
    });
    const all = waiting.map((generation) => new Promise<void>((resolve) => generation.empty.push(resolve)));
    return Promise.all(all).then(cancel);
  }
}

function letGo(generation: Generation): void {
  for (const resolve of generation.empty) resolve();
  generation.empty = [];
}
