/** A worker thread as its owner sees it; in tests the same code may run in this thread. */
import { getPriority, setPriority } from "node:os";
import { Worker, parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";

export interface Thread<To, From> {
  postMessage(message: To): void;
  onMessage(call: (message: From) => void): void;
  /** The thread ended without being asked to. */
  onDeath(call: (cause: Error) => void): void;
  terminate(): void;
}

/** Stand-in for the data of a thread that begins ahead: it waits until the number is no longer 0, and then receives its data. */
interface Later {
  begin: Int32Array;
}

const ahead = new Map<string, { worker: Worker } & Later>();

/**
 * Begins a thread before its data is known: `workerThread` of the same module takes it. The module calls `given` when
 * nothing is left to do without its data.
 */
export function startAhead(module: URL): void {
  const key = module.href;
  const begin = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  const worker = newWorker(module, { begin } satisfies Later);
  const forget = (): void => {
    if (ahead.get(key)?.worker === worker) ahead.delete(key);
  };
  // Whoever wants it finds none, and begins one that can say why it doesn't.
  worker.on("error", forget).on("exit", forget);
  ahead.set(key, { worker, begin });
}

/** Ends the threads that nobody took. */
export function endAhead(): void {
  for (const { worker } of ahead.values()) void worker.terminate();
  ahead.clear();
}

/** Returns the thread's data; waits for it if the thread was begun ahead. */
export function given(): unknown {
  const begin = (workerData as Partial<Later> | null)?.begin;
  if (!(begin instanceof Int32Array) || parentPort === null) return workerData;
  Atomics.wait(begin, 0, 0);
  return (receiveMessageOnPort(parentPort) as { message: unknown }).message;
}

/** Points of `nice` by which background threads stand behind the threads that decide. */
export const BACKGROUND_NICE = 10;
export const NICE_MAX = 19;

/** Lowers the priority of the calling thread below its process's, however nice that is. Elsewhere than on Linux it would lower the whole process, so it does nothing. */
export function runInBackground(): void {
  if (process.platform !== "linux") return;
  try {
    setPriority(0, Math.min(NICE_MAX, getPriority(0) + BACKGROUND_NICE));
  } catch {
    // Where that isn't allowed the thread shares the processor like the others.
  }
}

/** @param module says `{kind: "closed"}` last, where it ends because it was asked to */
export function workerThread<To, From extends { kind: string }>(module: URL, data: unknown): Thread<To, From> {
  const worker = takeAhead(module, data) ?? newWorker(module, data);
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

function takeAhead({ href }: URL, data: unknown): Worker | null {
  const waiting = ahead.get(href);
  if (waiting === undefined) return null;
  ahead.delete(href);
  waiting.worker.removeAllListeners();
  waiting.worker.postMessage(data);
  Atomics.store(waiting.begin, 0, 1);
  Atomics.notify(waiting.begin, 0);
  return waiting.worker;
}

function newWorker(module: URL, data: unknown): Worker {
  // V8's usual young generation takes 32 MB as soon as a thread is busy; these make little that lives.
  return new Worker(module, { workerData: data, resourceLimits: { maxYoungGenerationSizeMb: 4 } });
}
