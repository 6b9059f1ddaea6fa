/** Sheds load while that is cheap: once the body is there, since slow ones must not count, and before anyone reads it. */
import { Problem } from "../contract/index.js";
import type { Timers } from "../system/index.js";

/** A refusal is held back for so long: who is refused at once asks again at once, and refusing would take all the time. */
const HELD_MS = 500;

/** @throws Problem `overloaded` where `max` are under way */
export type Admit = <T>(decide: () => Promise<T>) => Promise<T>;

export function admission(max: number, timers: Timers): Admit {
  let underWay = 0;
  return async (decide) => {
    if (underWay >= max) {
      // Bounded by the connections, each of which waits for one answer at a time.
      await new Promise<void>((resolve) => timers.after(HELD_MS, resolve));
      throw new Problem("overloaded");
    }
    underWay++;
    try {
      return await decide();
    } finally {
      underWay--;
    }
  };
}
