/** A worker that keeps a store as any does, and ends when a change of the key `die` is on the disk, before it says so. */
import { parentPort, workerData } from "node:worker_threads";
import { StoreFile } from "../../src/store/file.js";
import { serveStore } from "../../src/store/keeper.js";
import { systemTimers } from "../../src/system/index.js";

if (parentPort === null) throw new Error("this module is a worker's");
const { file, durable } = workerData as { file: string; durable: number | null };

class DyingFile extends StoreFile {
  override write(calls: Parameters<StoreFile["write"]>[0]): ReturnType<StoreFile["write"]> {
    const outcomes = super.write(calls);
    if (calls.flatMap(({ rows }) => rows).some(({ key }) => key === "die")) process.exit(0);
    return outcomes;
  }
}
serveStore(parentPort, () => new DyingFile(file), systemTimers, durable);
