/**
 * Bounds what is decided at once. Refusing the rest must cost little, or refusing would be all there is time for. What one
 * caller asks for in batches waits for its own before it, so that others wait for little of it.
 */
import { Problem } from "../contract/index.js";
import type { Timers } from "../system/index.js";

/** A refusal is held back for so long, as `Retry-After` says too: who is refused at once asks again at once. */
const HELD_MS = 1000;

/**
 * Counts a request while it decides; called once its body has arrived, since slow senders must not count.
 * @param by a caller's id, or what stands for it until it is proven; nobody has more than a share, so that others find room. Left out: no
 * share
 * @param decisions about how many it asks for: of one caller no more than its share are begun at once, except for the last request's
 * @throws Problem `overloaded`, held back, if the room, or the caller's share of it, has filled meanwhile
 */
export type Admit = <T>(decide: () => Promise<T>, by?: string, decisions?: number) => Promise<T>;

/** Bytes of one action with its resource, about. */
const DECISION_BYTES = 256;

/** About how many decisions a body asks for: it is not read before somebody has room for it. */
export const decisionsIn = ({ length }: Uint8Array): number => Math.max(1, Math.floor(length / DECISION_BYTES));

/** Share of one caller where nothing else says how much that is: however much it asks for, there is room for others. */
export const halfOf = (max: number): number => Math.max(1, Math.floor(max / 2));

export interface Admission {
  /** True if the next request would be refused: checked before its body is read. */
  readonly full: boolean;
  /** Requests that are decided now. */
  readonly underWay: number;
  /** True if as many requests are under way as one caller may have: from then on it matters whose each is. */
  readonly contended: boolean;
  admit: Admit;
  /** Counts the requests of one share in another from now on: both callers turned out to be the same. */
  merge: (from: string, into: string) => void;
  /** Calls when a refusal has been held back for long enough. Bounded by the connections: each waits for one answer. */
  hold: (refuse: () => void) => void;
}

/** Share of one caller. */
interface Share {
  by: string;
  /** The share that this one became a part of. */
  within: Share | null;
  requests: number;
  /** Begun. */
  decisions: number;
  waiting: { decisions: number; begin: () => void }[];
}

/**
 * Returns the admission of one door or several.
 * @param max requests under way
 * @param share_max requests of one caller, and the decisions that these ask for
 */
export function admission(max: number, timers: Timers, share_max = max): Admission {
  let underWay = 0;
  /** Shares of callers with requests under way; so at most `max`. */
  const shares = new Map<string, Share>();
  const hold = (refuse: () => void): void => {
    timers.after(HELD_MS, refuse);
  };
  return {
    get full() {
      return underWay >= max;
    },
    get underWay() {
      return underWay;
    },
    get contended() {
      return underWay >= share_max;
    },
    hold,
    async admit(decide, by, decisions = 1) {
      const share = by === undefined ? null : (shares.get(by) ?? { by, within: null, requests: 0, decisions: 0, waiting: [] });
      if (underWay >= max || (share !== null && share.requests >= share_max)) {
        await new Promise<void>(hold);
        throw new Problem("overloaded");
      }
      underWay++;
      if (share !== null) {
        share.requests++;
        shares.set(share.by, share);
        if (share.decisions < share_max) share.decisions += decisions;
        else await new Promise<void>((begin) => share.waiting.push({ decisions, begin }));
      }
      try {
        return await decide();
      } finally {
        underWay--;
        if (share !== null) {
          const own = wholeOf(share);
          own.decisions -= decisions;
          if (--own.requests === 0) shares.delete(own.by);
          else beginMore(own, share_max);
        }
      }
    },
    merge(from, into) {
      const part = shares.get(from);
      if (part === undefined || from === into) return;
      shares.delete(from);
      const whole = shares.get(into) ?? { by: into, within: null, requests: 0, decisions: 0, waiting: [] };
      shares.set(into, whole);
      part.within = whole;
      whole.requests += part.requests;
      whole.decisions += part.decisions;
      whole.waiting.push(...part.waiting.splice(0));
    },
  };
}

function wholeOf(share: Share): Share {
  return share.within === null ? share : wholeOf(share.within);
}

function beginMore(share: Share, max: number): void {
  while (share.decisions < max) {
    const next = share.waiting.shift();
    if (next === undefined) return;
    share.decisions += next.decisions;
    next.begin();
  }
}
