/**
 * Preparations of a standby, or of a start whose threads begin: a verified bundle, and an instance of its policy that is warm. None of it is
 * believed for having been right then: a start reads everything again, asks for the same, and gets what is here only if it would make the
 * same itself.
 */
import { createHash } from "node:crypto";
import { ARCHIVE_LIMITS, type ArchiveLimits } from "../bundle/archive.js";
import { TrustedStore } from "../bundle/trusted_store.js";
import { checkExpiry, verifyBundle, type VerifiedBundle, type VerifyOptions } from "../bundle/verify.js";
import { EVALUATION_FUEL, REQUEST_LIMITS, type PolicyIdentity } from "../contract/index.js";
import { Chain } from "../decision/chain.js";
import { rehearse, type LoadInstance } from "../policy/engine.js";
import { INSTANCE_LIMITS, PolicyInstance, type InstanceLimits } from "../policy/instance.js";
import type { Config } from "../system/config.js";
import type { System } from "../system/index.js";
import { report } from "../system/log_events.js";
import type { Logger } from "../system/logger.js";
import { readBytes } from "../system/read_file.js";
import { PastAhead } from "./past_ahead.js";
import { profileAhead } from "./profile.js";
import { bundleTrust } from "./trusted_keys.js";

export class Preparations {
  readonly #system: System;
  readonly #logger: Logger;
  #verified: { asked: string; bundle: VerifiedBundle } | null = null;
  #pastAhead: { by: string; read: PastAhead } | null = null;
  #warm: { bundle: VerifiedBundle; limits: string; instance: PolicyInstance } | null = null;

  constructor(system: System, logger: Logger) {
    this.#system = system;
    this.#logger = logger;
  }

  /**
   * Makes both, where they aren't made: of the bundle that is at its path now, by the keys that are there now.
   * @throws BundleError, KeyRefused, or the file system's error; what was made before is kept, and is of no use to a start that
   *   finds the same
   */
  async make(config: Config): Promise<PolicyIdentity> {
    const nowMs = this.#system.clock.wall();
    const { name, path, state_dir } = config.bundle;
    const bundle = await this.verify(readBytes(path), {
      name,
      ...bundleTrust(config),
      nowMs,
      limits: archiveLimits(config),
    });
    (await TrustedStore.open(state_dir)).check(bundle.identity);
    const limits = instanceLimits(config);
    if (!this.#isWarm(bundle, limits)) {
      const instance = new PolicyInstance(bundle, limits);
      rehearse(instance, bundle, nowMs);
      this.#warm = { bundle, limits: JSON.stringify(limits), instance };
    }
    return bundle.identity;
  }

  /** Reads what has come in the log since the last time, except for the profile. @throws Error saying why it can't */
  catchUp(config: Config): void {
    const by = readBy(config);
    if (this.#pastAhead?.by !== by) {
      const profile = config.behavior.enabled ? profileAhead(config, this.#system.clock, this.#logger) : null;
      this.#pastAhead = {
        by,
        read: new PastAhead(config.log.dir, profile, new Chain(config.decision.chained_tasks_max)),
      };
    }
    if (this.#pastAhead.read.advance(this.#system.clock.wall())) return;
    this.#pastAhead = null;
    report(this.#logger, "standby_log_shorter");
  }

  /** Learns the baselines from what has come, for at most `ms` milliseconds. */
  learn(ms: number): void {
    this.#pastAhead?.read.profile?.advance(ms);
  }

  /** Returns what was read of this configuration's log, if that is part of a log of so many records. */
  pastAhead(config: Config, records: number): PastAhead | null {
    if (this.#pastAhead?.by !== readBy(config)) return null;
    const { read } = this.#pastAhead;
    return (read.place?.seq ?? 0) <= records ? read : null;
  }

  /**
   * Verifies a bundle like `verifyBundle`, but only once for the same bytes, keys, name and limits: except for the time, the result is the
   * same.
   */
  readonly verify = async (bytes: Uint8Array, options: VerifyOptions): Promise<VerifiedBundle> => {
    const asked = digestOf(bytes, options);
    if (this.#verified?.asked !== asked) this.#verified = { asked, bundle: await verifyBundle(bytes, options) };
    else checkExpiry(this.#verified.bundle.metadata, options.nowMs);
    return this.#verified.bundle;
  };

  /** Loads instances as the engine does, and hands out the warm one for the bundle that it was made of. */
  instances(limits: Readonly<InstanceLimits>): LoadInstance {
    return (bundle) => {
      const warm = this.#warm;
      if (warm === null || !this.#isWarm(bundle, limits)) return new PolicyInstance(bundle, limits);
      this.#warm = null;
      return warm.instance;
    };
  }

  #isWarm(bundle: object, limits: Readonly<InstanceLimits>): boolean {
    return this.#warm?.bundle === bundle && this.#warm.limits === JSON.stringify(limits);
  }
}

/** Returns the settings that decide what is read of a log. */
function readBy({ log: { dir }, behavior: { enabled, agents_max }, decision: { chained_tasks_max } }: Config): string {
  return JSON.stringify([dir, enabled, agents_max, chained_tasks_max]);
}

/** Limits of the instance that evaluates a service's bundle. */
export function instanceLimits({ engine: { memory_pages_max, evaluation_fuel_max } }: Pick<Config, "engine">): InstanceLimits {
  return { ...INSTANCE_LIMITS, memory_pages_max, evaluation_fuel_max };
}

/** Returns the keys by which a service accepts more, or evaluates with less, than `remit check` supposes. */
export function limitsBeyondCheck({ limits, engine }: Pick<Config, "limits" | "engine">): string[] {
  const { body_bytes_max, members_max } = REQUEST_LIMITS;
  return [
    ...(limits.body_bytes_max > body_bytes_max ? ["limits.body_bytes_max"] : []),
    ...(limits.members_max > members_max ? ["limits.members_max"] : []),
    ...(engine.evaluation_fuel_max < EVALUATION_FUEL.default ? ["engine.evaluation_fuel_max"] : []),
  ];
}

export function archiveLimits({ bundle }: Config): ArchiveLimits {
  return { ...ARCHIVE_LIMITS, compressed_bytes_max: bundle.bytes_max };
}

/** Keys are named by what they are. */
function digestOf(bytes: Uint8Array, { name, keys, signers_min, provenanceKeys: builders, limits }: VerifyOptions): string {
  return createHash("sha256")
    .update(
      JSON.stringify([name, signers_min, [...keys.keys()].sort(), builders === undefined ? null : [...builders.keys()].sort(), limits]),
    )
    .update(bytes)
    .digest("hex");
}
