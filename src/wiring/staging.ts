/** Stages of bundles, with what the operator is told of their end. */
import type { StagedBundle } from "../contract/index.js";
import type { OwnRecords } from "../audit/own_records.js";
import { Staging, type StageEnd, type StageLimits, type StageStatus } from "../policy/staging.js";
import type { System } from "../system/index.js";
import type { Logger } from "../system/logger.js";

/** Ends that nobody asked for. */
const BY_ITSELF: ReadonlySet<StageEnd> = new Set<StageEnd>(["flips", "errors", "expired"]);

export function wireStaging(limits: StageLimits, records: OwnRecords, { clock, timers }: System, logger: Logger): Staging {
  return new Staging({
    clock,
    timers,
    limits,
    ended: (why, status) => {
      const { identity, share, compared, flips, errors } = status;
      const fields = { code: "stage_ended", why, ...identity, share, compared, flips, errors };
      if (BY_ITSELF.has(why)) logger.error("a staged bundle is dropped; the active one decides for all", fields);
      else logger.info("the stage of a bundle has ended", fields);
      records.note({ kind: "admin", caller: "remit", action: "stage_ended", detail: { why, ...stagedAnswer(status) } });
    },
  });
}

export function stagedAnswer({ since_ms, ...status }: StageStatus): StagedBundle {
  return { ...status, since: new Date(since_ms).toISOString() };
}
