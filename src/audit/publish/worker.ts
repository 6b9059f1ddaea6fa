/** The thread that publishes the log as static files: it reads the log's folder itself, and nothing waits for it. */
import { parentPort, workerData } from "node:worker_threads";
import { errorMessage } from "../../system/error_message.js";
import { systemTimers } from "../../system/index.js";
import { runInBackground } from "../../system/thread.js";
import { PublishedLog } from "./published_log.js";
import type { FromPublisher, PublisherOptions } from "./publisher.js";

if (parentPort === null) throw new Error("this module is a worker's");
const port = parentPort;
const { directory, dir, interval_ms } = workerData as PublisherOptions;
const published = new PublishedLog(directory, dir);
const reply = (message: FromPublisher): void => {
  port.postMessage(message);
};

runInBackground();
publish();
const stop = systemTimers.every(interval_ms, publish);

function publish(): void {
  try {
    reply({ kind: "published", ...published.publish() });
  } catch (cause) {
    reply({ kind: "failed", detail: errorMessage(cause) });
  }
}

port.on("message", () => {
  stop();
  // What was signed last is published too.
  publish();
  reply({ kind: "closed" });
  port.close();
});
