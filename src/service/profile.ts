/** Opens the profile of behaviour beside the records that it follows from. */
import { join } from "node:path";
import { ROLLED_BACK } from "../audit/log/fold.js";
import type { SegmentLog } from "../audit/log/log.js";
import { uncalibrated } from "../behavior/calibration.js";
import type { Portrait } from "../behavior/portrait.js";
import { BehaviorProfile } from "../behavior/profile.js";
import { BEHAVIOR_ALGORITHM } from "../behavior/snapshot.js";
import {
  BEHAVIOR_CHANNELS,
  Problem,
  RECORD_VERSION,
  aroundSeq,
  type AgentProfile,
  type BehaviorPolicy,
  type Calibration,
  type PurposeThresholds,
  type SharedOddity,
} from "../contract/index.js";
import type { KeptProfile, Log } from "../decision/ports.js";
import { fixedProfile } from "../decision/fixed_ports.js";
import type { Config } from "../system/config.js";
import type { Clock, System } from "../system/index.js";
import { report } from "../system/log_events.js";
import type { Logger } from "../system/logger.js";
import type { FollowingProfile } from "./followed_lessons.js";
import type { OwnLessons } from "./own_lessons.js";
import { RecordedProfile, type Learners } from "./recorded_profile.js";
import { ProfileAhead } from "./profile_ahead.js";
import type { ProfileRoom } from "../http/rooms.js";

const SNAPSHOT = "behavior/profile";

/** Profile as a service uses it. */
export interface ServiceProfile extends KeptProfile, ProfileRoom {
  /** Describes the thresholds of a purpose, and how people's verdicts have moved them. */
  thresholdsOf(purpose: string, policy: BehaviorPolicy): PurposeThresholds;
  /** 0-100: what is left of earlier actions. While that isn't known, as bad as can be: it must not be taken for calm. */
  riskOf(agent: string, nowMs: number): number;
  /** Agents of which something is known. */
  readonly known: number;
  /** The log, as what people do is written to it. */
  readonly log: Log;
  /** Lessons for other nodes and from them; null if nothing is learned. */
  readonly shared: SharedProfile | null;
  /** Calls with what several agents of a group have in common, once each. */
  whenShared(listener: (shared: SharedOddity) => void): void;
  /** Puts what it knows on disk. The log has to be open still. */
  close(): Promise<void>;
}

/** Profile of a node that gives other nodes its lessons, and learns from theirs. */
export interface SharedProfile extends FollowingProfile {
  /** Returns what it learns from its own log, for other nodes to learn: kept from the first call on. */
  lessons(): OwnLessons;
}

/**
 * Describes the behaviour settings for the record of a start: what assessments are made by. Returns null if none are made.
 * @param of_nodes whether other nodes' logs are learned from too
 */
export function describedBehavior({ enabled, agents_max }: Pick<Config["behavior"], "enabled" | "agents_max">, of_nodes: boolean) {
  return enabled ? { agents_max, algorithm: BEHAVIOR_ALGORITHM, ...(of_nodes && { of_nodes }) } : null;
}

/** Parts of the configuration that it reads. */
interface ProfileConfig {
  behavior: Pick<Config["behavior"], "enabled" | "agents_max" | "snapshot_ms">;
  log: Pick<Config["log"], "dir">;
}

/** For a standby: reads what will be opened. */
export function profileAhead(
  { behavior: { agents_max }, log: { dir: folder } }: ProfileConfig,
  clock: Pick<Clock, "monotonic">,
  logger: Logger,
): ProfileAhead {
  return new ProfileAhead(learnersOf(agents_max), placesIn(folder), clock, (reason) => {
    report(logger, "profile_not_caught_up", { reason });
  });
}

function learnersOf(agents_max: number): Learners {
  return {
    begin: () => new BehaviorProfile({ agents_max }),
    restore: (bytes) => BehaviorProfile.restore(bytes, { agents_max }),
  };
}

