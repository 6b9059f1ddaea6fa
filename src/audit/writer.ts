/**
 * The writer's side of the log: takes what was handed over, writes it in groups, answers with what is on disk. It runs in
 * a worker (`worker.ts`), so that a stalled disk stalls nobody's event loop.
 */
import { receiveMessageOnPort, type MessagePort } from "node:worker_threads";
import type { Timers } from "../system/index.js";
import { Segments } from "./segments.js";
import type { LogFiles } from "./files.js";

/**
 * `lines` are records up to `seq`, and `beside` what stands beside them; those of an epoch before the last failure are
 * dropped, they were refused already.
 */
export type ToWriter = { epoch: number; lines: string; beside: string; seq: number } | "close";

export type FromWriter =
  /** Ready for the record after `seq`, in this epoch: at the start, and again after each failure. */
  | { kind: "ready"; epoch: number; seq: number; cut_bytes: number }
  | { kind: "durable"; seq: number }
  | { kind: "failed"; detail: string }
  | { kind: "closed" };

export interface WriterOptions {
  segment_bytes: number;
  /** The last record that an earlier writer of this process said was durable; null where there was none. */
  durable: number | null;
}

/** How much one sync may cover; see `TORN_BYTES_MAX`. */
const GROUP_BYTES_MAX = 1024 * 1024;
const PROBE_MS = 250;

export function serveWriter(port: MessagePort, files: LogFiles, options: WriterOptions, timers: Timers): void {
  const segments = new Segments(files, options.segment_bytes);
  let epoch = 0;
  let state: "opening" | "writing" | "failed" = "opening";
  let stopProbing: (() => void) | null = null;
  const reply = (message: FromWriter): void => {
    port.postMessage(message);
  };

  function begin(): void {
    const cutBytes = state === "opening" ? segments.open(options.durable).cut_bytes : (segments.recover(), 0);
    state = "writing";
    epoch++;
    reply({ kind: "ready", epoch, seq: segments.seq, cut_bytes: cutBytes });
  }

  function fail(cause: unknown): void {
    if (state === "writing") state = "failed";
    reply({ kind: "failed", detail: cause instanceof Error ? cause.message : String(cause) });
    stopProbing = timers.after(PROBE_MS, attempt);
  }

  function attempt(): void {
    try {
      begin();
    } catch (cause) {
      fail(cause);
    }
  }

  function take(first: ToWriter): void {
    let message: ToWriter | undefined = first;
    while (message !== undefined && message !== "close") {
      let text = "";
      let beside = "";
      let seq = 0;
      while (message !== undefined && message !== "close" && text.length + beside.length < GROUP_BYTES_MAX) {
        if (message.epoch === epoch) {
          text += message.lines;
          beside += message.beside;
          seq = message.seq;
        }
        message = next();
      }
      if (text !== "" && state === "writing") write(text, beside, seq);
    }
    if (message === "close") close();
  }

  function write(text: string, beside: string, seq: number): void {
    try {
      segments.append(Buffer.from(text), seq, beside === "" ? undefined : Buffer.from(beside));
      reply({ kind: "durable", seq });
    } catch (cause) {
      fail(cause);
    }
  }

  function next(): ToWriter | undefined {
    return (receiveMessageOnPort(port) as { message: ToWriter } | undefined)?.message;
  }

  function close(): void {
    stopProbing?.();
    segments.close();
    reply({ kind: "closed" });
    port.close();
  }

  port.on("message", take);
  attempt();
}
