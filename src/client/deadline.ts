import { Undecided } from "./errors.js";
import type { Outside } from "./outside.js";

/**
 * Settles by its deadline whatever the work does, and tells the work so by its signal.
 * @param signal of whoever called, who may lose interest
 * @throws Undecided `deadline`, `cancelled`
 */
export function within<T>(
  { after }: Pick<Outside, "after">,
  ms: number,
  signal: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  return new Promise<T>((resolve, reject) => {
    const stop = (code: "deadline" | "cancelled"): void => {
      const error = new Undecided(code);
      settled();
      reject(error);
      controller.abort(error);
    };
    const cancelled = (): void => {
      stop("cancelled");
    };
    const cancel = after(Math.max(0, ms), () => {
      stop("deadline");
    });
    const settled = (): void => {
      cancel();
      signal?.removeEventListener("abort", cancelled);
    };
    signal?.addEventListener("abort", cancelled, { once: true });
    if (signal?.aborted === true) {
      cancelled();
      return;
    }
    work(controller.signal).then(resolve, reject).finally(settled);
  });
}

export function pause({ after }: Pick<Outside, "after">, ms: number): Promise<void> {
  return new Promise((resolve) => {
    after(ms, resolve);
  });
}
