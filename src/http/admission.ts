/** Bounds what is decided at once. Refusing the rest must cost little, or refusing would be all there is time for. */
import type { IncomingMessage } from "node:http";
import { Problem } from "../contract/index.js";
import type { Timers } from "../system/index.js";

/** A refusal is held back for so long, as `Retry-After` says too: who is refused at once asks again at once. */
const HELD_MS = 1000;

/**
 * Counts while it decides; called once the body is there, since those that are slow must not count.
 * @param by who asks, as far as it says; one has no more than its share, so that others find room. Left out: nobody's share
 * @throws Problem `overloaded`, held back, where the room, or its share of it, has filled meanwhile
 */
export type Admit = <T>(decide: () => Promise<T>, by?: string) => Promise<T>;

/** By its token, before anybody has looked at that: who sends another with each request is refused as soon as it is. */
export const byOf = ({ headers }: Pick<IncomingMessage, "headers">): string => headers.authorization ?? "";

export interface Admission {
  /** Whether whoever comes now is refused: asked before a request's body is read. */
  readonly full: boolean;
  admit: Admit;
  /** Calls when a refusal has been held back for long enough. Bounded by the connections: each waits for one answer. */
  hold: (refuse: () => void) => void;
}

/**
 * @param max decisions under way
 * @param share_max of one who asks
 */
export function admission(max: number, timers: Timers, share_max = max): Admission {
  let underWay = 0;
  /** Of each who has some under way; so no more of them than `max`. */
  const shares = new Map<string, number>();
  const hold = (refuse: () => void): void => {
    timers.after(HELD_MS, refuse);
  };
  return {
    get full() {
      return underWay >= max;
    },
    hold,
    async admit(decide, by) {
      const share = by === undefined ? 0 : (shares.get(by) ?? 0);
      if (underWay >= max || share >= share_max) {
        await new Promise<void>(hold);
        throw new Problem("overloaded");
      }
      underWay++;
      if (by !== undefined) shares.set(by, share + 1);
      try {
        return await decide();
      } finally {
        underWay--;
        if (by !== undefined) leave(shares, by);
      }
    },
  };
}

function leave(shares: Map<string, number>, by: string): void {
  const left = (shares.get(by) ?? 1) - 1;
  if (left === 0) shares.delete(by);
  else shares.set(by, left);
}
