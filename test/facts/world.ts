/** A registry with everything around it: a store and a log that can be made to fail, a clock and timers that stand still. */
import { Problem, type Scalar, type Vocabulary } from "../../src/contract/index.js";
import { Sheet } from "../../src/bundle/source.js";
import { compileWhen } from "../../src/bundle/matchers.js";
import { readAbout, readTargets } from "../../src/bundle/targets.js";
import { Commands, type FactsLimits } from "../../src/facts/commands.js";
import type { FactFollowers } from "../../src/facts/restrictions.js";
import type { OtherNodes } from "../../src/facts/other_nodes.js";
import { readJsonLines } from "../../src/facts/import_file.js";
import { MemoryDisk, MemoryStore } from "../../src/store/memory.js";
import {
  StoreUnavailable,
  type Change,
  type ChangeFilter,
  type FeedTaker,
  type Guard,
  type Mark,
  type Store,
  type Write,
} from "../../src/store/store.js";
import type { Timers } from "../../src/system/index.js";
import type { CompileEntry, KnownPolicy } from "../../src/facts/facts_lookup.js";

export const NOW = Date.UTC(2026, 2, 3, 9);
export const HOUR_MS = 3_600_000;
export const at = (ms: number): string => new Date(NOW + ms).toISOString();

export const VOCABULARY: Vocabulary = {
  verbs: {
    read: { class: "read", collection: false },
    update: { class: "write", collection: false },
    search: { class: "read", collection: true },
  },
  task: { subjects: ["customer", "ticket"], attributes: { topic: { kind: "enum", values: ["billing", "other"] } } },
  agent: { attributes: { tier: { kind: "integer" } } },
  types: {
    invoice: {
      id: "name",
      about: { customer: "customer" },
      attributes: { customer: { kind: "id" }, cents: { kind: "integer" } },
      arguments: {},
      related: {},
    },
    ticket: { id: "name", about: { ticket: "id" }, attributes: {}, arguments: {}, related: {} },
  },
};

export const POLICY: KnownPolicy = {
  vocabulary: VOCABULARY,
  purposes: new Map<string, Scalar>([
    ["support", 1],
    ["billing", 1],
    ["audit", 1],
  ]),
};

export const compileEntry: CompileEntry = (entry, vocabulary) => {
  const sheet = new Sheet("grant", JSON.stringify(entry));
  const said = sheet.fields(sheet.value, [], "a grant", [...Object.keys(vocabulary.verbs), "about", "when"]);
  const targets = readTargets(sheet, said, [], "the grant", vocabulary);
  const types = [...new Set(targets.flatMap((target) => target.types))];
  const about = readAbout(sheet, said["about"], ["about"], targets, vocabulary);
  const when = compileWhen({ sheet, types, vocabulary, permits: true }, said["when"], ["when"]);
  const error = sheet.notes.find(({ severity }) => severity === "error");
  if (error !== undefined) return { field: "", expected: `an entry of the vocabulary: ${error.message}` };
  const covers = new Map<string, Set<string>>();
  for (const target of targets) {
    for (const type of target.types) covers.set(type, (covers.get(type) ?? new Set()).add(target.verb));
  }
  return { covers, about, when };
};

export class StillTimers implements Timers {
  now = 0;
  #due: { at: number; call: () => void }[] = [];

  after(ms: number, call: () => void): () => void {
    const timer = { at: this.now + ms, call };
    this.#due.push(timer);
    return () => {
      this.#due = this.#due.filter((other) => other !== timer);
    };
  }

  every(): () => void {
    throw new Error("nothing here comes back");
  }

  turnEnd(call: () => void): void {
    setImmediate(call);
  }

  async advance(ms: number): Promise<void> {
    this.now += ms;
    const due = this.#due.filter((timer) => timer.at <= this.now);
    this.#due = this.#due.filter((timer) => timer.at > this.now);
    for (const { call } of due) call();
    await turns(20);
  }
}

export async function turns(count = 10): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** What becomes of writes: `after` they are durable, and reported as failed; `never` they are neither answered. */
export type Fate = "written" | "before" | "after" | "never";

export class TestStore implements Store {
  fate: () => Fate = () => "written";
  readonly inner: MemoryStore;

