/** The core that a service and an engine inside an application share: log, masks, behaviour profile, policy engine, in the order in which they need each other. */
import type { LogIdentity } from "../audit/log/log_keys.js";
import { SegmentLog, type LogOptions } from "../audit/log/log.js";
import { OwnRecords } from "../audit/log/own_records.js";
import { MaskKeys } from "../audit/privacy/keys.js";
import { RecordMasks } from "../audit/privacy/masks.js";
import type { TrustedStore } from "../bundle/trusted_store.js";
import type { ActivePolicy } from "../decision/ports.js";
import { PolicyEngine, type LoadInstance } from "../policy/engine.js";
import { compileAhead } from "../policy/modules.js";
import { ARCHIVE_LIMITS } from "../bundle/archive.js";
import { KeptArchives } from "../policy/kept_archives.js";
import { BundleSource, type BundleOutcome, type SourceOptions } from "../policy/source.js";
import type { Closing } from "../system/closing_stack.js";
import { errorMessage } from "../system/error_message.js";
import type { System } from "../system/index.js";
import { report } from "../system/log_events.js";
import type { Logger } from "../system/logger.js";
import { packageVersion } from "../system/package_version.js";
import { describedBehavior, openProfile, type ServiceProfile } from "./profile.js";
import type { ProfileAhead } from "./profile_ahead.js";
import { openTrusted } from "./trust.js";

export interface CoreOptions {
  log: Omit<LogOptions, "keys" | "origin">;
  log_keys: LogIdentity;
  /** Days for which what is masked is masked by one key. */
  mask_period_days: number;
  /** `of_nodes`: other nodes' logs are learned from too. @default false */
  behavior: { enabled: boolean; agents_max: number; snapshot_ms: number; of_nodes?: boolean };
  bundle: Pick<SourceOptions, "path" | "name" | "trust" | "poll_ms" | "limits" | "verify" | "permits"> & { state_dir: string };
  load: LoadInstance;
  /** Bundles kept of those that were active. @default 0 */
  kept_max?: number;
  /** The profile that a standby has read of so many records; null: none. */
  profileAhead?: (records: number) => ProfileAhead | null;
  /** Called for each bundle that has become active. */
  activated: (policy: ActivePolicy) => void;
  /** Returns true if a refused bundle is worth a record and a line in the log. @default each is */
  tells?: (refused: Extract<BundleOutcome, { outcome: "refused" }>) => boolean;
}

export interface Core {
  log: SegmentLog;
  /** Writes what this process records of itself. */
  records: OwnRecords;
  masks: RecordMasks;
  profile: ServiceProfile;
  engine: PolicyEngine;
  source: BundleSource;
  kept: KeptArchives;
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
      report(logger, "log_unavailable", { code: "log_unavailable", detail });
      profile?.unrecorded();
    },
    ready: (seq, cut) => {
      if (cut !== null) report(logger, "log_tail_cut", { code: "log_cut", ...cut });
      report(logger, "log_ready", { seq });
    },
    lost: (count) => {
      report(logger, "records_lost", { code: "records_lost", records: count });
      records?.note({ kind: "lost", count });
    },
    unsealed: (detail) => {
      report(logger, "checkpoint_unsigned", { code: "checkpoint_failed", detail });
    },
  });
  closing.add(() => log.close());

  const { origin, verifiers: keys } = log_keys;
  const own = new OwnRecords(
    log,
    system,
    { behavior: describedBehavior(behavior, behavior.of_nodes === true), version: packageVersion(), origin, keys, durability },
    (kind, cause) => {
      report(logger, "service_record_failed", { kind, detail: errorMessage(cause) });
    },
  );
  records = own;
  await own.service("started");
  report(logger, "log_signed", { origin, keys });

  const maskKeys = await MaskKeys.open({ directory, period_days: mask_period_days }, system, {
    failed: (detail) => {
      report(logger, "masks_failed", { code: "log_unavailable", detail });
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
      report(logger, "evaluation_out_of_fuel", { code: "evaluation_budget", detail });
    },
  });
  const kept = new KeptArchives({
    state_dir: bundle.state_dir,
    max: options.kept_max ?? 0,
    bytes_max: (bundle.limits ?? ARCHIVE_LIMITS).compressed_bytes_max,
  });
  let keeping: Promise<unknown> = Promise.resolve();
  closing.add(() => keeping);
  const source = new BundleSource({
    ...bundle,
    kept: bundle.state_dir,
    activated: ({ identity, bytes }) => {
      keeping = keeping
        .then(() => kept.keep(identity.digest, bytes))
        .catch((cause: unknown) => {
          report(logger, "bundle_not_kept", { code: "bundle_not_kept", digest: identity.digest, detail: errorMessage(cause) });
        });
    },
    engine,
    clock,
    timers,
    report: (outcome) => {
      const { from } = outcome;
      if (outcome.outcome === "activated") {
        report(logger, "bundle_active", { from, ...outcome.identity });
        own.note({ kind: "bundle", change: "activated", from, policy: outcome.identity });
        if (engine.active !== null) options.activated(engine.active);
      } else if (options.tells?.(outcome) !== false) {
        const { code, message: reason } = outcome.refusal;
        report(logger, "bundle_refused", { from, code, reason });
        own.note({ kind: "bundle", change: "refused", from, code });
      }
    },
  });
  await source.open();
  return { log, records: own, masks: new RecordMasks(maskKeys), profile: opened, engine, source, kept, trusted };
}
