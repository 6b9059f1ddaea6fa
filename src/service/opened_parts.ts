/** Index, sinks, store and retention as a service has them open, each with what an operator is told of it. */
import { Exporter } from "../audit/export/exporter.js";
import { Uploads } from "../upload/uploads.js";
import { LOG_THREAD, lockLog, type SegmentLog } from "../audit/log/log.js";
import type { OwnRecords } from "../audit/log/own_records.js";
import { cursorFile } from "../audit/export/cursor.js";
import { Witness, type WitnessedLog } from "../audit/log/witness.js";
import { Publisher } from "../audit/publish/publisher.js";
import { onRecord, watchRetention } from "../audit/privacy/retention_watch.js";
import { HELD } from "../audit/privacy/retention.js";
import { RecordSearch } from "../records/search.js";
import type { ClusterNode, NodeParts, SharedStoreEvents } from "./cluster.js";
import type { BundleObjects } from "./feed_bundles.js";
import { storeFile } from "../store/folder.js";
import { lockOf } from "../store/restore.js";
import { STORE_THREAD, SqliteStore, lockStore } from "../store/sqlite.js";
import type { Change, Store } from "../store/store.js";
import type { Config } from "../system/config.js";
import { exchanger } from "../system/exchange.js";
import type { System, Timers } from "../system/index.js";
import { report } from "../system/log_events.js";
import type { Logger } from "../system/logger.js";
import { startAhead } from "../system/thread.js";

/** Cosignatures are a line each. */
const WITNESS_ANSWER_BYTES_MAX = 64 * 1024;

/** Functions that release the store's lock and the log's. */
export interface Locks {
  store: () => void;
  log: () => void;
  /** Path of the store's. */
  storeLock: string;
}

/**
 * Takes both, or neither: the store's first, so that of two who begin at once one gets both.
 * @throws Locked
 */
export function lockPlaces({ facts, log }: Config): Locks {
  const store = lockStore(storeFile(facts.store));
  try {
    return { store, log: lockLog(log.dir), storeLock: lockOf(storeFile(facts.store)) };
  } catch (cause) {
    store();
    throw cause;
  }
}

/** Begins the threads of store and log before they may open anything. */
export function startThreadsAhead(): void {
  startAhead(STORE_THREAD);
  startAhead(LOG_THREAD);
}

export function searchOf({ log: { dir: directory, index } }: Config, timers: Timers, logger: Logger): RecordSearch {
  return new RecordSearch({ directory, ...index }, timers, {
    opened: (seq, removed) => {
      if (removed) report(logger, "search_index_removed");
      report(logger, "search_ready", { indexed_to: seq });
    },
    lacking: (records, first) => {
      report(logger, "records_missing", {
        code: "log_damaged",
        records,
        first,
      });
    },
    failed: (detail) => {
      report(logger, "search_unavailable", { code: "index_unavailable", detail });
    },
  });
}

/** Drops what is older than is to be kept; where that is nothing, nothing. */
export function retaining(
  { log: { dir: directory, retain_days } }: Config,
  log: SegmentLog,
  records: OwnRecords,
  system: System,
  logger: Logger,
  last_record_ms: number | null,
): () => Promise<void> {
  if (retain_days === undefined) return () => Promise.resolve();
  const record = onRecord(log, (action, detail) => records.admin("remit", action, { ...detail }));
  return watchRetention({ directory, retain_days, last_record_ms }, record, system, {
    dropped: ({ retained, shredded }) => {
      if (retained !== null) report(logger, "retention_dropped", { from: retained.from, to: retained.to });
      if (shredded.length > 0) report(logger, "retention_masks_deleted", { periods: shredded });
    },
    clockAhead: (by_ms) => {
      report(logger, "retention_held", {
        code: "retention_held",
        reason:
          "the clock is further ahead of the last record than can be explained; if it is right, stop the service and run `remit audit retain`",
        ahead_hours: Math.round(by_ms / 3_600_000),
      });
    },
    held: ({ name, why, sink }) => {
      const file = sink === undefined ? {} : { sink, cursor: cursorFile(directory, sink) };
      report(logger, "retention_held", { code: "retention_held", segment: name, reason: HELD[why], ...file });
    },
    failed: (detail) => {
      report(logger, "retention_failed", { code: "retention_failed", detail });
    },
  });
}

export function exporterOf(
  sinks: NonNullable<Config["export"]>,
  directory: string,
  log: SegmentLog,
  timers: Timers,
  logger: Logger,
): Exporter {
  return new Exporter(
    { directory, sinks },
    () => log.durable,
    timers,
    (event, fields) => {
      report(logger, event, fields);
    },
  );
}

