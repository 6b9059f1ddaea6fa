/** A worker thread as its owner sees it; in tests the same code may run in this thread. */
import { Worker } from "node:worker_threads";

export interface Thread<To, From> {
  postMessage(message: To): void;
  onMessage(call: (message: From) => void): void;
  /** The thread ended without being asked to. */
  onDeath(call: (cause: Error) => void): void;
  terminate(): void;
}

/**
 * @param module says `{kind: "closed"}` last, where it ends because it was asked to
 * @param heapMbMax it ends when its heap is larger
 */
export function workerThread<To, From extends { kind: string }>(
  module: URL,
  workerData: unknown,
  heapMbMax?: number,
): Thread<To, From> {
  // V8's usual young generation takes 32 MB as soon as a thread is busy; these make little that lives.
  const young = { maxYoungGenerationSizeMb: 4 };
  const resourceLimits = heapMbMax === undefined ? young : { ...young, maxOldGenerationSizeMb: heapMbMax };
  const worker = new Worker(module, { workerData, resourceLimits });
  return {
    postMessage(message) {
      worker.postMessage(message);
    },
    onMessage(call) {
      worker.on("message", call);
    },
    onDeath(call) {
      let closed = false;
      worker.on("message", ({ kind }: From) => (closed ||= kind === "closed"));
      worker.on("error", call);
      worker.on("exit", (code) => {
        // An `error` event came before a non-zero exit.
        if (!closed && code === 0) call(new Error("it exited"));
      });
    },
    terminate() {
      void worker.terminate();
    },
  };
}
