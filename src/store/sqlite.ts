/**
 * The store on SQLite, as the service sees it. This side checks calls and hands them over once per turn of the event loop;
 * a worker commits all that wait with one sync. Writes are answered in the order of their calls.
 */
import { dirname, resolve as absolute } from "node:path";
import type { Timers } from "../system/index.js";
import { makeFolder } from "../system/folder.js";
import { lock } from "../system/lock.js";
import { SupervisedThread } from "../system/supervised_thread.js";
import { workerThread, type Thread } from "../system/thread.js";
import { StoreUnreadable, type CallOutcome, type Page } from "./file.js";
import type { FromKeeper, ToKeeper } from "./keeper.js";
import { finishRestore, lockOf } from "./restore.js";
import { FeedFollowers } from "./followers.js";
import { changeOf, checkQuery, checkedCall, type NewRows } from "./rows.js";
import { StoreConflict, StoreUnavailable } from "./store.js";
import type { Change, ChangeFilter, FeedTaker, Guard, Mark, Store, Write } from "./store.js";

export interface SqliteStoreOptions {
  file: string;
  /** Calls and bytes of values handed in but not yet on disk. */
  queue_calls_max: number;
  queue_bytes_max: number;
  /** Releases the store's lock, for who has it already (`lockStore`); from the call on it is the store's to release. */
  unlock?: (() => void) | undefined;
}

export interface StoreEvents {
  /** Once per change, with what the disk said. */
  unavailable(detail: string): void;
  ready(revision: number): void;
}

export type KeeperThread = Thread<ToKeeper, FromKeeper>;

interface Call {
  bytes: number;
  rows: NewRows["rows"];
  /** Marks that were made after it, and before the next call. */
  marks: Mark[];
  resolve: (revisions: number[]) => void;
  reject: (cause: Error) => void;
}

interface Question {
  resolve: (page: Page | null) => void;
  reject: (cause: Error) => void;
}

type Ask = { kind: "page"; after: number; limit: number; filter: ChangeFilter; latest: boolean } | { kind: "backup"; file: string };

const ENTRIES_CHUNK = 1000;
/** All that the thread says but its farewell. */
type Spoken = Exclude<FromKeeper, { kind: "closed" }>;

const RESTART_MS = 250;
/** The module of its thread. */
export const STORE_THREAD = new URL("./worker.js", import.meta.url);

/** @returns releases it. @throws Locked */
export function lockStore(file: string): () => void {
  makeFolder(dirname(file));
  return lock(file, lockOf(file));
}

export class SqliteStore implements Store {
  readonly #options: SqliteStoreOptions;
  readonly #timers: Timers;
  readonly #events: StoreEvents;
  readonly #unlock: () => void;
  readonly #keeper: SupervisedThread<ToKeeper, FromKeeper>;
  /** Null while nothing can be written. */
  #epoch: number | null = null;
  #revision: number | null = null;
  #calls: NewRows[] = [];
  #flushPlanned = false;
  #pending: Call[] = [];
  #pendingBytes = 0;
  readonly #questions = new Map<number, Question>();
  #nextQuestion = 1;
  readonly #followers: FeedFollowers;
  #opening: { resolve: () => void; reject: (cause: Error) => void } | null = null;

  /**
   * Locks the store, makes it where it is missing, checks the whole file.
   * @throws Locked
   * @throws StoreUnreadable, or StoreUnavailable with what the disk said
   */
  static async open(
    options: SqliteStoreOptions,
    timers: Timers,
    events: StoreEvents,
    spawn: (durable: number | null) => KeeperThread = (durable) => workerThread(STORE_THREAD, { file: absolute(options.file), durable }),
  ): Promise<SqliteStore> {
    const file = absolute(options.file);
    const unlock = options.unlock ?? lockStore(file);
    try {
      finishRestore(file);
    } catch (cause) {
      unlock();
      throw cause;
    }
    const store = new SqliteStore(options, timers, events, spawn, unlock);
    try {
      await new Promise<void>((resolve, reject) => {
        store.#opening = { resolve, reject };
      });
    } catch (cause) {
      void store.#keeper.end();
      unlock();
      throw cause instanceof StoreUnavailable ? new StoreUnavailable(`${file}: ${cause.detail}`) : cause;
    }
    return store;
  }

  private constructor(
    options: SqliteStoreOptions,
    timers: Timers,
    events: StoreEvents,
    spawn: (durable: number | null) => KeeperThread,
    unlock: () => void,
  ) {
    this.#options = options;
    this.#timers = timers;
    this.#events = events;
    this.#unlock = unlock;
    this.#followers = new FeedFollowers((after, limit) => this.changes(after, limit), timers);
    const owner = {
      received: (message: Spoken): void => {
        this.#receive(message);
      },
      died: (cause: Error): void => {
        this.#fail(new StoreUnavailable(`its worker ended: ${cause.message}`));
      },
    };
    this.#keeper = new SupervisedThread(() => spawn(this.#revision), owner, timers, RESTART_MS);
  }

  get revision(): number {
    return this.#revision ?? 0;
  }

  get healthy(): boolean {
    return this.#epoch !== null && !this.#keeper.closing;
  }

