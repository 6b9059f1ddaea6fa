/**
 * The record log as a decision sees it. This side numbers the records and hands them over once per turn of the event
 * loop; the writer's side puts each group on disk with one sync. Promises resolve in the order of `append`.
 */
import { join } from "node:path";
import { Problem, type Durability } from "../../contract/index.js";
import type { Beside, Log } from "../../decision/ports.js";
import type { Timers } from "../../system/index.js";
import { makeFolder } from "../../system/folder.js";
import { isLockLost, lock } from "../../system/lock.js";
import { SupervisedThread } from "../../system/supervised_thread.js";
import { workerThread, type Thread } from "../../system/thread.js";
import { TORN_BYTES_MAX, type Cut } from "./segments.js";
import { ENTRY_BYTES_MAX } from "../tree/hash.js";
import type { ConsistencyProof, InclusionProofs } from "./seal.js";
import type { TreeQuestion, FromWriter, ToWriter, WriterOptions } from "./writer.js";

export interface LogOptions extends Omit<WriterOptions, "durable"> {
  directory: string;
  /** `relaxed`: records are answered for when they are handed in, and the last ones may be lost. */
  durability: Durability;
  /** Records and bytes handed in but not yet on disk. */
  queue_records_max: number;
  queue_bytes_max: number;
  /** Releases the directory's lock, for who has it already (`lockLog`); from the call on it is the log's to release. */
  unlock?: (() => void) | undefined;
  /** Paths of other locks without which nothing may be written; the directory's own is always one. */
  locks?: readonly string[] | undefined;
}

export type WriterThread = Thread<ToWriter, FromWriter>;

export interface LogEvents {
  /** Once per change, with what the disk said. */
  unavailable(detail: string): void;
  /** @param cut torn end of the log that was cut off, which was never acknowledged unless the disk is at fault */
  ready(seq: number, cut: Cut | null): void;
  /** Reports records that were lost after their answers were sent, with `durability: relaxed`. */
  lost(records: number): void;
  /** Records are on disk and can't be proven yet; it is tried again. */
  unsealed(detail: string): void;
}

/** A record's members before and after its `seq`, as `append` takes them. */
export interface LogEntry {
  before: string;
  after: string;
  beside?: Beside | undefined;
}

interface Pending {
  /** Last of its records. */
  seq: number;
  records: number;
  bytes: number;
  resolve: () => void;
  reject: (cause: Error) => void;
}

/** A message has at most this, or one call's records; a group at most one message more than `writer.ts` has it begin with (`TORN_BYTES_MAX`). */
const MESSAGE_BYTES_MAX = 1024 * 1024;
/** Most bytes of one `appendAll`. */
const CALL_BYTES_MAX = TORN_BYTES_MAX - 2 * MESSAGE_BYTES_MAX;
/** Messages of the thread except `closed`. */
type Spoken = Exclude<FromWriter, { kind: "closed" }>;

const RESTART_MS = 250;
/** Milliseconds between two looks at the files of the locks. */
const LOCKS_MS = 1000;
/** The module of its thread. */
export const LOG_THREAD = new URL("./worker.js", import.meta.url);

function lockOf(directory: string): string {
  return join(directory, "lock");
}

/** @returns releases it. @throws Locked */
export function lockLog(directory: string): () => void {
  makeFolder(directory);
  return lock(directory, lockOf(directory));
}

