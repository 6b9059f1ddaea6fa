/**
 * A store in memory, for services without a disk and for simulations: a group of calls takes time, fails before or after it
 * reached the disk, and the power can be cut. All of it follows from the timers and the faults that are passed in.
 */
import type { Timers } from "../system/index.js";
import { FeedFollowers } from "./followers.js";
import { changeOf, checkQuery, checkedCall, type NewRows, type StoreRow } from "./rows.js";
import { StoreConflict, StoreUnavailable } from "./store.js";
import type { Change, ChangeFilter, FeedTaker, Guard, Mark, Store, Write } from "./store.js";

/** Storage that outlives a store in memory, as a disk does: after a power cut another store is opened on it. */
export class MemoryDisk {
  readonly rows: StoreRow[] = [];
}

export interface MemoryFaults {
  /** Time that the next group takes; half of it until it is on the disk. 0 is the end of this turn of the event loop. */
  latencyMs(): number;
  /** `unsaid`: it reaches the disk, and is reported as failed. */
  fate(): "written" | "lost" | "unsaid";
  /** Time for which the store is unavailable after a failure. */
  recoveryMs(): number;
}

export const NO_FAULTS: MemoryFaults = { latencyMs: () => 0, fate: () => "written", recoveryMs: () => 0 };

interface Call extends NewRows {
  resolve: (revisions: number[]) => void;
  reject: (cause: Error) => void;
}

const ENTRIES_CHUNK = 1000;

export class MemoryStore implements Store {
  readonly #disk: MemoryDisk;
  readonly #timers: Timers;
  readonly #faults: MemoryFaults;
  readonly #last = new Map<string, number>();
  #revision: number;
  #waiting: Call[] = [];
  #group: Call[] = [];
  #state: "working" | "failed" | "closed" | "cut" = "working";
  #closed: (() => void) | null = null;
  readonly #followers: FeedFollowers;

  constructor(timers: Timers, disk = new MemoryDisk(), faults = NO_FAULTS) {
    this.#disk = disk;
    this.#timers = timers;
    this.#faults = faults;
    this.#revision = disk.rows.length;
    this.#followers = new FeedFollowers((after, limit) => this.changes(after, limit), timers);
    for (const { key, revision } of disk.rows) this.#last.set(key, revision);
  }

  get revision(): number {
    return this.#revision;
  }

  get healthy(): boolean {
    return this.#state === "working";
  }

  async write(writes: readonly Write[], guard?: Guard): Promise<number[]> {
    const call = checkedCall(writes, guard);
    this.#needHealth();
    if (this.#waiting.length === 0 && this.#group.length === 0)
      this.#after(0, () => {
        this.#begin();
      });
    return new Promise((resolve, reject) => {
      this.#waiting.push({ ...call, resolve, reject });
    });
  }

  follow(after: number, take: FeedTaker): () => void {
    return this.#followers.add(after, take, this.#revision);
  }

  mark(mark: Mark): void {
    this.#after(0, () => {
      if (this.#state === "working") this.#followers.pass([mark]);
    });
  }

  async *entries(): AsyncGenerator<Change[]> {
    await this.#turn();
    const last = new Map(this.#disk.rows.slice(0, this.#revision).map((row) => [row.key, row]));
    const latest = [...last.values()].sort((a, b) => a.revision - b.revision);
    for (let from = 0; from < latest.length; from += ENTRIES_CHUNK) {
      yield latest.slice(from, from + ENTRIES_CHUNK).map(changeOf);
      await this.#turn();
    }
  }

  async changes(after: number, limit: number, filter: ChangeFilter = {}): Promise<Change[]> {
    checkQuery(after, limit, filter);
    const { key, prefix = "" } = filter;
    await this.#turn();
    return this.#disk.rows
      .slice(after, this.#revision)
      .filter((row) => (key === undefined ? row.key.startsWith(prefix) : row.key === key))
      .slice(0, limit)
      .map(changeOf);
  }

  backup(): Promise<void> {
    return Promise.reject(new StoreUnavailable("a store in memory has no backup"));
  }

  async close(): Promise<void> {
    if (this.#state === "closed" || this.#state === "cut") return;
    this.#state = "closed";
    if (this.#waiting.length === 0 && this.#group.length === 0) return;
    await new Promise<void>((resolve) => {
      this.#closed = resolve;
    });
  }

  /** The power goes: what is not on the disk is lost, and no call in flight is ever answered. */
  cut(): void {
    this.#state = "cut";
  }

  #begin(): void {
    this.#group = this.#waiting;
    this.#waiting = [];
    const latency = this.#faults.latencyMs();
    const fate = this.#faults.fate();
    this.#after(latency / 2, () => {
      const settle = fate === "lost" ? [] : this.#group.map((call) => this.#apply(call));
      this.#after(latency / 2, () => {
        if (fate !== "written") {
          this.#fail();
          return;
        }
        const before = this.#revision;
        this.#revision = this.#disk.rows.length;
        this.#group = [];
        if (this.#followers.size > 0) this.#followers.pass(this.#disk.rows.slice(before).map(changeOf));
        for (const call of settle) call();
        if (this.#waiting.length > 0) this.#begin();
        else this.#closed?.();
      });
    });
  }

  /** @returns tells the caller */
  #apply({ rows, guard, resolve, reject }: Call): () => void {
    const guarded = guard === null ? 0 : this.#lastOf(guard.prefix);
    if (guard !== null && guarded > guard.since)
      return () => {
        reject(new StoreConflict(guard.prefix, guard.since, guarded));
      };
    for (const { key, expected } of rows) {
      const found = this.#last.get(key) ?? 0;
      if (found !== expected)
        return () => {
          reject(new StoreConflict(key, expected, found));
        };
    }
    const revisions = rows.map(({ expected: _, ...row }) => {
      const revision = this.#disk.rows.length + 1;
      this.#disk.rows.push({ revision, ...row });
      this.#last.set(row.key, revision);
      return revision;
    });
    return () => {
      resolve(revisions);
    };
  }

  /** Returns the revision of the last change of keys that begin so. */
  #lastOf(prefix: string): number {
    return this.#disk.rows.findLast(({ key }) => key.startsWith(prefix))?.revision ?? 0;
  }

  #fail(): void {
    const refused = [...this.#group, ...this.#waiting];
    this.#group = [];
    this.#waiting = [];
    if (this.#state === "working") this.#state = "failed";
    for (const { reject } of refused) reject(new StoreUnavailable("the disk fails"));
    this.#closed?.();
    this.#after(this.#faults.recoveryMs(), () => {
      if (this.#state !== "failed") return;
      // What reached the disk was refused: it is taken back before anything else is taken.
      this.#disk.rows.length = this.#revision;
      this.#last.clear();
      for (const { key, revision } of this.#disk.rows) this.#last.set(key, revision);
      this.#state = "working";
    });
  }

  #needHealth(): void {
    if (this.#state === "failed") throw new StoreUnavailable("the disk fails");
    if (this.#state !== "working") throw new StoreUnavailable("it is closed");
  }

  /** A read is answered at the end of the turn, as one from a worker is not before. */
  async #turn(): Promise<void> {
    this.#needHealth();
    await new Promise<void>((resolve) => {
      this.#after(0, resolve);
    });
    this.#needHealth();
  }

  #after(ms: number, call: () => void): void {
    const unlessCut = (): void => {
      if (this.#state !== "cut") call();
    };
    if (ms === 0) this.#timers.turnEnd(unlessCut);
    else this.#timers.after(ms, unlessCut);
  }
}
