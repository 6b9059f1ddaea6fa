/**
 * The way of a change: store → memory → record → acknowledgement. What narrows is in memory first, and stays there whether
 * or not the store and the log take it; they are tried again until they do.
 */
import { Problem, RECORD_VERSION, type InForce } from "../contract/index.js";
import { factsText } from "../decision/facts_record.js";
import type { Log } from "../decision/ports.js";
import {
  StoreConflict,
  StoreInvalid,
  StoreUnavailable,
  StoreUnsure,
  isChange,
  type Change,
  type Guard,
  type Json,
  type Store,
  type Write,
} from "../store/store.js";
import type { Clock, Timers } from "../system/index.js";
import { iso } from "./entities.js";
import type { RemoteRestriction } from "./other_nodes.js";
import { split, type Notice, type Registry } from "./registry.js";
import { Turns } from "../system/turns.js";
import { without } from "../system/without.js";

/** Author of a change, and the reason. */
export interface Attribution {
  by: string;
  reason: string | null;
}

export interface LedgerOptions {
  /** Interval at which what isn't durable or on record yet is tried again. */
  retry_ms: number;
  /** Time that an acknowledgement of what holds already waits for the disk before it says that it isn't durable. */
  durable_within_ms: number;
  /** Called for each change whose record is on disk. */
  recorded?: ((revision: number) => void) | undefined;
}

export type CommitOutcome = Pick<InForce, "revision" | "durable" | "problem">;

const CHANGES_AT_ONCE = 1000;
/** Milliseconds after which what another node has let hold is made durable by this one; not by all at once. */
const ADOPTED_MS = 2000;
const ADOPTED_SPREAD = 8;
const ADOPTED_STEP_MS = 50;

export class StoreBehind extends Error {
  override readonly name = "StoreBehind";
}

export class Ledger {
  readonly #registry: Registry;
  readonly #store: Store;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #options: LedgerOptions;
  readonly #listeners = new Set<(notice: Notice) => void>();
  /** Records under way, by revision. */
  readonly #records = new Map<number, Promise<void>>();
  /** Changes in memory that aren't on record, by revision. */
  #owed: Change[] = [];
  #paying: Promise<void> | null = null;
  #catching: Promise<void> | null = null;
  /** True if a write may have become durable although it failed. */
  #unsure = false;
  /** Writes of which the store will say later whether they are made. */
  #unsettled = 0;
  /** Changes in force in memory but not yet durable, with the metadata for their events. */
  readonly #held = new Map<string, Attribution & { time: string; change: string; on_record: boolean }>();
  readonly #turns = new Turns();
  #cancelRetry: (() => void) | null = null;
  #unfollow: (() => void) | null = null;
  #closed = false;

  /** Revision up to which changes were put on record as the store came by them. */
  #completed = 0;
  #recording: Promise<unknown> = Promise.resolve();

  constructor(registry: Registry, store: Store, log: Log, system: { clock: Clock; timers: Timers }, options: LedgerOptions) {
    this.#registry = registry;
    this.#store = store;
    this.#log = log;
    this.#clock = system.clock;
    this.#timers = system.timers;
    this.#options = options;
  }

