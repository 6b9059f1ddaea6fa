/** The process that OPA runs in as WebAssembly: loads it once, then answers one question after the other until its parent is gone. */
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { brotliDecompress } from "node:zlib";
import { askModule, type OpaAnswer, type OpaQuestion } from "./opa_module.js";
import { startModule } from "./wasi.js";
import { errorMessage } from "../system/error_message.js";

export type FromChild = { kind: "answer"; answer: OpaAnswer } | { kind: "broken"; message: string };

const [, , path] = process.argv;
if (path === undefined || process.send === undefined) throw new Error("this module is a child process's");
const say = (message: FromChild): void => void process.send?.(message);
const loading = promisify(brotliDecompress)(await readFile(path)).then(startModule);

process.on("disconnect", () => {
  process.exit();
});
process.on("message", (question: OpaQuestion) => {
  loading
    .then((compiler) => {
      say({ kind: "answer", answer: askModule(compiler, question) });
    })
    .catch((error: unknown) => {
      say({ kind: "broken", message: errorMessage(error) });
    });
});
