/** Stages of bundles, with what the operator is told of their end. */
import type { StagedBundle } from "../contract/index.js";
import type { OwnRecords } from "../audit/log/own_records.js";
import { Staging, type StageEnd, type StageLimits, type StageStatus } from "../policy/staging.js";
import type { System } from "../system/index.js";
import { report } from "../system/log_events.js";
import type { Logger } from "../system/logger.js";

/** Ends that nobody asked for. */
const BY_ITSELF: ReadonlySet<StageEnd> = new Set<StageEnd>(["flips", "errors", "expired"]);

/** @param endedByItself told of the end of a stage that nobody asked for */
export function wireStaging(
  limits: StageLimits,
  records: OwnRecords,
  { clock, timers }: System,
  logger: Logger,
  endedByItself: (why: StageEnd, digest: string) => void,
): Staging {
  return new Staging({
    clock,
    timers,
    limits,
    ended: (why, status) => {
      const { identity, share, compared, flips, errors } = status;
      const fields = { code: "stage_ended", why, ...identity, share, compared, flips, errors };
      report(logger, BY_ITSELF.has(why) ? "bundle_stage_dropped" : "bundle_stage_ended", fields);
      records.note({ kind: "admin", caller: "remit", action: "stage_ended", detail: { why, ...stagedAnswer(status) } });
      if (BY_ITSELF.has(why)) endedByItself(why, identity.digest);
    },
  });
}

export function stagedAnswer({ since_ms, ...status }: StageStatus): StagedBundle {
  return { ...status, since: new Date(since_ms).toISOString() };
}