export function uploadsOf(buckets: NonNullable<Config["upload"]>, directory: string, timers: Timers, logger: Logger): Uploads {
  return new Uploads({ directory, buckets }, timers, (event, fields) => {
    report(logger, event, fields);
  });
}

export function publisherOf(options: NonNullable<Config["log"]["publish"]>, directory: string, timers: Timers, logger: Logger): Publisher {
  return new Publisher({ directory, ...options }, timers, {
    failing: (detail) => {
      report(logger, "publish_failing", { dir: options.dir, detail });
    },
    publishing: (size) => {
      report(logger, "publish_back", { dir: options.dir, size });
    },
  });
}

export interface OpenedStore {
  store: Store;
  /** Takes the changes that a start reads; undefined if the store isn't shared. */
  passing: ((changes: readonly Change[]) => void) | undefined;
  /** Makes the service a node of the cluster that shares the store; null if it isn't shared. */
  join: ((parts: Omit<NodeParts, "store" | "read">) => ClusterNode) | null;
  /** Archives of bundles that the nodes share; null if the store isn't shared. */
  objects: BundleObjects | null;
  close: () => Promise<void>;
}

/**
 * @param unlock releases the folder, which a node of a cluster has for its stop file alone
 * @param shared what a store that is shared tells
 */
export async function openStore(
  config: Config,
  system: Pick<System, "clock" | "timers">,
  logger: Logger,
  unlock: () => void,
  shared: SharedStoreEvents,
): Promise<OpenedStore> {
  const { store: folder, queue_calls_max, queue_bytes_max } = config.facts;
  if (config.cluster !== undefined) {
    try {
      // A service that decides alone doesn't load any of it.
      const cluster = await import("./cluster.js");
      const store = await cluster.openSharedStore(config.cluster, system, logger, shared);
      const { read, passing } = await orClose(store, () => cluster.readingOf(config.log.dir, store));
      return {
        ...{ store, passing, objects: cluster.sharedObjects(config, store, system.timers) },
        join: (parts) => new cluster.ClusterNode({ ...parts, store, read }),
        close: () => store.close().finally(unlock),
      };
    } catch (cause) {
      unlock();
      throw cause;
    }
  }
  const store = await SqliteStore.open({ file: storeFile(folder), queue_calls_max, queue_bytes_max, unlock }, system.timers, {
    unavailable: (detail) => {
      report(logger, "store_unavailable", { code: "store_unavailable", detail });
    },
    ready: (revision) => {
      report(logger, "store_ready", { revision });
    },
  });
  return { store, passing: undefined, join: null, objects: null, close: () => store.close() };
}

/** Closes a store that can't be used after all: its connection would keep the process. */
async function orClose<T>(store: Pick<Store, "close">, make: () => T): Promise<T> {
  try {
    return make();
  } catch (cause) {
    await store.close();
    throw cause;
  }
}

export interface RunningWitnesses {
  /** State of each. */
  readonly witnesses: readonly { name: string; size: number; failing: boolean }[];
  /** The last checkpoint that a witness cosigned; null: none, or no such witness. */
  cosigned: (name: string) => string | null;
  stop: () => Promise<void>;
}

/** @throws NoteError of a witness's key */
export function witnessesOf(
  { log: { dir, witnesses = [] } }: Pick<Config, "log">,
  log: WitnessedLog,
  system: System,
  logger: Logger,
): RunningWitnesses {
  const running = witnesses.map(({ url, timeout_ms, ...options }) => {
    const to = new URL(`${url.replace(/\/$/, "")}/add-checkpoint`);
    const { exchange, close } = exchanger(to, { timeout_ms, bytes_max: WITNESS_ANSWER_BYTES_MAX }, system.timers);
    const witness = new Witness(options, log, dir, system, exchange, {
      failing: (detail) => {
        report(logger, "witness_failing", { witness: options.name, detail });
      },
      cosigning: () => {
        report(logger, "witness_back", { witness: options.name });
      },
    });
    return { witness, close, ended: witness.run() };
  });
  return {
    get witnesses() {
      return running.map(({ witness: { name, size, failing } }) => ({ name, size, failing }));
    },
    cosigned: (name) => running.find(({ witness }) => witness.name === name)?.witness.note ?? null,
    stop: async () => {
      for (const { witness, close } of running) {
        witness.stop();
        close();
      }
      await Promise.all(running.map(({ ended }) => ended));
    },
  };
}