  constructor(timers: Timers, disk: MemoryDisk) {
    this.inner = new MemoryStore(timers, disk);
  }

  get revision(): number {
    return this.inner.revision;
  }

  get healthy(): boolean {
    return this.inner.healthy;
  }

  async write(writes: readonly Write[], guard?: Guard): Promise<number[]> {
    const fate = this.fate();
    if (fate === "never") return new Promise(() => undefined);
    if (fate === "before") throw new StoreUnavailable("the disk is full");
    const revisions = await this.inner.write(writes, guard);
    if (fate === "after") throw new StoreUnavailable("the disk fails");
    return revisions;
  }

  follow(after: number, take: FeedTaker): () => void {
    return this.inner.follow(after, take);
  }

  mark(mark: Mark): void {
    this.inner.mark(mark);
  }

  entries(): AsyncIterable<Change[]> {
    return this.inner.entries();
  }

  async changes(after: number, limit: number, filter?: ChangeFilter): Promise<Change[]> {
    if (this.fate() === "before") throw new StoreUnavailable("the disk fails");
    return this.inner.changes(after, limit, filter);
  }

  backup(): Promise<void> {
    return this.inner.backup();
  }

  close(): Promise<void> {
    return this.inner.close();
  }
}

export const LIMITS: FactsLimits = {
  task_lifetime_max_ms: 24 * HOUR_MS,
  task_depth_max: 4,
  grant_lifetime_max_ms: 8 * HOUR_MS,
  counted_grants: true,
  agents_max: 1_000_000,
  tasks_max: 1_000_000,
  grants_max: 100_000,
  grants_per_holder_max: 1000,
};

export class World {
  readonly clock = { wall_ms: NOW, wall: () => this.clock.wall_ms, monotonic: () => this.timers.now };
  readonly timers = new StillTimers();
  readonly store: TestStore;
  readonly records: Record<string, unknown>[] = [];
  logFails = false;
  policy: KnownPolicy | null = POLICY;
  /** Of every decision on record, the grants it used. */
  uses: string[][] = [];
  barrier = (): Promise<void> => Promise.resolve();
  followers: FactFollowers | null = null;
  others: OtherNodes | null = null;

  constructor(
    readonly disk = new MemoryDisk(),
    readonly limits: Partial<FactsLimits> = {},
    readonly keepRecords = true,
  ) {
    this.store = new TestStore(this.timers, disk);
  }

  /** @param made commands of another build */
  open(recorded = 0, made: Pick<typeof Commands, "open"> = Commands): Promise<Commands> {
    const { uses } = this;
    return made.open({
      store: this.store,
      log: {
        append: (before, after) => {
          if (this.logFails) return Promise.reject(new Problem("log_unavailable"));
          if (this.keepRecords) this.records.push(JSON.parse(`{${before},${after}}`) as Record<string, unknown>);
          return Promise.resolve();
        },
      },
      past: {
        revision: recorded,
        async *uses() {
          await turns(1);
          yield* uses;
        },
      },
      system: { clock: this.clock, timers: this.timers },
      policy: () => this.policy,
      compile: compileEntry,
      barrier: () => this.barrier(),
      followers: () => this.followers,
      others: () => this.others,
      limits: { ...LIMITS, ...this.limits },
      ledger: { retry_ms: 1000, durable_within_ms: 2000 },
    });
  }

  /** Another service on what this one's disk has, its log complete. */
  reopened(): Promise<Commands> {
    return new World(this.disk, this.limits).open(this.store.revision);
  }
}

/** `code field`, or `done`. */
export async function outcome(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return "done";
  } catch (cause) {
    if (!(cause instanceof Problem)) throw cause;
    const { field, line } = cause.detail;
    return [cause.code, field, line === undefined ? undefined : `line ${line}`].filter((part) => part !== undefined).join(" ");
  }
}

export function lines(facts: readonly object[]): Promise<Awaited<ReturnType<typeof readJsonLines>>> {
  return readJsonLines(Buffer.from(facts.map((fact) => `${JSON.stringify(fact)}\n`).join("")), () => Promise.resolve());
}

/** A small generator of numbers that are the same for the same seed. */
export function drawing(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}
