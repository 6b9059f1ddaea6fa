import { parentPort, workerData } from "node:worker_threads";
import { systemTimers } from "../system/index.js";
import { nodeFiles } from "./files.js";
import { serveWriter, type WriterOptions } from "./writer.js";

if (parentPort === null) throw new Error("this module is a worker's");
const { directory, ...options } = workerData as { directory: string } & WriterOptions;
serveWriter(parentPort, nodeFiles(directory), options, systemTimers);
