/** The inner side of `childProcess`: the messages of a process's owner, and an end that follows the owner's. */
import { getPriority, setPriority } from "node:os";
import { BACKGROUND_NICE, NICE_MAX } from "./thread.js";

export interface OwnerPort<To, From> {
  send(message: From): void;
  onMessage(call: (message: To) => void): void;
  /** Lets the process end once nothing keeps it. */
  close(): void;
}

/** Makes this process a background process of its owner: all that it has must be derived, since the owner's end is its own at once. */
export function ownerPort<To, From>(): OwnerPort<To, From> {
  try {
    setPriority(0, Math.min(NICE_MAX, getPriority(0) + BACKGROUND_NICE));
  } catch {
    // Where that isn't allowed it shares the processor like the others.
  }
  // A signal to all processes of the service is for the service: it ends this one, or is gone.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => undefined);
  // An orderly exit would wait for an engine that may be busy.
  const end = (): void => {
    process.kill(process.pid, "SIGKILL");
  };
  process.on("disconnect", end);
  // The service may have ended before anybody listened for it.
  if (!process.connected) end();
  return {
    send(message) {
      if (process.connected) process.send?.(message);
    },
    onMessage(call) {
      process.on("message", (message) => {
        call(message as To);
      });
    },
    close() {
      process.disconnect();
    },
  };
}