  /** Calls with every change, in the turn in which it is in memory, until the returned function is called. */
  listen(listener: (notice: Notice) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Serializes actions with the same key. */
  inTurn<T>(of: string, act: () => Promise<T>): Promise<T> {
    return this.#turns.take(of, act);
  }

  /** Returns true if the facts in memory may be about to change: a command of this turn is under way, or may have become durable unseen. */
  isChanging(of: string): boolean {
    return this.#turns.has(of) || this.#unsure || this.#unsettled > 0;
  }

  /**
   * Rejects while the records of changes in memory can't be written, so that no permission is added without its record.
   * @throws Problem of the log
   */
  async ready(): Promise<void> {
    if (this.#owed.length > 0) await this.#payRecords();
  }

  /**
   * Makes changes, all or none, and resolves when they are in memory and on record.
   * @param guard what must not have changed beside the keys
   * @throws Problem `revision_stale` where another has changed a key, `fact_invalid`, `store_unavailable`, and those of the log
   */
  async commit(writes: readonly Omit<Write, "time">[], guard?: Guard): Promise<void> {
    await this.ready();
    const time = iso(this.#clock.wall());
    await this.#write(
      writes.map((write) => ({ ...write, time })),
      guard,
    );
  }

  /**
   * Lets something that narrows hold from now on, and resolves when it is durable and on record, or can't be.
   * @param value what the key holds; null where it holds nothing
   * @param narrow gives back the very value where that is as narrow already
   */
  narrow(turn: string, key: string, value: Json, narrow: (value: Json) => Json, act: Attribution, change: string): Promise<CommitOutcome> {
    const time = iso(this.#clock.wall());
    this.#registry.hold(key, value, narrow);
    this.#held.set(key, { ...act, time, change, on_record: false });
    this.#tell({ ...act, time, change, key, value: this.#registry.owed(key)?.value ?? null, revision: null });
    return this.settle(turn, key);
  }

  /**
   * Lets something hold that narrows and that another node has not made durable yet. If that node can't, this one does.
   * @param narrow gives back the very value where that is as narrow already
   */
  adopt(turn: string, key: string, value: Json, narrow: (value: Json) => Json, act: Attribution & { time: string }, change: string): void {
    if ((this.#held.has(key) && this.#registry.isHeld(key)) || narrow(value) === value) return;
    this.#registry.hold(key, value, narrow);
    this.#held.set(key, { ...act, change, on_record: true });
    this.#tell({ ...act, change, key, value: this.#registry.owed(key)?.value ?? null, revision: null });
    this.#timers.after(ADOPTED_MS + (key.length % ADOPTED_SPREAD) * ADOPTED_STEP_MS, () => {
      if (this.#closed) return;
      if (this.#registry.isHeld(key)) void this.inTurn(turn, () => this.#writeHeld(key));
      // The other node has made it durable, and the store has brought it.
      else this.#held.delete(key);
    });
  }

  /**
   * Lets something hold that narrows and is durable, until the store brings it here.
   * @param value what the key holds; undefined for a key that isn't known yet
   * @param narrow gives back the very value where that is as narrow already
   */
  ahead(change: Change, value: Json | undefined, narrow: (value: Json) => Json): void {
    const { key, revision } = change;
    this.#registry.hold(key, value, (from) => (this.#registry.revision >= revision ? from : narrow(from)), revision);
    // Nobody can have learned anything of a key that isn't known.
    if (value !== undefined && narrow(value) !== value) this.#tell({ ...change, value: narrow(value), revision: null });
  }

  /** Returns what holds here of a key and isn't durable yet; null if nothing does. */
  held(key: string): RemoteRestriction | null {
    const owed = this.#registry.owed(key);
    const told = this.#held.get(key);
    if (owed === undefined || told === undefined) return null;
    const { by, reason, time, change } = told;
    return { key, base: owed.expected, value: owed.value, by, reason, time, change };
  }

  /** Tries to make durable what holds already. */
  settle(turn: string, key: string): Promise<CommitOutcome> {
    const problem = "store_unavailable";
    return new Promise((resolve) => {
      const cancel = this.#timers.after(this.#options.durable_within_ms, () => {
        this.#planRetry();
        resolve({ revision: null, durable: false, problem });
      });
      void this.inTurn(turn, () => this.#writeHeld(key)).then((outcome) => {
        cancel();
        resolve(outcome);
      });
    });
  }

  /** Reads what the store has and memory lacks. @throws StoreUnavailable */
  catchUp(): Promise<void> {
    this.#catching ??= this.#readChanges().finally(() => {
      this.#catching = null;
    });
    return this.#catching;
  }

  /**
   * Puts changes on record that the log lacks, at start, as the store comes by them, and before memory has them.
   * @param recorded as of `complete`
   * @returns when those of the call before are on record: these are written while the store reads on
   */
  async record(changes: readonly Change[], recorded: number): Promise<void> {
    const before = this.#recording;
    this.#recording = Promise.all(changes.filter(({ revision }) => revision > recorded).map((change) => this.#append(change)));
    // Its failure is that of the next call, or of `complete`.
    this.#recording.catch(() => undefined);
    this.#completed = changes.at(-1)?.revision ?? this.#completed;
    await before;
  }

