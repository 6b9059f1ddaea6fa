import { SegmentLog, type LogEvents, type LogOptions } from "../../src/audit/log.js";
import { type Durability } from "../../src/contract/index.js";
import { systemTimers } from "../../src/system/index.js";
import { SEALING } from "./sealing.js";

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
