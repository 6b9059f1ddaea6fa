import { parentPort } from "node:worker_threads";
import { systemTimers } from "../system/index.js";
import { given } from "../system/thread.js";
import { StoreFile } from "./file.js";
import { serveStore } from "./keeper.js";

if (parentPort === null) throw new Error("this module is a worker's");
const { file, durable } = given() as { file: string; durable: number | null };
serveStore(parentPort, () => new StoreFile(file), systemTimers, durable);
