import type { Timers } from "./index.js";

/**
 * Settles as the work does, or rejects once its time is over. The work itself goes on.
 * @param late called then: says so to whoever does the work, and returns what to reject with
 */
export function byDeadline<T>(timers: Pick<Timers, "after">, ms: number, work: Promise<T>, late: () => Error): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = timers.after(ms, () => {
      reject(late());
    });
    void work.then(resolve, reject).finally(cancel);
  });
}
