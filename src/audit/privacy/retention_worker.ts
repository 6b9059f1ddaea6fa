/** Finishes a retention that a crash has left, plans the next, and ends. */
import { parentPort, workerData } from "node:worker_threads";
import { errorMessage } from "../../system/error_message.js";
import { runInBackground } from "../../system/thread.js";
import { finishRetention, planRetention, type RetentionOptions, type RetentionPlan } from "./retention.js";

export type FromRetention = { kind: "planned"; plan: RetentionPlan } | { kind: "failed"; detail: string } | { kind: "closed" };

if (parentPort === null) throw new Error("this module is a worker's");
const options = workerData as RetentionOptions;
const say = (message: FromRetention): void => parentPort?.postMessage(message);
runInBackground();
try {
  await finishRetention(options.directory);
  say({ kind: "planned", plan: await planRetention(options) });
} catch (cause) {
  say({ kind: "failed", detail: errorMessage(cause) });
}
say({ kind: "closed" });
parentPort.close();
