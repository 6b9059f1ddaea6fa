/** A process of this program as its owner sees it: the same as a thread. */
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Thread } from "./thread.js";

/**
 * @param module is given `data` as JSON in its first argument; sends `{kind: "closed"}` last, if it ends because it was asked to
 * @param heapMbMax megabytes of its heap
 */
export function childProcess<To, From extends { kind: string }>(
  module: URL,
  data: unknown,
  heapMbMax: number,
): Thread<To, From> & { readonly pid: number | undefined } {
  const child = fork(fileURLToPath(module), [JSON.stringify(data)], {
    execArgv: [`--max-old-space-size=${heapMbMax}`, "--max-semi-space-size=2"],
    // One arena: with more of them glibc keeps some 20 MB that nobody uses.
    env: { ...process.env, MALLOC_ARENA_MAX: "1" },
    serialization: "advanced",
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  return {
    pid: child.pid,
    postMessage(message) {
      if (child.connected) child.send(message as object);
    },
    onMessage(call) {
      child.on("message", (message) => {
        call(message as From);
      });
    },
    onDeath(call) {
      let over = false;
      const died = (cause: Error): void => {
        if (over) return;
        over = true;
        call(cause);
      };
      child.on("message", (message) => (over ||= (message as From).kind === "closed"));
      child.on("error", (cause) => {
        // It can't be sent to: what is left of it must not go on beside its successor.
        child.kill("SIGKILL");
        died(cause);
      });
      child.on("exit", (code, signal) => {
        died(new Error(signal === null ? `it exited with code ${code}` : `it was ended by ${signal}`));
      });
    },
    terminate() {
      child.kill("SIGKILL");
    },
  };
}
