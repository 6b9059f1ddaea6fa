/**
 * The writer's side of the log: takes what was handed over, writes it in groups, answers with what is on disk. It runs in
 * a worker (`worker.ts`), so that a stalled disk stalls nobody's event loop.
 */
import { receiveMessageOnPort, type MessagePort } from "node:worker_threads";
import { errorMessage } from "../../system/error_message.js";
import type { Clock, Timers } from "../../system/index.js";
import type { LogFiles } from "./files.js";
import { Seal, type SealOptions } from "./seal.js";
import { LogDamaged, Segments, type Cut } from "./segments.js";
import type { TileFiles } from "../tree/tiles.js";
import { Utf8 } from "./utf8.js";

/**
 * `lines` are records up to `seq`, and `beside` what stands beside them; those of an epoch before the last failure are
 * dropped, they were refused already.
 */
export type ToWriter = { epoch: number; lines: string; beside: string; seq: number } | { id: number; ask: TreeQuestion } | "close";

/** Question to the tree. */
export type TreeQuestion =
  | { kind: "checkpoint" }
  | { kind: "inclusion"; indices: readonly number[] }
  | { kind: "consistency"; before: number }
  | { kind: "tile"; level: number; n: number; width: number };

export type FromWriter =
  /** Ready for the record after `seq`, in this epoch: at the start, and again after each failure. */
  | { kind: "ready"; epoch: number; seq: number; cut: Cut | null }
  | { kind: "durable"; seq: number }
  | { kind: "failed"; detail: string }
  /** Records are on disk; what proves them isn't, and is tried again. */
  | { kind: "unsealed"; detail: string }
  | { kind: "answer"; id: number; answer: unknown }
  | { kind: "refused"; id: number; range: boolean; detail: string }
  | { kind: "closed" };

export interface WriterOptions extends SealOptions {
  /** Time for which records may be on disk and covered by no checkpoint. */
  checkpoint_ms: number;
  segment_bytes: number;
  /** The last record that an earlier writer of this process said was durable; null where there was none. */
  durable: number | null;
}

/** Bytes at which a group is complete; see `TORN_BYTES_MAX`. */
const GROUP_BYTES_MAX = 1024 * 1024;
const PROBE_MS = 250;

export function serveWriter(
  port: MessagePort,
  files: LogFiles,
  tiles: TileFiles,
  options: WriterOptions,
  { clock, timers }: { clock: Clock; timers: Timers },
): void {
  const segments = new Segments(files, options.segment_bytes);
  const seal = new Seal(files, tiles, options);
  const lines = new Utf8();
  const besides = new Utf8();
  let signedAt = clock.monotonic();
  let stopSigning: (() => void) | null = null;
  let epoch = 0;
  let state: "opening" | "writing" | "failed" = "opening";
  let stopProbing: (() => void) | null = null;
  const reply = (message: FromWriter): void => {
    port.postMessage(message);
  };

  function begin(): void {
    const cut = state === "opening" ? open() : (segments.recover(), null);
    state = "writing";
    epoch++;
    reply({ kind: "ready", epoch, seq: segments.seq, cut });
  }

  function open(): Cut | null {
    const checkpoint = seal.read();
    // What is signed was on disk, whether or not an earlier writer lived to say so.
    const durable = options.durable === null ? null : Math.max(options.durable, checkpoint?.size ?? 0);
    const { seq, cut } = segments.open(durable, checkpoint?.size);
    // An empty log is signed before its first record: a log without a checkpoint has lost it.
    if (checkpoint === null && seq > 0)
      throw new LogDamaged(`the log has ${seq} records and no checkpoint: put back the last one that was kept`);
    seal.open(checkpoint, seq, (from) => segments.lines(from), segments.dropped);
    if (checkpoint === null) seal.sign();
    else if (!seal.isSigned) sign();
    return cut;
  }

  /** At most `checkpoint_ms` after a record is on disk, and in a later turn than it was told of: what is signed is never cut. */
  function planSigning(): void {
    if (seal.isSigned) return;
    const sinceLast = clock.monotonic() - signedAt;
    stopSigning ??= timers.after(Math.max(0, options.checkpoint_ms - sinceLast), sign);
  }

  function sign(): void {
    stopSigning?.();
    stopSigning = null;
    signedAt = clock.monotonic();
    try {
      seal.sign();
    } catch (cause) {
      reply({ kind: "unsealed", detail: errorMessage(cause) });
    }
  }

  function answer({ id, ask }: { id: number; ask: TreeQuestion }): void {
    try {
      reply({ kind: "answer", id, answer: answerOf(ask) });
    } catch (cause) {
      reply({ kind: "refused", id, range: cause instanceof RangeError, detail: errorMessage(cause) });
    }
  }

  function answerOf(ask: TreeQuestion): unknown {
    switch (ask.kind) {
      case "checkpoint":
        return seal.sign();
      case "inclusion":
        return seal.inclusion(ask.indices);
      case "consistency":
        return seal.consistency(ask.before);
      case "tile":
        return seal.tile(ask.level, ask.n, ask.width);
    }
  }

  function fail(cause: unknown): void {
    if (state === "writing") state = "failed";
    reply({ kind: "failed", detail: errorMessage(cause) });
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
      lines.clear();
      besides.clear();
      let seq = 0;
      while (message !== undefined && message !== "close" && !("ask" in message)) {
        if (lines.length + besides.length >= GROUP_BYTES_MAX) break;
        if (message.epoch === epoch) {
          lines.add(message.lines);
          besides.add(message.beside);
          seq = message.seq;
        }
        message = next();
      }
      if (lines.length > 0 && state === "writing") write(seq);
      if (message !== undefined && message !== "close" && "ask" in message) {
        answer(message);
        message = next();
      }
    }
    if (message === "close") close();
  }

  function write(seq: number): void {
    const bytes = lines.bytes();
    try {
      segments.append(bytes, seq, besides.length === 0 ? undefined : besides.bytes());
    } catch (cause) {
      fail(cause);
      return;
    }
    // Answers leave before the tree grows: it is not what they wait for.
    reply({ kind: "durable", seq });
    seal.grow(bytes);
    planSigning();
  }

  function next(): ToWriter | undefined {
    return (receiveMessageOnPort(port) as { message: ToWriter } | undefined)?.message;
  }

  function close(): void {
    stopProbing?.();
    if (state === "writing" && !seal.isSigned) sign();
    stopSigning?.();
    segments.close();
    reply({ kind: "closed" });
    port.close();
  }

  port.on("message", take);
  attempt();
}
