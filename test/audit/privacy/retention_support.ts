import { createHash } from "node:crypto";
import { join } from "node:path";
import { SegmentLog } from "../../../src/audit/log/log.js";
import { carryOutAlone, planRetention, type Before, type RetentionPlan } from "../../../src/audit/privacy/retention.js";
import { systemTimers } from "../../../src/system/index.js";
import { signerPemOf } from "../sealing.js";
import { temporaryDirectory } from "../temporary.js";
import { ORIGIN, writeLog, type Written, type WrittenOptions } from "../tree/written.js";

export const PEM = signerPemOf(createHash("sha256").update("the log's key").digest());
export const RECORDS = 1000;
/** Long after all of it. */
export const NOW = Date.UTC(2026, 5, 1);

export function written(options: Partial<WrittenOptions> = {}): Written {
  return writeLog(join(temporaryDirectory(), "log"), { records: RECORDS, segment_records: 100, beside_every: 30, ...options });
}

export const plan = (log: Written, before: Before = { seq: 601 }, nowMs = NOW): Promise<RetentionPlan> =>
  planRetention({ directory: log.folder, before, nowMs });

export async function dropped(log: Written, before: Before = { seq: 601 }): Promise<RetentionPlan> {
  const found = await plan(log, before);
  await carryOutAlone(log.folder, found, "ops", NOW);
  return found;
}

export const open = (directory: string): Promise<SegmentLog> =>
  SegmentLog.open(
    {
      directory,
      segment_bytes: 64 * 1024,
      queue_records_max: 1000,
      queue_bytes_max: 1e6,
      keys: [PEM],
      origin: ORIGIN,
      checkpoint_ms: 1000,
      durability: "synced",
    },
    systemTimers,
    { unavailable: () => undefined, ready: () => undefined, lost: () => undefined, unsealed: () => undefined },
  );
