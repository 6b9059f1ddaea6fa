import { parentPort } from "node:worker_threads";
import { system } from "../../system/index.js";
import { given, runInBackground } from "../../system/thread.js";
import { serveIndex, type IndexerOptions } from "./serve.js";

if (parentPort === null) throw new Error("this module is a worker's");
// Deciding goes before searching.
runInBackground();
serveIndex(parentPort, given() as IndexerOptions, system);
