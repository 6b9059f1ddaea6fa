import { parentPort } from "node:worker_threads";
import { systemClock, systemTimers } from "../../system/index.js";
import { given } from "../../system/thread.js";
import { nodeFiles } from "./files.js";
import { nodeTiles } from "../tree/tiles.js";
import { serveWriter, type WriterOptions } from "./writer.js";

if (parentPort === null) throw new Error("this module is a worker's");
const { directory, ...options } = given() as { directory: string } & WriterOptions;
serveWriter(parentPort, nodeFiles(directory), nodeTiles(directory), options, {
  clock: systemClock,
  timers: systemTimers,
});
