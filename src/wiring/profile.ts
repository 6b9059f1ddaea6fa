/** Opens the profile of behaviour beside the records that it follows from. */
import { join } from "node:path";
import type { SegmentLog } from "../audit/log.js";
import { BehaviorProfile } from "../behavior/profile.js";
import { BEHAVIOR_ALGORITHM } from "../behavior/snapshot.js";
import type { KeptProfile, Log } from "../decision/ports.js";
import { stillProfile } from "../decision/still.js";
import type { Config } from "../system/config.js";
import type { Timers } from "../system/index.js";
import type { Logger } from "../system/logger.js";
import { RecordedProfile } from "./kept_profile.js";

const SNAPSHOT = "behavior/profile";

/** What a service does with its profile. */
export interface ServiceProfile extends KeptProfile {
  /** 0-100: what is left of earlier actions. While that isn't known, as bad as can be: it must not be taken for calm. */
  riskOf(agent: string, nowMs: number): number;
  /** The log, as changes of facts are written to it. */
  readonly factsLog: Log;
  /** Puts what it knows on disk. The log has to be open still. */
  close(): Promise<void>;
}

/** As the record of a start says it: by what assessments are made; null: by nothing. */
export function describedBehavior({ enabled, agents_max }: Config["behavior"]) {
  return enabled ? { agents_max, algorithm: BEHAVIOR_ALGORITHM } : null;
}

/** Resolves when it knows all that the records tell. */
export function openProfile(
  { behavior: { enabled, agents_max, snapshot_ms }, log: { dir: folder } }: Config,
  log: SegmentLog,
  timers: Timers,
  logger: Logger,
): Promise<ServiceProfile> {
  if (!enabled) {
    return Promise.resolve({ ...stillProfile(), riskOf: () => 0, factsLog: log, close: () => Promise.resolve() });
  }
  const learners = {
    begin: () => new BehaviorProfile({ agents_max }),
    restore: (bytes: Uint8Array) => BehaviorProfile.restore(bytes, { agents_max }),
  };
  const options = { folder, file: join(folder, SNAPSHOT), snapshot_ms };
  return RecordedProfile.open(learners, log, timers, options, {
    ready: (seq, snapshot) => {
      logger.info("what is usual is known from the records", { seq, snapshot });
    },
    refused: (detail) => {
      logger.warn("what is usual is learned anew from the records", { code: "snapshot_unfit", detail });
    },
    forgotten: (seq) => {
      logger.warn("what is usual is learned from the records that are left", { from: seq });
    },
    unreadable: (seq, reason) => {
      logger.error("a record can't be learned from", { seq, reason });
    },
    unsaved: (detail) => {
      logger.error("what is usual can't be kept; a start reads it from the records", { detail });
    },
  });
}
