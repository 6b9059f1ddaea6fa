/**
 * The outside world, passed in: nothing else in `src` reads a clock, starts a timer or draws a random number, so a run
 * can be moved in time and replayed from a seed.
 */
import { randomFillSync } from "node:crypto";

export interface Clock {
  /** Milliseconds since the epoch. For stated validity and for records; may jump. */
  wall(): number;
  /** Milliseconds since an arbitrary start. For leases and lifetimes; never goes back. */
  monotonic(): number;
}

export interface Timers {
  /** Calls once after `ms` milliseconds; the returned function cancels it. Does not keep the process alive. */
  after(ms: number, call: () => void): () => void;
  /** Calls every `ms` milliseconds until cancelled. Does not keep the process alive. */
  every(ms: number, call: () => void): () => void;
  /** Calls at the end of this turn of the event loop. */
  turnEnd(call: () => void): void;
}

export interface Random {
  /** Fills the bytes from a cryptographic source. */
  fill(bytes: Uint8Array): void;
}

export interface System {
  clock: Clock;
  timers: Timers;
  random: Random;
}

export const systemClock: Clock = {
  wall: () => Date.now(),
  monotonic: () => performance.now(),
};

export const systemTimers: Timers = {
  after(ms, call) {
    const timer = setTimeout(call, ms).unref();
    return () => {
      clearTimeout(timer);
    };
  },
  every(ms, call) {
    const timer = setInterval(call, ms).unref();
    return () => {
      clearInterval(timer);
    };
  },
  turnEnd(call) {
    setImmediate(call);
  },
};

export function pause(timers: Pick<Timers, "after">, ms: number): Promise<void> {
  return new Promise((resolve) => {
    timers.after(ms, resolve);
  });
}

/** Resolves at the end of this turn of the event loop: what takes long lets others have theirs. */
export function othersTurn(timers: Pick<Timers, "turnEnd">): Promise<void> {
  return new Promise((resolve) => {
    timers.turnEnd(resolve);
  });
}

/** For commands that wait: it keeps the process alive. */
export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

export const systemRandom: Random = {
  fill(bytes) {
    randomFillSync(bytes);
  },
};

export const system: System = { clock: systemClock, timers: systemTimers, random: systemRandom };
