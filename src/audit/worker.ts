import { parentPort, workerData } from "node:worker_threads";
import { systemClock, systemTimers } from "../system/index.js";
import { nodeFiles } from "./files.js";
import { nodeTiles } from "./tree/tiles.js";
import { serveWriter, type WriterOptions } from "./writer.js";

if (parentPort === null) throw new Error("this module is a worker's");
const { directory, ...options } = workerData as { directory: string } & WriterOptions;
serveWriter(parentPort, nodeFiles(directory), nodeTiles(directory), options, {
  clock: systemClock,
  timers: systemTimers,
});
