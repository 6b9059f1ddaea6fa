/** The core that a service and an engine inside an application share: log, masks, behaviour profile, policy engine, in the order in which they need each other. */
import { readFileSync } from "node:fs";
import type { LogIdentity } from "../audit/log_keys.js";
import { SegmentLog, type LogOptions } from "../audit/log.js";
import { OwnRecords } from "../audit/own_records.js";
import { MaskKeys } from "../audit/privacy/keys.js";
import { RecordMasks } from "../audit/privacy/masks.js";
import type { TrustedStore } from "../bundle/trusted.js";
import type { ActivePolicy } from "../decision/ports.js";
import { PolicyEngine, type LoadInstance } from "../policy/engine.js";
import { compileAhead } from "../policy/modules.js";
import { BundleSource, type Outcome, type SourceOptions } from "../policy/source.js";
import type { Closing } from "../system/closing.js";
import type { System } from "../system/index.js";
import type { Logger } from "../system/logger.js";
import { asset } from "../system/paths.js";
import { describedBehavior, openProfile, type ServiceProfile } from "./profile.js";
import type { ProfileAhead } from "./profile_ahead.js";
import { openTrusted } from "./trust.js";

export interface CoreOptions {
  log: Omit<LogOptions, "keys" | "origin">;
  log_keys: LogIdentity;
  /** Days for which what is masked is masked by one key. */
  mask_period_days: number;
  behavior: { enabled: boolean; agents_max: number; snapshot_ms: number };
  bundle: Pick<SourceOptions, "path" | "name" | "trust" | "poll_ms" | "limits" | "verify"> & { state_dir: string };
  load: LoadInstance;
  /** The profile that a standby has read of so many records; null: none. */
  profileAhead?: (records: number) => ProfileAhead | null;
  /** Called for each bundle that has become active. */
  activated: (policy: ActivePolicy) => void;
  /** Returns true if a refused bundle is worth a record and a line in the log. @default each is */
  tells?: (refused: Extract<Outcome, { outcome: "refused" }>) => boolean;
}

export interface Core {
  log: SegmentLog;
  /** Writes what this process records of itself. */
  records: OwnRecords;
  masks: RecordMasks;
  profile: ServiceProfile;
  engine: PolicyEngine;
  source: BundleSource;
  trusted: TrustedStore;
}

/**
 * Opens the core; the record of the start is written, and the bundle at the path has been looked at.
 * @param closing closes it, with the record of the end
 * @throws Error saying what is wrong with the log, what was trusted before, or a key
 */
export async function openCore(options: CoreOptions, system: System, logger: Logger, closing: Closing): Promise<Core> {
  const { clock, timers } = system;
  const { behavior, log_keys, mask_period_days, bundle } = options;
  const { directory, durability } = options.log;
  // Both are told of by a log that isn't open yet, or is closed already.
  let records: OwnRecords | null = null;
  let profile: ServiceProfile | null = null;

  const log = await SegmentLog.open({ ...options.log, keys: log_keys.keys, origin: log_keys.origin }, timers, {
    unavailable: (detail) => {
      logger.error("records cannot be written; nothing is answered", { code: "log_unavailable", detail });
      profile?.unrecorded();
    },
    ready: (seq, cut) => {
      if (cut !== null) logger.warn("torn end of the log cut off and kept", { code: "log_cut", ...cut });
      logger.info("records can be written", { seq });
    },
    lost: (count) => {
      logger.error("records were answered for and are lost", { code: "records_lost", records: count });
      records?.note({ kind: "lost", count });
    },
    unsealed: (detail) => {
      logger.warn("records are on disk and no checkpoint can be signed", { code: "checkpoint_failed", detail });
    },
  });
  closing.add(() => log.close());

  const { origin, verifiers: keys } = log_keys;
  const own = new OwnRecords(
    log,
    system,
    { behavior: describedBehavior(behavior), version: packageVersion(), origin, keys, durability },
    (kind, cause) => {
      logger.error("what happened has no record", { kind, detail: cause instanceof Error ? cause.message : String(cause) });
    },
  );
  records = own;
  await own.service("started");
  logger.info("records are signed", { origin, keys });

  const maskKeys = await MaskKeys.open({ directory, period_days: mask_period_days }, system, {
    failed: (detail) => {
      logger.error("what is masked cannot be recorded", { code: "log_unavailable", detail });
    },
  });
  closing.add(() => {
    maskKeys.close();
  });

  const ahead = options.profileAhead?.(log.seq) ?? null;
  const opened = await openProfile({ behavior, log: { dir: directory } }, log, system, logger, ahead);
  profile = opened;
  closing.add(() => opened.close());
  // What is recorded after this would be learned by nobody.
  closing.add(async () => {
    own.flush();
    await own.service("stopped").catch(() => undefined);
  });

  const trusted = await openTrusted({ bundle, log: { dir: directory } }, logger);
  if (trusted.isBehind) own.note({ kind: "admin", caller: "remit", action: "trust_behind", detail: { ...trusted.trusted(bundle.name) } });
  const engine = new PolicyEngine({
    trusted,
    clock,
    load: options.load,
    prepare: ({ wasm }) => compileAhead(wasm),
    overran: (detail) => {
      logger.error("evaluation ran out of fuel; the action is denied", { code: "evaluation_budget", detail });
    },
  });
  const source = new BundleSource({
    ...bundle,
    kept: bundle.state_dir,
    engine,
    clock,
    timers,
    report: (outcome) => {
      const { from } = outcome;
      if (outcome.outcome === "activated") {
        logger.info("a bundle is active", { from, ...outcome.identity });
        own.note({ kind: "bundle", change: "activated", from, policy: outcome.identity });
        if (engine.active !== null) options.activated(engine.active);
      } else if (options.tells?.(outcome) !== false) {
        const { code, message: reason } = outcome.refusal;
        logger.error("a bundle is refused; what runs goes on", { from, code, reason });
        own.note({ kind: "bundle", change: "refused", from, code });
      }
    },
  });
  await source.open();
  return { log, records: own, masks: new RecordMasks(maskKeys), profile: opened, engine, source, trusted };
}

/** The version of this package, as records and the reference say it. */
export function packageVersion(): string {
  return (JSON.parse(readFileSync(asset("package.json"), "utf8")) as { version: string }).version;
}