export class SegmentLog implements Log {
  readonly #options: LogOptions;
  readonly #timers: Timers;
  readonly #events: LogEvents;
  readonly #unlock: () => void;
  readonly #writer: SupervisedThread<ToWriter, FromWriter>;
  /** Null while nothing can be written. */
  #epoch: number | null = null;
  #seq = 0;
  /** The last record that is known to be on disk; null before the first start of a writer. */
  #durable: number | null = null;
  #lines = "";
  #beside = "";
  #messageBytes = 0;
  #flushPlanned = false;
  /** A record was refused in this turn. Those after it are too: it may be tried again, and has to come before them. */
  #full = false;
  #pending: Pending[] = [];
  #pendingRecords = 0;
  #pendingBytes = 0;
  readonly #durableListeners = new Set<(seq: number) => void>();
  readonly #asked = new Map<number, { resolve: (answer: unknown) => void; reject: (cause: Error) => void }>();
  #nextAsk = 1;
  #lost = 0;
  /** Losses that the last `lost` record reports, until that record is on disk. */
  #said: { seq: number; lost: number } | null = null;
  #opening: { resolve: () => void; reject: (cause: Error) => void } | null = null;
  /** For good: another process may write the same files by now. */
  #isLockLost = false;
  #stopWatching: () => void = () => undefined;