  get queue(): { calls: number; bytes: number } {
    return { calls: this.#pending.length, bytes: this.#pendingBytes };
  }

  async write(writes: readonly Write[], guard?: Guard): Promise<number[]> {
    const call = checkedCall(writes, guard);
    const { rows } = call;
    this.#needHealth();
    const bytes = rows.reduce((sum, { value }) => sum + Buffer.byteLength(value), 0);
    const { queue_calls_max, queue_bytes_max } = this.#options;
    if (this.#pending.length >= queue_calls_max || this.#pendingBytes + bytes > queue_bytes_max) {
      throw new StoreUnavailable("as many changes wait as the limit allows");
    }
    this.#calls.push(call);
    this.#pendingBytes += bytes;
    this.#planFlush();
    return new Promise((resolve, reject) => {
      this.#pending.push({ bytes, rows, marks: [], resolve, reject });
    });
  }

  follow(after: number, take: FeedTaker): () => void {
    return this.#followers.add(after, take, this.revision);
  }

  mark(mark: Mark): void {
    const last = this.#pending.at(-1);
    if (last !== undefined) last.marks.push(mark);
    else if (this.healthy)
      this.#timers.turnEnd(() => {
        this.#followers.pass([mark]);
      });
  }

  async *entries(): AsyncGenerator<Change[]> {
    for await (const { rows } of this.#pages({ after: 0, limit: ENTRIES_CHUNK, filter: {}, latest: true })) {
      yield rows.map(changeOf);
    }
  }

  async changes(after: number, limit: number, filter: ChangeFilter = {}): Promise<Change[]> {
    checkQuery(after, limit, filter);
    const found: Change[] = [];
    for await (const { rows } of this.#pages({ after, limit, filter, latest: false })) {
      for (const row of rows.slice(0, limit - found.length)) found.push(changeOf(row));
      if (found.length === limit) break;
    }
    return found;
  }

  async backup(file: string): Promise<void> {
    await this.#ask({ kind: "backup", file: absolute(file) });
  }

  async close(): Promise<void> {
    if (this.#keeper.closing) return;
    this.#flush();
    await this.#keeper.close({ kind: "close" });
    this.#refuseAll("it is closed");
    this.#unlock();
  }

  async *#pages(query: Omit<Extract<Ask, { kind: "page" }>, "kind">): AsyncGenerator<Page> {
    let after: number | null = query.after;
    while (after !== null) {
      const page: Page | null = await this.#ask({ kind: "page", ...query, after });
      if (page === null) return;
      if (page.rows.length > 0) yield page;
      after = page.next;
    }
  }

  async #ask(question: Ask): Promise<Page | null> {
    this.#needHealth();
    const id = this.#nextQuestion++;
    this.#keeper.post({ ...question, id });
    return new Promise((resolve, reject) => {
      this.#questions.set(id, { resolve, reject });
    });
  }

  #needHealth(): void {
    if (this.#keeper.closing) throw new StoreUnavailable("it is closed");
    if (this.#epoch === null) throw new StoreUnavailable("the disk fails");
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
    if (this.#calls.length === 0 || this.#epoch === null) return;
    this.#keeper.post({ kind: "write", epoch: this.#epoch, calls: this.#calls });
    this.#calls = [];
  }

  #receive(message: Spoken): void {
    switch (message.kind) {
      case "written":
        this.#revision = message.revision;
        this.#settle(message.outcomes);
        return;
      case "answered":
        this.#question(message.id)?.resolve(message.page);
        return;
      case "refused":
        this.#question(message.id)?.reject(new StoreUnavailable(message.detail));
        return;
      case "ready":
        this.#epoch = message.epoch;
        this.#revision = message.revision;
        this.#events.ready(message.revision);
        this.#opening?.resolve();
        this.#opening = null;
        return;
      case "failed":
        this.#fail(message.unreadable ? new StoreUnreadable(message.detail) : new StoreUnavailable(message.detail));
    }
  }

  #question(id: number): Question | undefined {
    const question = this.#questions.get(id);
    this.#questions.delete(id);
    return question;
  }

  #settle(outcomes: readonly CallOutcome[]): void {
    const settled = this.#pending.splice(0, outcomes.length);
    if (this.#followers.size > 0) this.#followers.pass(settled.flatMap((call, index) => itemsOf(call, outcomes[index])));
    for (const [index, { bytes, resolve, reject }] of settled.entries()) {
      this.#pendingBytes -= bytes;
      const outcome = outcomes[index] ?? [];
      if (Array.isArray(outcome)) resolve(outcome);
      else reject(new StoreConflict(outcome.key, outcome.expected, outcome.found));
    }
  }

  /** Rejects all pending calls: their changes aren't on disk, or aren't known to be. None is answered, and the keeper undoes them. */
  #fail(cause: StoreUnavailable | StoreUnreadable): void {
    this.#opening?.reject(cause);
    this.#opening = null;
    const wasAvailable = this.#epoch !== null;
    this.#epoch = null;
    const detail = cause instanceof StoreUnavailable ? cause.detail : cause.message;
    if (wasAvailable) this.#events.unavailable(detail);
    this.#refuseAll(detail);
  }

  #refuseAll(detail: string): void {
    const refused = [...this.#pending, ...this.#questions.values()];
    this.#pending = [];
    this.#pendingBytes = 0;
    this.#calls = [];
    this.#questions.clear();
    for (const { reject } of refused) reject(new StoreUnavailable(detail));
  }
}

/** Returns what a settled call has put into the feed. */
function itemsOf({ rows, marks }: Call, outcome: CallOutcome | undefined): (Change | Mark)[] {
  if (!Array.isArray(outcome)) return marks;
  return [...rows.map(({ expected: _, ...row }, i) => changeOf({ revision: outcome[i] ?? 0, ...row })), ...marks];
}
