import { SegmentLog, type LogEvents, type LogOptions, type WriterThread } from "../../src/audit/log/log.js";
import type { FromWriter } from "../../src/audit/log/writer.js";
import { type Durability } from "../../src/contract/index.js";
import { systemTimers } from "../../src/system/index.js";
import { SEALING } from "./sealing.js";
import { temporaryDirectory } from "./temporary.js";

export const sizes = {
  ...{ segment_bytes: 4096, queue_records_max: 1000, queue_bytes_max: 100_000 },
  ...SEALING,
  durability: "synced" as Durability,
};
export const quiet: LogEvents = {
  unavailable: () => undefined,
  ready: () => undefined,
  lost: () => undefined,
  unsealed: () => undefined,
};

export const openLog = (directory: string, options: Partial<LogOptions> = {}, events = quiet): Promise<SegmentLog> =>
  SegmentLog.open({ directory, ...sizes, ...options }, systemTimers, events);

/** A log whose writer reports what the test says, when the test says so. */
export interface Reported {
  log: SegmentLog;
  /** Reports that the disk has the records up to this one. */
  report: (seq: number) => void;
}

/** @param Log of another build */
export async function reportedLog(Log = SegmentLog): Promise<Reported> {
  let tell = (_: FromWriter): void => undefined;
  const writer: WriterThread = {
    postMessage: (message) => {
      if (message === "close") tell({ kind: "closed" });
    },
    onMessage: (call) => {
      tell = call;
    },
    onDeath: () => undefined,
    terminate: () => undefined,
  };
  const opening = Log.open({ directory: temporaryDirectory(), ...sizes }, systemTimers, quiet, () => writer);
  tell({ kind: "ready", epoch: 1, seq: 0, cut: null });
  const log = await opening;
  return {
    log,
    report: (seq) => {
      tell({ kind: "durable", seq });
    },
  };
}
