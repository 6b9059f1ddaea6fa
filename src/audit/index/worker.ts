import { setPriority } from "node:os";
import { parentPort } from "node:worker_threads";
import { system } from "../../system/index.js";
import { given } from "../../system/thread.js";
import { serveIndex, type IndexerOptions } from "./serve.js";

if (parentPort === null) throw new Error("this module is a worker's");
const NICE = 10;
try {
  // On Linux this is of the calling thread alone. What decides goes before what looks back.
  if (process.platform === "linux") setPriority(0, NICE);
} catch {
  // It then shares the processor as others do.
}
serveIndex(parentPort, given() as IndexerOptions, system);
