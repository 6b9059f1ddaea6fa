import { parentPort, workerData } from "node:worker_threads";
import { systemTimers } from "../system/index.js";
import { StoreFile } from "./file.js";
import { serveStore } from "./keeper.js";

if (parentPort === null) throw new Error("this module is a worker's");
const { file, durable } = workerData as { file: string; durable: number | null };
serveStore(parentPort, () => new StoreFile(file), systemTimers, durable);
