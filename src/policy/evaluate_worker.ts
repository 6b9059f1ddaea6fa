/** The evaluating thread: it owns one instance and nothing else, and may be killed at any moment. */
import { readlinkSync } from "node:fs";
import { parentPort, workerData } from "node:worker_threads";
import { BundleError, type BundleCode, type BundleDetail } from "../bundle/errors.js";
import { systemClock } from "../system/index.js";
import { Exchange } from "./exchange.js";
import { PolicyInstance, type InstanceLimits, type Module } from "./instance.js";

export interface EvaluateWorkerData {
  module: Module;
  limits: InstanceLimits;
  buffers: Exchange["buffers"];
  /** Evaluated before the thread says that it is ready, so that its first batch is as fast as later ones. */
  warm_up: string[];
}

/** The thread's first message. Errors lose their class on the way, so a refusal travels as its parts. */
export type StartMessage = { ready: true; cpu_file: string | null } | { refused: BundleCode; detail: BundleDetail };

/** The first hundred evaluations take five times as long as later ones, those after some hundreds hardly longer. */
const WARM_UP = { evaluations: 500, ms: 50 };

function start({ module, limits, buffers, warm_up }: EvaluateWorkerData): StartMessage {
  let instance: PolicyInstance;
  try {
    instance = new PolicyInstance(module, limits);
  } catch (error) {
    if (!(error instanceof BundleError)) throw error;
    return { refused: error.code, detail: error.detail };
  }
  const until = systemClock.monotonic() + WARM_UP.ms;
  for (let done = 0; done < WARM_UP.evaluations && systemClock.monotonic() < until; done++) {
    instance.evaluate(warm_up[done % warm_up.length] ?? "");
  }
  const exchange = new Exchange(buffers);
  parentPort?.on("message", (count: number) => {
    parentPort?.postMessage(exchange.answerAll(count, (input) => instance.evaluateBytes(input)));
  });
  return { ready: true, cpu_file: cpuFile() };
}

/** Where Linux accounts for this thread (proc(5), `schedstat`: nanoseconds on a processor, first); null elsewhere. */
function cpuFile(): string | null {
  try {
    return `/proc/${readlinkSync("/proc/thread-self")}/schedstat`;
  } catch {
    return null;
  }
}

parentPort?.postMessage(start(workerData as EvaluateWorkerData));