  /**
   * Completes the log from the store, at start, and follows the store from there.
   * @param recorded the highest facts revision on record
   * @throws StoreBehind where the log knows of changes that the store doesn't: then it is another store, or an older one
   */
  async complete(recorded: number): Promise<void> {
    if (recorded > this.#registry.revision) {
      throw new StoreBehind(`the log has facts revision ${recorded} and the store ends at ${this.#registry.revision}`);
    }
    await this.#recording;
    for (let after = Math.max(recorded, this.#completed); after < this.#registry.revision;) {
      const changes = await this.#store.changes(after, CHANGES_AT_ONCE);
      await Promise.all(changes.map((change) => this.#append(change)));
      const last = changes.at(-1);
      if (last === undefined) throw new Error(`the store has no change after revision ${after}`);
      after = last.revision;
    }
    this.#unfollow = this.#store.follow(this.#registry.revision, (items) => {
      this.#take(items.filter(isChange));
    });
  }

  close(): void {
    this.#closed = true;
    this.#unfollow?.();
    this.#cancelRetry?.();
  }

  async #write(writes: readonly Write[], guard?: Guard): Promise<void> {
    let revisions: number[];
    try {
      revisions = await this.#store.write(writes, guard);
    } catch (cause) {
      throw await this.#whyNot(cause);
    }
    const last = revisions.at(-1) ?? 0;
    if (last > this.#registry.revision && !(await this.#registry.reached(last))) await this.#catchUpNow();
    await Promise.all(revisions.map((revision) => this.#onRecord(revision)));
  }

  /** Reads what is durable into memory. If that can't be read now, it is read with the next try. */
  async #catchUpNow(): Promise<void> {
    try {
      await this.catchUp();
    } catch (cause) {
      this.#unsure = true;
      this.#planRetry();
      throw new Problem("store_unavailable", {}, { cause });
    }
  }

  async #whyNot(cause: unknown): Promise<unknown> {
    if (cause instanceof StoreInvalid) {
      return new Problem("fact_invalid", { expected: `what can be stored: ${cause.expected}` }, { cause });
    }
    if (cause instanceof StoreUnsure) {
      this.#unsettled++;
      void cause.settled.then(() => {
        this.#unsettled--;
        this.#unsure = true;
        this.#planRetry();
      });
      return new Problem("outcome_unknown", {}, { cause });
    }
    if (cause instanceof StoreUnavailable) {
      this.#unsure = true;
      this.#planRetry();
      return new Problem("store_unavailable", {}, { cause });
    }
    if (!(cause instanceof StoreConflict)) return cause;
    await this.catchUp().catch(() => undefined);
    return new Problem("revision_stale", {}, { cause });
  }

  async #writeHeld(key: string, again = false): Promise<CommitOutcome> {
    if (this.#unsure) await this.catchUp().catch(() => undefined);
    if (!this.#unsure && this.#unsettled === 0) this.#registry.release(key);
    const owed = this.#registry.owed(key);
    const told = this.#held.get(key);
    if (told === undefined && this.#registry.isHeld(key)) {
      // A restriction of another node; its revision is unknown until the store delivers it.
      await this.catchUp().catch(() => undefined);
      if (this.#registry.isHeld(key)) return { revision: null, durable: false, problem: "store_unavailable" };
    }
    if (owed === undefined || told === undefined) return this.#outcome(key);
    const write = { key, ...owed, ...without(told, "on_record") };
    try {
      await this.#write([write]);
    } catch (cause) {
      const code = cause instanceof Problem ? cause.code : "store_unavailable";
      if (code === "revision_stale" && !again) return this.#writeHeld(key, true);
      // In the store, and not on record.
      if (!this.#registry.isHeld(key)) return this.#outcome(key);
      this.#planRetry();
      if (!told.on_record) {
        // The log can tell that it holds where only the store fails.
        const { value, by, time, reason, change } = write;
        const recorded = this.#append({ key, value, by, time, reason, change, revision: null });
        told.on_record = await recorded.then(() => true).catch(() => false);
      }
      return { revision: null, durable: false, problem: code };
    }
    return this.#outcome(key);
  }

  async #outcome(key: string): Promise<CommitOutcome> {
    if (!this.#registry.isHeld(key)) this.#held.delete(key);
    const revision = this.#registry.revisionOf(key);
    try {
      await this.ready();
    } catch (cause) {
      return { revision, durable: false, problem: cause instanceof Problem ? cause.code : "log_unavailable" };
    }
    return { revision, durable: true, problem: null };
  }

  async #readChanges(): Promise<void> {
    for (;;) {
      const changes = await this.#store.changes(this.#registry.revision, CHANGES_AT_ONCE);
      this.#take(changes);
      if (changes.length < CHANGES_AT_ONCE) break;
    }
    this.#unsure = false;
  }

  /** Takes what is next, so that memory at a revision has every change up to it. */
  #take(changes: readonly Change[]): void {
    for (const change of changes) {
      if (change.revision <= this.#registry.revision) continue;
      this.#registry.apply(change);
      this.#record(change);
      this.#tell(change);
    }
  }

  #record(change: Change): void {
    const { revision } = change;
    let written: Promise<void>;
    if (this.#owed.length === 0) {
      written = this.#append(change).catch((cause: unknown) => {
        this.#owed.push(change);
        this.#owed.sort((a, b) => a.revision - b.revision);
        this.#planRetry();
        throw cause;
      });
    } else {
      this.#owed.push(change);
      written = this.#payRecords();
    }
    this.#records.set(revision, written);
    const done = (): boolean => this.#records.delete(revision);
    written.then(done, done);
  }