function placesIn(folder: string): { folder: string; file: string } {
  return { folder, file: join(folder, SNAPSHOT) };
}

/**
 * Resolves when it knows all that the records tell.
 * @param ahead what a standby has read of them
 */
export async function openProfile(
  { behavior: { enabled, agents_max, snapshot_ms }, log: { dir: folder } }: ProfileConfig,
  log: SegmentLog,
  { clock, timers }: Pick<System, "clock" | "timers">,
  logger: Logger,
  ahead?: ProfileAhead | null,
): Promise<ServiceProfile> {
  if (!enabled) {
    const none = (): Promise<never> => Promise.reject(new Problem("checkpoint_not_found"));
    return {
      ...fixedProfile(),
      riskOf: () => 0,
      known: 0,
      log,
      shared: null,
      rollBack: none,
      describe: (agent) => ({ agent, risk: 0, profile: null }),
      thresholdsOf: (purpose, policy) => thresholds(purpose, policy, { expected: 0, misuse: 0, score: 0 }),
      whenShared: () => undefined,
      close: () => Promise.resolve(),
    };
  }
  const options = { ...placesIn(folder), snapshot_ms, ahead: ahead?.take.bind(ahead) };
  const profile = await RecordedProfile.open(learnersOf(agents_max), log, timers, options, {
    ready: (seq, snapshot) => {
      report(logger, "profile_ready", { seq, snapshot });
    },
    refused: (detail) => {
      report(logger, "profile_rebuilt", { code: "snapshot_unfit", detail });
    },
    forgotten: (seq) => {
      report(logger, "profile_shortened", { from: seq });
    },
    unreadable: (seq, reason) => {
      report(logger, "profile_record_unreadable", { seq, reason });
    },
    unsaved: (detail) => {
      report(logger, "profile_unsaved", { detail });
    },
  });
  return Object.assign(profile, {
    shared: profile,
    describe: (agent: string): AgentProfile => {
      const portrait = profile.portrait(agent);
      return { agent, risk: Math.round(profile.riskOf(agent, clock.wall())), profile: portrait && profileOf(portrait) };
    },
    thresholdsOf: (purpose: string, policy: BehaviorPolicy): PurposeThresholds =>
      thresholds(purpose, policy, profile.calibrationOf(purpose)),
    async rollBack(agent: string, to_ms: number, by: string, reason: string): Promise<number> {
      const at = profile.checkpointsOf(agent).findLast((checkpoint) => checkpoint <= to_ms);
      if (at === undefined) throw new Problem("checkpoint_not_found", { field: "/to" });
      const detail = { agent, reason, to: iso(at) };
      const record = {
        kind: "admin",
        action: ROLLED_BACK,
        caller: by,
        detail,
        time: iso(clock.wall()),
        v: RECORD_VERSION,
      };
      const { before, after } = aroundSeq(record);
      await profile.log.append(before, after);
      return at;
    },
  });
}

function thresholds(purpose: string, policy: BehaviorPolicy, calibration: Calibration): PurposeThresholds {
  const moved = (at: number | null): PurposeThresholds["log"] => (at === null ? null : { at, before: uncalibrated(at, calibration) });
  const { log, flag, hold, narrow, suspend } = policy;
  const steps = { log: moved(log), flag: moved(flag), hold: moved(hold), narrow: moved(narrow), suspend: moved(suspend) };
  const channels = BEHAVIOR_CHANNELS.flatMap((channel) => {
    const own = policy.channels[channel];
    return own === undefined ? [] : [{ channel, ...own }];
  });
  return { purpose, ...calibration, ...steps, channels: channels.sort((a, b) => (a.channel < b.channel ? -1 : 1)) };
}

function profileOf({ first_ms, last_ms, checkpoints_ms, ...portrait }: Portrait): NonNullable<AgentProfile["profile"]> {
  return { ...portrait, first: iso(first_ms), last: iso(last_ms), checkpoints: checkpoints_ms.map(iso) };
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
