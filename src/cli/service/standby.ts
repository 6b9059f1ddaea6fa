/**
 * `remit serve --standby`: waits beside a service until its store and log may be had, with everything ready that a start needs
 * and that isn't in them; then starts.
 */
import { statSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { endAhead } from "../../system/thread.js";
import type { Service, TakeOver } from "../../service.js";
import type { Config } from "../../system/config.js";
import { sleep, type System } from "../../system/index.js";
import { Locked, type Holder } from "../../system/lock_errors.js";
import { report } from "../../system/log_events.js";
import type { Logger } from "../../system/logger.js";
import { lockPlaces, startThreadsAhead, type Locks } from "../../service/opened_parts.js";
import { Preparations } from "../../service/preparations.js";

export interface StandbyOptions {
  /** The configuration's. */
  file: string;
  /** @throws Error saying what is wrong with it */
  read: () => Config;
  /** Throws what would keep a start from being made. */
  check: (config: Config) => Promise<void>;
  start: (config: Config, taken: TakeOver) => Promise<Service>;
  system: System;
  logger: Logger;
  /** Ends the wait. */
  ended: AbortSignal;
}

/** Interval at which the locks are tried: a service's death is noticed half as late, on average. */
const LOOK_MS = 20;
/** Milliseconds for learning in each look: enough to keep up with what one service writes. */
const LEARN_MS_MAX = 10;

/**
 * Resolves with the service when it has taken over; with null where the wait was ended.
 * @throws whatever a start throws
 */
export async function standBy(options: StandbyOptions): Promise<Service | null> {
  const { system, logger } = options;
  const config = options.read();
  await options.check(config);
  const readied = new Preparations(system, logger);
  startThreadsAhead();
  try {
    const standby = new Standby(options, config, readied);
    for (;;) {
      const locks = await standby.untilFree();
      if (locks === null) return null;
      const service = await standby.takeOver(locks);
      if (service !== null) return service;
    }
  } finally {
    endAhead();
  }
}

class Standby {
  readonly #options: StandbyOptions;
  readonly #readied: Preparations;
  /** Last configuration that was valid. */
  #config: Config;
  /** Result of `stat` for the files that were looked at last. */
  #seen = "";
  #lookedAt = -Infinity;
  /** Process that it waits for, as it was logged last; null if it never waited. */
  #holder: Holder | null = null;

  constructor(options: StandbyOptions, config: Config, readied: Preparations) {
    this.#options = options;
    this.#config = config;
    this.#readied = readied;
  }

  /** The locks, as soon as nobody has them; null where the wait was ended before. */
  async untilFree(): Promise<Locks | null> {
    const { ended, system } = this.#options;
    while (!ended.aborted) {
      const locks = this.#free();
      if (locks !== null) return locks;
      if (system.clock.monotonic() - this.#lookedAt >= this.#config.bundle.poll_ms) await this.#look();
      this.#readied.learn(LEARN_MS_MAX);
      await sleep(LOOK_MS);
    }
    return null;
  }

  /** Starts by what there is now; null where the configuration has moved to other folders, and others may be there. */
  async takeOver(locks: Locks): Promise<Service | null> {
    const { read, start, logger } = this.#options;
    let service: Service | null = null;
    try {
      const before = this.#config;
      this.#config = read();
      if (this.#holder !== null) report(logger, "standby_taking_over", { from: this.#holder.pid });
      if (isDeepStrictEqual(foldersOf(before), foldersOf(this.#config)))
        service = await start(this.#config, { locks, readied: this.#readied });
      return service;
    } finally {
      if (service === null) {
        locks.log();
        locks.store();
      }
    }
  }

  #free(): Locks | null {
    try {
      return lockPlaces(this.#config);
    } catch (cause) {
      if (!(cause instanceof Locked)) throw cause;
      this.#waitFor(cause.holder);
      return null;
    }
  }

  /** @param holder null: of an instant in which it takes or releases the lock */
  #waitFor(holder: Holder | null): void {
    if (holder === null || isDeepStrictEqual(holder, this.#holder)) return;
    this.#holder = holder;
    report(this.#options.logger, "standby_waiting", { for: holder.pid, host: holder.host });
  }

  /** Makes ready again what was made of files that have changed, and says what a start wouldn't take. */
  async #look(): Promise<void> {
    const { file, read, check, system, logger } = this.#options;
    this.#lookedAt = system.clock.monotonic();
    this.#catchUp();
    const seen = [file, this.#config.bundle.path].map(stateOf).join();
    if (seen === this.#seen) return;
    this.#seen = seen;
    try {
      const config = read();
      await check(config);
      this.#config = config;
    } catch (cause) {
      report(logger, "standby_config_refused", { reason: String(cause) });
      return;
    }
    try {
      report(logger, "standby_bundle_ready", { ...(await this.#readied.make(this.#config)) });
    } catch (cause) {
      const { code = "internal", message } = cause as Error & { code?: string };
      report(logger, "standby_bundle_refused", { code, reason: message });
    }
  }

  #catchUp(): void {
    try {
      this.#readied.catchUp(this.#config);
    } catch {
      // Of a log that can't be read a start says so.
    }
  }
}

function foldersOf({ facts, log }: Config): readonly string[] {
  return [facts.store, log.dir];
}

function stateOf(file: string): string {
  const state = statSync(file, { bigint: true, throwIfNoEntry: false });
  return state === undefined ? "" : `${state.dev} ${state.ino} ${state.size} ${state.mtimeNs} ${state.ctimeNs}`;
}