  #onRecord(revision: number): Promise<void> {
    if (revision > this.#registry.revision) return Promise.reject(new Problem("store_unavailable"));
    const under = this.#records.get(revision);
    if (under !== undefined) return under;
    return this.#owed.some((change) => change.revision === revision) ? this.#payRecords() : Promise.resolve();
  }

  /** Writes the records that are owed, the oldest first. @throws Problem of the log */
  #payRecords(): Promise<void> {
    this.#paying ??= this.#writeOwed().finally(() => {
      this.#paying = null;
    });
    return this.#paying;
  }

  async #writeOwed(): Promise<void> {
    for (let next = this.#owed[0]; next !== undefined; next = this.#owed[0]) {
      const paid = next;
      await this.#append(paid);
      this.#owed = this.#owed.filter((change) => change !== paid);
    }
  }

  #append(notice: Notice): Promise<void> {
    const { before, after, beside } = factsText(recordOf(notice));
    const { revision } = notice;
    const written = this.#log.append(before, after, beside);
    return revision === null ? written : written.then(() => this.#options.recorded?.(revision));
  }

  #planRetry(): void {
    if (this.#closed || this.#cancelRetry !== null) return;
    this.#cancelRetry = this.#timers.after(this.#options.retry_ms, () => {
      this.#cancelRetry = null;
      void this.#retry();
    });
  }

  async #retry(): Promise<void> {
    if (this.#unsure) await this.catchUp().catch(() => undefined);
    for (const key of [...this.#held.keys()]) await this.inTurn(turnOf(key), () => this.#writeHeld(key, true));
    await this.ready().catch(() => undefined);
    if (this.#unsure || this.#held.size > 0 || this.#owed.length > 0) this.#planRetry();
  }

  #tell(notice: Notice): void {
    for (const listener of this.#listeners) listener(notice);
  }
}

/** Agents change one after another, since their ids and credentials must differ from one another's; others by key. */
export function turnOf(key: string): string {
  const [kind] = split(key);
  return kind === "agent" ? kind : key;
}

function recordOf({ key, value, time, change, revision, by, reason }: Notice): Record<string, unknown> {
  const [kind] = split(key);
  return {
    v: RECORD_VERSION,
    kind: "facts",
    time,
    change,
    facts_revision: revision,
    caller: by,
    reason,
    [kind]: value,
  };
}