  /**
   * Locks the directory, checks and cuts the last segment, and is ready for the next record.
   * @throws Locked, or an Error saying what is wrong with the files
   */
  static async open(
    options: LogOptions,
    timers: Timers,
    events: LogEvents,
    spawn: (durable: number | null) => WriterThread = (durable) => {
      const { directory, segment_bytes, keys, origin, checkpoint_ms } = options;
      const data = { directory, segment_bytes, keys, origin, checkpoint_ms, durable };
      return workerThread(LOG_THREAD, data);
    },
  ): Promise<SegmentLog> {
    const log = new SegmentLog(options, timers, events, spawn, options.unlock ?? lockLog(options.directory));
    try {
      await new Promise<void>((resolve, reject) => {
        log.#opening = { resolve, reject };
      });
    } catch (cause) {
      void log.#writer.end();
      log.#unlock();
      throw cause;
    }
    log.#stopWatching = timers.every(LOCKS_MS, () => {
      log.#watchLocks();
    });
    return log;
  }

  /** A file of a lock that was removed or replaced keeps nobody out: nothing is acknowledged from here on. */
  #watchLocks(): void {
    const lost = [lockOf(this.#options.directory), ...(this.#options.locks ?? [])].find(isLockLost);
    if (lost === undefined || this.#isLockLost) return;
    this.#isLockLost = true;
    this.#fail(`the lock \`${lost}.db\` was removed or replaced: another process may write here; stop both and start one`);
  }

  private constructor(
    options: LogOptions,
    timers: Timers,
    events: LogEvents,
    spawn: (durable: number | null) => WriterThread,
    unlock: () => void,
  ) {
    this.#options = options;
    this.#timers = timers;
    this.#events = events;
    this.#unlock = unlock;
    const owner = {
      received: (message: Spoken): void => {
        this.#receive(message);
      },
      died: (cause: Error): void => {
        for (const { reject } of this.#asked.values()) reject(new Problem("log_unavailable", {}, { cause }));
        this.#asked.clear();
        this.#fail(`the log's writer ended: ${cause.message}`);
      },
    };
    this.#writer = new SupervisedThread(() => spawn(this.#durable), owner, timers, RESTART_MS);
  }

  /** True if a record appended now can be expected to reach the disk. */
  get healthy(): boolean {
    return this.#epoch !== null && !this.#writer.closing && !this.#isLockLost;
  }

  /** The last record that was numbered. */
  get seq(): number {
    return this.#seq;
  }

  get queue(): { records: number; bytes: number } {
    return { records: this.#pendingRecords, bytes: this.#pendingBytes };
  }

  /** Most records and bytes that the queue may have. */
  get queue_max(): { records: number; bytes: number } {
    return { records: this.#options.queue_records_max, bytes: this.#options.queue_bytes_max };
  }

  append(before: string, after: string, beside?: Beside): Promise<void> {
    if (!this.healthy) return Promise.reject(new Problem("log_unavailable"));
    const seq = this.#seq + 1;
    const line = `{${before},"seq":${seq},${after}}\n`;
    if (isTooLong(line)) return Promise.reject(tooLong());
    const text = beside === undefined ? "" : `${beside.text}\n`;
    return this.#put(line, text, 1);
  }

  /** Appends several records like `append`: one after the other, and on disk together or not at all. */
  appendAll(entries: readonly LogEntry[]): Promise<void> {
    if (!this.healthy) return Promise.reject(new Problem("log_unavailable"));
    let [seq, lines, besides] = [this.#seq, "", ""];
    for (const { before, after, beside } of entries) {
      const line = `{${before},"seq":${++seq},${after}}\n`;
      if (isTooLong(line)) return Promise.reject(tooLong());
      lines += line;
      if (beside !== undefined) besides += `${beside.text}\n`;
    }
    return this.#put(lines, besides, entries.length);
  }

  /** Hands over in one message, so that the writer has all of it or nothing. */
  #put(lines: string, beside: string, records: number): Promise<void> {
    const bytes = Buffer.byteLength(lines) + (beside === "" ? 0 : Buffer.byteLength(beside));
    if (bytes > CALL_BYTES_MAX) return Promise.reject(tooLong());
    if (
      this.#full ||
      this.#pendingRecords + records > this.#options.queue_records_max ||
      this.#pendingBytes + bytes > this.#options.queue_bytes_max
    ) {
      this.#refuseThisTurn();
      return Promise.reject(new Problem("log_backlog"));
    }
    if (this.#messageBytes + bytes > MESSAGE_BYTES_MAX) this.#flush();
    const seq = (this.#seq += records);
    this.#lines += lines;
    this.#beside += beside;
    this.#messageBytes += bytes;
    this.#pendingRecords += records;
    this.#pendingBytes += bytes;
    this.#planFlush();
    if (this.#options.durability === "relaxed") {
      this.#pending.push({ seq, records, bytes, resolve: nothing, reject: nothing });
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      this.#pending.push({ seq, records, bytes, resolve, reject });
    });
  }

  /** Calls with the last record on disk whenever there are more, until the returned function is called. */
  onDurable(listener: (seq: number) => void): () => void {
    this.#durableListeners.add(listener);
    return () => this.#durableListeners.delete(listener);
  }

  /** The last record that is known to be on disk. */
  get durable(): number {
    return this.#durable ?? 0;
  }

  /** Returns the checkpoint of all records on disk now, as a signed note. @throws Problem `log_unavailable` */
  checkpoint(): Promise<string> {
    return this.#ask({ kind: "checkpoint" }) as Promise<string>;
  }

  /** @throws RangeError for a record that isn't on disk; Problem `log_unavailable` */
  inclusion(indices: readonly number[]): Promise<InclusionProofs> {
    return this.#ask({ kind: "inclusion", indices }) as Promise<InclusionProofs>;
  }

  /** @throws RangeError unless 1 ≤ before ≤ the log's size; Problem `log_unavailable` */
  consistency(before: number): Promise<ConsistencyProof> {
    return this.#ask({ kind: "consistency", before }) as Promise<ConsistencyProof>;
  }

  /** Returns a tile of hashes (C2SP tlog-tiles); null if it isn't there yet. @throws Problem `log_unavailable` */
  tile(level: number, n: number, width: number): Promise<Uint8Array | null> {
    return this.#ask({ kind: "tile", level, n, width }) as Promise<Uint8Array | null>;
  }

  #ask(ask: TreeQuestion): Promise<unknown> {
    // A writer that has ended answers nothing, and none has taken its place yet.
    if (!this.healthy) return Promise.reject(new Problem("log_unavailable"));
    const id = this.#nextAsk++;
    this.#writer.post({ id, ask });
    return new Promise((resolve, reject) => {
      this.#asked.set(id, { resolve, reject });
    });
  }

  /** Refuses new records, waits for those handed in, releases the directory. */
  async close(): Promise<void> {
    if (this.#writer.closing) return;
    this.#flush();
    this.#stopWatching();
    await this.#writer.close("close");
    this.#unlock();
  }

  #refuseThisTurn(): void {
    if (this.#full) return;
    this.#full = true;
    this.#timers.turnEnd(() => {
      this.#full = false;
    });
  }

  #planFlush(): void {
    if (this.#flushPlanned) return;
    this.#flushPlanned = true;
    this.#timers.turnEnd(() => {
      this.#flushPlanned = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#lines === "" || this.#epoch === null) return;
    this.#writer.post({ epoch: this.#epoch, lines: this.#lines, beside: this.#beside, seq: this.#seq });
    this.#lines = "";
    this.#beside = "";
    this.#messageBytes = 0;
  }

  #receive(message: Spoken): void {
    switch (message.kind) {
      case "durable":
        this.#settle(message.seq);
        return;
      case "ready":
        if (this.#isLockLost) return;
        this.#epoch = message.epoch;
        this.#seq = message.seq;
        this.#durable = message.seq;
        this.#events.ready(message.seq, message.cut);
        this.#tellDurable();
        if (this.#lost > 0) this.#sayLost();
        this.#opening?.resolve();
        this.#opening = null;
        return;
      case "failed":
        this.#fail(message.detail);
        return;
      case "unsealed":
        this.#events.unsealed(message.detail);
        return;
      case "answer":
        this.#answered(message.id)?.resolve(message.answer);
        return;
      case "refused": {
        const cause = new RangeError(message.detail);
        this.#answered(message.id)?.reject(message.range ? cause : new Problem("log_unavailable", {}, { cause }));
      }
    }
  }

  #answered(id: number): { resolve: (answer: unknown) => void; reject: (cause: Error) => void } | undefined {
    const asked = this.#asked.get(id);
    this.#asked.delete(id);
    return asked;
  }

  #sayLost(): void {
    const [lost, before] = [this.#lost, this.#seq];
    this.#lost = 0;
    this.#events.lost(lost);
    if (this.#seq > before) this.#said = { seq: this.#seq, lost };
  }

  #tellDurable(): void {
    for (const listener of this.#durableListeners) listener(this.durable);
  }

  #settle(durable: number): void {
    if (this.#isLockLost) return;
    this.#durable = durable;
    if (this.#said !== null && durable >= this.#said.seq) this.#said = null;
    let done = 0;
    for (const { seq, records, bytes, resolve } of this.#pending) {
      if (seq > durable) break;
      this.#pendingRecords -= records;
      this.#pendingBytes -= bytes;
      done++;
      resolve();
    }
    this.#pending.splice(0, done);
    this.#tellDurable();
  }

  /** Rejects all pending records: they are not on disk, or not known to be, and none of them may be answered. */
  #fail(detail: string): void {
    this.#opening?.reject(new Error(detail));
    this.#opening = null;
    const refused = this.#pending;
    if (this.#options.durability === "relaxed") this.#lost += this.#pendingRecords;
    // The record that said so is lost itself, and stood for these.
    if (this.#said !== null) this.#lost += this.#said.lost - 1;
    this.#said = null;
    const wasAvailable = this.#epoch !== null;
    this.#pending = [];
    this.#pendingRecords = 0;
    this.#pendingBytes = 0;
    this.#lines = "";
    this.#beside = "";
    this.#messageBytes = 0;
    this.#epoch = null;
    if (wasAvailable) this.#events.unavailable(detail);
    for (const { reject } of refused) reject(new Problem("log_unavailable"));
  }
}

function isTooLong(line: string): boolean {
  return line.length * 3 > ENTRY_BYTES_MAX && Buffer.byteLength(line) > ENTRY_BYTES_MAX;
}

function tooLong(): Problem {
  return new Problem("internal", {}, { cause: new Error("a record is too large for a leaf") });
}

function nothing(): void {
  return;
}
