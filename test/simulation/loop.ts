/** Time as a simulation has it: nothing happens but what is due next, in an order that only the seed decides. */
import type { Clock, Random, Timers } from "../../src/system/index.js";
import type { Dice } from "../differential/dice.js";

interface Due {
  at: number;
  call: () => void;
}

export class Loop implements Clock {
  #now = 0;
  /** The latest first; of those due at one time, the one that was planned last. */
  readonly #due: Due[] = [];
  /** What the host's clock says at the start; it may be moved. */
  wall_ms: number;

  constructor(wallMs: number) {
    this.wall_ms = wallMs;
  }

  monotonic(): number {
    return this.#now;
  }

  wall(): number {
    return this.wall_ms + Math.floor(this.#now);
  }

  /** @returns takes it back */
  plan(ms: number, call: () => void): () => void {
    const due = { at: this.#now + ms, call };
    let [from, to] = [0, this.#due.length];
    while (from < to) {
      const middle = (from + to) >>> 1;
      if ((this.#due[middle]?.at ?? 0) > due.at) from = middle + 1;
      else to = middle;
    }
    this.#due.splice(from, 0, due);
    return () => {
      const index = this.#due.indexOf(due);
      if (index >= 0) this.#due.splice(index, 1);
    };
  }

  /** Runs what is due within so many milliseconds, each with all that follows from it at once. */
  async pass(ms: number): Promise<void> {
    const until = this.#now + ms;
    await settled();
    while ((this.#due.at(-1)?.at ?? Infinity) <= until) await this.#step();
    this.#now = until;
  }

  /** Runs until this is so; whether that came in time. */
  async until(holds: () => boolean, withinMs: number): Promise<boolean> {
    const end = this.#now + withinMs;
    await settled();
    while (!holds()) {
      if ((this.#due.at(-1)?.at ?? Infinity) > end) return false;
      await this.#step();
    }
    return true;
  }

  /** Runs until this has come to something. @throws what it throws, or an Error where nothing came of it in time */
  async result<T>(of: Promise<T>, withinMs: number): Promise<T> {
    const state = { over: false };
    const over = of.finally(() => (state.over = true));
    over.catch(() => undefined);
    if (!(await this.until(() => state.over, withinMs))) throw new Error(`nothing came of it within ${withinMs} ms`);
    return over;
  }

  async #step(): Promise<void> {
    const due = this.#due.pop();
    if (due === undefined) return;
    this.#now = due.at;
    due.call();
    await settled();
  }
}

/** Promises that are settled, and those that they settle, have run: before anything else is due. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** What one process has of time. When it ends, nothing of it happens any more. */
export class Life implements Timers {
  alive = true;

  constructor(readonly loop: Loop) {}

  after(ms: number, call: () => void): () => void {
    return this.loop.plan(ms, () => {
      if (this.alive) call();
    });
  }

  every(ms: number, call: () => void): () => void {
    let cancel = (): void => undefined;
    const again = (): void => {
      cancel = this.after(ms, () => {
        again();
        call();
      });
    };
    again();
    return () => {
      cancel();
    };
  }

  turnEnd(call: () => void): void {
    this.after(0, call);
  }
}

/** Random bytes from the seed. */
export function drawnRandom(dice: Dice): Random {
  return {
    fill(bytes) {
      for (let i = 0; i < bytes.length; i++) bytes[i] = dice.below(256);
    },
  };
}
