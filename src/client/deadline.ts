import type { Cancelling } from "./cancelling.js";
import { Undecided } from "./errors.js";
import type { Outside } from "./outside.js";

/**
 * Settles by its deadline whatever the work does, and tells the work so by its signal.
 * @param signal of whoever called, who may lose interest
 * @throws Undecided `deadline`, `cancelled`
 */
export function within<T>(
  outside: Pick<Outside, "after">,
  ms: number,
  signal: Cancelling | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  return new Promise<T>((resolve, reject) => {
    const settled = watched(outside, ms, signal, (error) => {
      reject(error);
      controller.abort(error);
    });
    if (!controller.signal.aborted) work(controller.signal).then(resolve, reject).finally(settled);
  });
}

/**
 * As `within`, of work that is mostly over in the turn of the event loop in which it began: in that turn no time is up and nobody
 * loses interest, so it is watched from its end on.
 * @throws Undecided `deadline`, `cancelled`
 */
export function withinTurns<T>(
  outside: Pick<Outside, "after">,
  turns: { turnEnd: (call: () => void) => void },
  ms: number,
  signal: Cancelling | undefined,
  work: () => Promise<T>,
): Promise<T> {
  if (signal?.aborted === true) return Promise.reject(new Undecided("cancelled"));
  return new Promise<T>((resolve, reject) => {
    let settled: (() => void) | null = null;
    let isOver = false;
    const over = (): void => {
      isOver = true;
      settled?.();
    };
    work().then(resolve, reject).finally(over);
    turns.turnEnd(() => {
      if (!isOver) settled = watched(outside, ms, signal, reject);
    });
  });
}

/** Calls `stop` once when time is up or whoever called has lost interest. @returns what ends the watch */
function watched(
  { after }: Pick<Outside, "after">,
  ms: number,
  signal: Cancelling | undefined,
  stop: (error: Undecided) => void,
): () => void {
  const end = (): void => {
    cancel();
    signal?.removeEventListener("abort", cancelled);
  };
  const stopped = (code: "deadline" | "cancelled"): void => {
    end();
    stop(new Undecided(code));
  };
  const cancelled = (): void => {
    stopped("cancelled");
  };
  const cancel = after(Math.max(0, ms), () => {
    stopped("deadline");
  });
  signal?.addEventListener("abort", cancelled, { once: true });
  if (signal?.aborted === true) cancelled();
  return end;
}

export function pause({ after }: Pick<Outside, "after">, ms: number): Promise<void> {
  return new Promise((resolve) => {
    after(ms, resolve);
  });
}
