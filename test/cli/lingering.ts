/** A process with a read under way that never returns, which is told that its service has stopped. */
import { readFile } from "node:fs";
import { endAnyway } from "../../src/cli/service/serve.js";

const [, , fifo = ""] = process.argv;
readFile(fifo, () => undefined);
endAnyway();
