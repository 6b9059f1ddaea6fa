/** Process that has a log's records: neither a failure of its engine nor its memory affects the service that decides. */
import { getPriority, setPriority } from "node:os";
import { BACKGROUND_NICE, NICE_MAX } from "../system/thread.js";
import { system } from "../system/index.js";
import { serveRecords, type FromRecords, type ServingOptions, type ToRecords } from "./serve.js";

try {
  setPriority(0, Math.min(NICE_MAX, getPriority(0) + BACKGROUND_NICE));
} catch {
  // Where that isn't allowed it shares the processor like the others.
}
// A signal to all processes of the service is for the service: it ends this one, or is gone.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => undefined);
// All that it has is derived, and an orderly exit waits for the engine.
const end = (): void => {
  process.kill(process.pid, "SIGKILL");
};
process.on("disconnect", end);
// The service may have ended before anybody listened for it.
if (!process.connected) end();

const send = (message: FromRecords): void => {
  if (process.connected) process.send?.(message);
};
const listeners: ((message: ToRecords) => void)[] = [];

serveRecords(
  {
    send,
    onMessage: (call) => {
      listeners.push(call);
    },
    close: () => {
      process.disconnect();
    },
  },
  JSON.parse(process.argv[2] ?? "") as ServingOptions,
  system,
);
process.on("message", (message) => {
  for (const call of listeners) call(message as ToRecords);
});
