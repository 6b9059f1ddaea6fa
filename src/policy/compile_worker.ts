/** Meters and compiles one module, and ends. */
import { parentPort, workerData } from "node:worker_threads";
import { compileMetered, type FromCompiler } from "./modules.js";

if (parentPort === null) throw new Error("this module is a worker's");
const say = (message: FromCompiler): void => parentPort?.postMessage(message);
try {
  say({ kind: "compiled", module: compileMetered(workerData as Uint8Array) });
} finally {
  say({ kind: "closed" });
  parentPort.close();
}
