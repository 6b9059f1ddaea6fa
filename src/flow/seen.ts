/**
 * Memory of what a task has seen: of each value the best source and the first, by a digest of it. Bounded for a task and over all; what doesn't fit
 * makes a kind *full* for the task, and what is full is unknown. A fold over records: a start has it from them.
 */
import { hash } from "node:crypto";
import { VALUE_KINDS, WRITERS, type ValueKind, type ValueSource, type ValueWriter } from "../contract/index.js";
import type { TypedValue } from "./values.js";

/** Letters of a value's digest: 96 bits. */
const KEY_LENGTH = 16;
/** Sources that are remembered of a value, the best first. */
const SOURCES_MAX = 3;

/** Digest by which a value is remembered: nothing that was read is kept. */
export function keyOf({ kind, value }: TypedValue): string {
  return hash("sha256", `${kind}\n${value}`, "base64url").slice(0, KEY_LENGTH);
}

/** A value in a report, with its writer. As the record has it. */
export interface Sighting {
  key: string;
  kind: ValueKind;
  writer: ValueWriter;
  path: string;
  named: boolean;
  alone: boolean;
  secret: boolean;
}

/** Values of one answer, as its record says it. */
export interface Sightings {
  task: string;
  decision_id: string;
  /** True if members or outsiders wrote words or addresses in it. */
  others: boolean;
  full: boolean;
  values: readonly Sighting[];
}

export interface SeenValue {
  sources: ValueSource[];
  /** Best writer of the first answer that held it. */
  introduced: ValueWriter;
  first: string;
  secret: boolean;
}

export interface SeenLimits {
  /** Values remembered of one task. */
  values_max: number;
  /** Values remembered of all tasks; the task that nothing was asked of for longest is forgotten first, and is unknown then. */
  values_total_max: number;
  /** Tasks that are remembered as forgotten; beyond, every task without a memory is unknown. */
  forgotten_max: number;
}

export const SEEN_LIMITS: SeenLimits = { values_max: 10_000, values_total_max: 500_000, forgotten_max: 100_000 };

export class TaskSeen {
  readonly values = new Map<string, SeenValue>();
  readonly full = new Set<ValueKind>();
  readonly labels = new Set<string>();
  /** Values that the agent wrote itself on this task, from who knows where: no record that repeats one makes it better. */
  readonly written = new Set<string>();
  /** Permitted calls whose answers were not reported yet: others may have written them. */
  readonly pending = new Set<string>();
  others = false;
  secrets = false;
}

/** A task that was seen no more of than that it was too much. */
const ALL_KINDS: readonly ValueKind[] = VALUE_KINDS;

export class SeenMemory {
  readonly #limits: SeenLimits;
  /** The one that was asked for last at the end. */
  readonly #tasks = new Map<string, TaskSeen>();
  readonly #forgotten = new Set<string>();
  #values = 0;
  #lost = false;

  constructor(limits: SeenLimits = SEEN_LIMITS) {
    this.#limits = limits;
  }

  get size(): { tasks: number; values: number; forgotten: number } {
    return { tasks: this.#tasks.size, values: this.#values, forgotten: this.#forgotten.size };
  }

  /** Null: something is missing of it, and nobody knows what. Undefined: nothing was seen on it. */
  of(task: string): TaskSeen | null | undefined {
    const seen = this.#tasks.get(task);
    if (seen !== undefined) return seen;
    return this.#lost || this.#forgotten.has(task) ? null : undefined;
  }

  /** Makes a task unknown, such as of one that began before anybody watched. */
  forget(task: string): void {
    const seen = this.#tasks.get(task);
    if (seen !== undefined) this.#values -= seen.values.size;
    this.#tasks.delete(task);
    if (this.#forgotten.size < this.#limits.forgotten_max) this.#forgotten.add(task);
    else this.#lost = true;
  }

  /** A task is over: nothing is kept of it. */
  end(task: string): void {
    const seen = this.#tasks.get(task);
    if (seen !== undefined) this.#values -= seen.values.size;
    this.#tasks.delete(task);
  }

  /** A call on this task was permitted; its answer is awaited. */
  permitted(task: string, decisionId: string, note: { written: readonly string[]; labels: readonly string[]; reads: boolean }): void {
    const seen = this.#at(task);
    if (seen === null) return;
    if (note.reads) this.#bound(seen, seen.pending, decisionId);
    for (const label of note.labels) seen.labels.add(label);
    for (const key of note.written)
      if (!seen.values.has(key) || seen.values.get(key)?.sources[0]?.writer === "anyone") this.#bound(seen, seen.written, key);
  }

  /** Takes back a call that was not made. */
  notMade(task: string, decisionId: string): void {
    this.#tasks.get(task)?.pending.delete(decisionId);
  }

  /** Takes in what an answer held. */
  take({ task, decision_id, others, full, values }: Sightings): void {
    const seen = this.#at(task);
    if (seen === null) return;
    seen.pending.delete(decision_id);
    seen.others ||= others;
    if (full) for (const kind of ALL_KINDS) seen.full.add(kind);
    for (const one of values) this.#add(seen, one, decision_id);
    while (this.#values > this.#limits.values_total_max && this.#tasks.size > 1) {
      const [oldest] = this.#tasks.keys();
      if (oldest === undefined || oldest === task) break;
      this.forget(oldest);
    }
  }

  #add(seen: TaskSeen, { key, kind, path, named, alone, secret, ...said }: Sighting, decisionId: string): void {
    const known = seen.values.get(key);
    // What the agent has put there itself stands there by nobody else's word.
    const writer = seen.written.has(key) ? worst(said.writer, "anyone") : said.writer;
    const source: ValueSource = { writer, record: decisionId, path, named, alone };
    if (secret) seen.secrets = true;
    if (known === undefined) {
      if (seen.values.size >= this.#limits.values_max) {
        seen.full.add(kind);
        return;
      }
      seen.values.set(key, { sources: [source], introduced: writer, first: decisionId, secret });
      this.#values++;
      return;
    }
    known.secret ||= secret;
    if (known.first === decisionId) known.introduced = best(known.introduced, writer);
    known.sources.push(source);
    known.sources.sort(byTrust);
    known.sources.length = Math.min(known.sources.length, SOURCES_MAX);
  }

  #bound(seen: TaskSeen, set: Set<string>, key: string): void {
    if (set.size < this.#limits.values_max) set.add(key);
    // A call or a value that can't be remembered: whatever is read from here on may be anything.
    else {
      seen.others = true;
      for (const kind of ALL_KINDS) seen.full.add(kind);
    }
  }

  #at(task: string): TaskSeen | null {
    const known = this.#tasks.get(task);
    if (known === undefined && (this.#lost || this.#forgotten.has(task))) return null;
    const seen = known ?? new TaskSeen();
    this.#tasks.delete(task);
    this.#tasks.set(task, seen);
    return seen;
  }
}

export const rank = (writer: ValueWriter): number => WRITERS.indexOf(writer);

export function best(one: ValueWriter, other: ValueWriter): ValueWriter {
  return rank(one) <= rank(other) ? one : other;
}

function worst(one: ValueWriter, other: ValueWriter): ValueWriter {
  return rank(one) >= rank(other) ? one : other;
}

function byTrust(one: ValueSource, other: ValueSource): number {
  const weight = ({ writer, named, alone }: ValueSource): number => rank(writer) * 4 - (named && alone ? 2 : 0) - (named ? 1 : 0);
  return weight(one) - weight(other);
}
