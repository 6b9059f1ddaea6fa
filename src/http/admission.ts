/** Bounds what is decided at once. Refusing the rest must cost little, or refusing would be all there is time for. */
import { Problem } from "../contract/index.js";
import type { Timers } from "../system/index.js";

/** A refusal is held back for so long, as `Retry-After` says too: who is refused at once asks again at once. */
const HELD_MS = 1000;

/**
 * Counts while it decides; called once the body is there, since those that are slow must not count.
 * @throws Problem `overloaded`, held back, where the room has filled meanwhile
 */
export type Admit = <T>(decide: () => Promise<T>) => Promise<T>;

export interface Admission {
  /** Whether whoever comes now is refused: asked before a request's body is read. */
  readonly full: boolean;
  admit: Admit;
  /** Calls when a refusal has been held back for long enough. Bounded by the connections: each waits for one answer. */
  hold: (refuse: () => void) => void;
}

/** @param max decisions under way */
export function admission(max: number, timers: Timers): Admission {
  let underWay = 0;
  const hold = (refuse: () => void): void => {
    timers.after(HELD_MS, refuse);
  };
  return {
    get full() {
      return underWay >= max;
    },
    hold,
    async admit(decide) {
      if (underWay >= max) {
        await new Promise<void>(hold);
        throw new Problem("overloaded");
      }
      underWay++;
      try {
        return await decide();
      } finally {
        underWay--;
      }
    },
  };
}
