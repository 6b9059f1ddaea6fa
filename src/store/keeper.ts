/**
 * The worker's side of the SQLite store: takes calls from its port, commits those that wait in one transaction, answers
 * with what is on disk. It opens the file again, with growing pauses, for as long as the disk fails.
 */
import { receiveMessageOnPort, type MessagePort } from "node:worker_threads";
import { errorMessage } from "../system/error_message.js";
import type { Timers } from "../system/index.js";
import type { StoreOperations, CallOutcome, Page } from "./file.js";
import { StoreUnreadable } from "./file.js";
import type { NewRows } from "./rows.js";
import type { ChangeFilter } from "./store.js";

export type ToKeeper =
  /** Calls of an epoch before the last failure are dropped, they were refused already. */
  | { kind: "write"; epoch: number; calls: NewRows[] }
  | { kind: "page"; id: number; after: number; limit: number; filter: ChangeFilter; latest: boolean }
  | { kind: "backup"; id: number; file: string }
  | { kind: "close" };

export type FromKeeper =
  /** Ready for changes after `revision`, in this epoch: at the start, and again after each failure. */
  | { kind: "ready"; epoch: number; revision: number }
  /** Outcomes of the oldest calls, in their order. */
  | { kind: "written"; outcomes: CallOutcome[]; revision: number }
  | { kind: "answered"; id: number; page: Page | null }
  | { kind: "refused"; id: number; detail: string }
  | { kind: "failed"; detail: string; unreadable: boolean }
  | { kind: "closed" };

/** Most rows in one commit, unless a single call is larger. */
const GROUP_ROWS_MAX = 2000;
const PROBE_MS = 100;
const PROBE_MS_MAX = 800;

/** @param durable the last revision that was acknowledged; null where the file knows better */
export function serveStore(port: MessagePort, open: () => StoreOperations, timers: Timers, durable: number | null): void {
  let file: StoreOperations | null = null;
  let epoch = 0;
  let probeMs = PROBE_MS;
  let backingUp = false;
  let stopProbing: (() => void) | null = null;
  const reply = (message: FromKeeper): void => {
    port.postMessage(message);
  };

  function begin(): void {
    file = open();
    if (durable !== null) file.recover(durable);
    durable = file.revision;
    probeMs = PROBE_MS;
    reply({ kind: "ready", epoch: ++epoch, revision: durable });
  }

  function fail(cause: unknown): void {
    const failed = file;
    file = null;
    try {
      failed?.close();
    } catch {
      // The handle is given up either way.
    }
    reply({ kind: "failed", detail: errorMessage(cause), unreadable: cause instanceof StoreUnreadable });
    stopProbing = timers.after(probeMs, () => {
      attempt(begin);
    });
    probeMs = Math.min(2 * probeMs, PROBE_MS_MAX);
  }

  function attempt(act: () => void): void {
    try {
      act();
    } catch (cause) {
      fail(cause);
    }
  }

  function take(first: ToKeeper): void {
    let message: ToKeeper | undefined = first;
    while (message !== undefined) {
      if (message.kind !== "write") {
        serve(message);
        message = next();
        continue;
      }
      const calls: NewRows[] = [];
      let rows = 0;
      while (message?.kind === "write" && rows < GROUP_ROWS_MAX) {
        if (message.epoch === epoch) calls.push(...message.calls);
        for (const call of message.calls) rows += call.rows.length;
        message = next();
      }
      if (calls.length > 0)
        attempt(() => {
          write(calls);
        });
    }
  }

  function write(calls: NewRows[]): void {
    if (file === null) return;
    const outcomes = file.write(calls);
    durable = file.revision;
    reply({ kind: "written", outcomes, revision: durable });
  }

  function serve(message: Exclude<ToKeeper, { kind: "write" }>): void {
    switch (message.kind) {
      case "page":
        page(message);
        return;
      case "backup":
        void backup(message.id, message.file);
        return;
      case "close":
        close();
    }
  }

  function page({ id, after, limit, filter, latest }: Extract<ToKeeper, { kind: "page" }>): void {
    if (file === null) {
      reply({ kind: "refused", id, detail: "the disk fails" });
      return;
    }
    try {
      reply({ kind: "answered", id, page: file.page(after, limit, filter, latest) });
    } catch (cause) {
      reply({ kind: "refused", id, detail: errorMessage(cause) });
      fail(cause);
    }
  }

  /** Its failures are the copy's own: most often there is no room for it. */
  async function backup(id: number, to: string): Promise<void> {
    try {
      if (file === null) throw new Error("the disk fails");
      if (backingUp) throw new Error("another backup is being made");
      backingUp = true;
      try {
        await file.backup(to);
      } finally {
        backingUp = false;
      }
      reply({ kind: "answered", id, page: null });
    } catch (cause) {
      reply({ kind: "refused", id, detail: errorMessage(cause) });
    }
  }

  function next(): ToKeeper | undefined {
    return (receiveMessageOnPort(port) as { message: ToKeeper } | undefined)?.message;
  }

  function close(): void {
    stopProbing?.();
    try {
      file?.close();
    } catch {
      // What was acknowledged is in the write-ahead log.
    }
    reply({ kind: "closed" });
    port.close();
  }

  port.on("message", take);
  attempt(begin);
}
