/**
 * Memory of what a task has seen: of each value the best source and the first, by a digest of it. Bounded for a task, an agent and over all; what
 * doesn't fit makes a kind *full* for the task, and what is full is unknown. A fold over records: a start has it from them.
 */
import { hash } from "node:crypto";
import { VALUE_KINDS, WRITERS, type ValueKind, type ValueSource, type ValueWriter } from "../contract/index.js";
import type { Lowering } from "../decision/ports.js";
import type { TypedValue } from "./values.js";

/** Letters of a value's digest: 96 bits. */
const KEY_LENGTH = 16;
/** Sources that are remembered of a value, the best first. */
export const SOURCES_MAX = 3;

/** Digest by which a value is remembered: nothing that was read is kept. */
export function keyOf({ kind, value }: TypedValue): string {
  return hash("sha256", `${kind}\n${value}`, "base64url").slice(0, KEY_LENGTH);
}

/** Marks of a plan's steps that returned a value: all, and those under which it is certain that it is the one that is meant. */
export interface Marks {
  all: number;
  sure: number;
}
export const NO_MARKS: Marks = { all: 0, sure: 0 };

/** A value in a report, with its writer. As the record has it. */
export interface Sighting {
  key: string;
  kind: ValueKind;
  writer: ValueWriter;
  path: string;
  named: boolean;
  alone: boolean;
  secret: boolean;
  /** Left out: none. */
  marks?: Marks;
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
  /** Sure are those under which it was alone of its kind, or not others' word. Left out: none. */
  marks?: Marks;
}

export interface SeenLimits {
  /** Values remembered of one task. */
  values_max: number;
  /**
   * Values, calls and tasks remembered over all. Beyond, the agent with most loses the task that it asked nothing of for longest, which is
   * unknown then: no agent makes another's tasks unknown.
   */
  total_max: number;
}

export const SEEN_LIMITS: SeenLimits = { values_max: 10_000, total_max: 500_000 };

/** Memory of a task as it is handed to another process. */
export interface SeenState {
  values: [key: string, value: SeenValue][];
  full: ValueKind[];
  labels: string[];
  written: string[];
  pending: string[];
  /** Left out by earlier versions: none. */
  lowers?: [decision: string, labels: string[]][];
  others: boolean;
  secrets: boolean;
}

export class TaskSeen {
  /** Agent of the task, among whose tasks its memory counts. */
  readonly holder: string;
  readonly values = new Map<string, SeenValue>();
  readonly full = new Set<ValueKind>();
  readonly labels = new Set<string>();
  /** Values that the agent wrote itself on this task, from who knows where: no record that repeats one makes it better. */
  readonly written = new Set<string>();
  /** Permitted calls whose answers were not reported yet: others may have written them. */
  readonly pending = new Set<string>();
  /** Permitted calls that take labels away once they are done, with those that nothing has given since. */
  readonly lowers = new Map<string, Set<string>>();
  others = false;
  secrets = false;

  constructor(holder: string) {
    this.holder = holder;
  }

  /** Share of the memory that it takes. */
  get weight(): number {
    return 1 + this.values.size + this.written.size + this.pending.size + this.lowers.size;
  }
}

/** Memory of one agent's tasks. */
interface Holder {
  /** The one that was asked for last at the end. */
  readonly tasks: Map<string, TaskSeen>;
  weight: number;
}

/** Task, and the agent that it was issued to. */
interface TaskOfAgent {
  task: string;
  agent: string;
}

interface PermittedCall {
  written: readonly string[];
  labels: readonly string[];
  /** Labels that the task loses once it is done. */
  lowers: readonly string[];
  /** Its answer may hold what others wrote. */
  reads: boolean;
}

const FORGOTTEN_SWEPT_MIN = 1000;
/** A task that was seen no more of than that it was too much. */
const ALL_KINDS: readonly ValueKind[] = VALUE_KINDS;

export class SeenMemory {
  readonly #limits: SeenLimits;
  readonly #isOver: (task: string) => boolean;
  readonly #tasks = new Map<string, TaskSeen>();
  readonly #holders = new Map<string, Holder>();
  readonly #forgotten = new Set<string>();
  /** Size of `#forgotten` at which tasks that are over are looked for in it. */
  #sweepAt = FORGOTTEN_SWEPT_MIN;
  #weight = 0;

  /** @param isOver whether a task has ended or is gone for good: nothing needs to be known of it */
  constructor(limits: SeenLimits = SEEN_LIMITS, isOver: (task: string) => boolean = () => false) {
    this.#limits = limits;
    this.#isOver = isOver;
  }

  get size(): { tasks: number; total: number; forgotten: number } {
    return { tasks: this.#tasks.size, total: this.#weight, forgotten: this.#forgotten.size };
  }

  /** Null: something is missing of it, and nobody knows what. Undefined: nothing was seen on it. */
  of(task: string): TaskSeen | null | undefined {
    return this.#tasks.get(task) ?? (this.#forgotten.has(task) ? null : undefined);
  }

  /** Makes a task unknown, such as one that began before anybody watched. */
  forget(task: string): void {
    this.#drop(task);
    if (this.#isOver(task)) return;
    this.#forgotten.add(task);
    if (this.#forgotten.size < this.#sweepAt) return;
    for (const one of this.#forgotten) if (this.#isOver(one)) this.#forgotten.delete(one);
    this.#sweepAt = Math.max(FORGOTTEN_SWEPT_MIN, 2 * this.#forgotten.size);
  }

  /** A task is over: nothing is kept of it. */
  end(task: string): void {
    this.#drop(task);
    this.#forgotten.delete(task);
  }

  /** Returns what another process needs to go on with a task; null: the task is unknown. */
  stateOf(task: string): SeenState | null {
    const seen = this.of(task);
    if (seen === null) return null;
    const { values, full, labels, written, pending, lowers, others, secrets } = seen ?? new TaskSeen("");
    const sets = { full: [...full], labels: [...labels], written: [...written], pending: [...pending] };
    const awaited = [...lowers].map(([decision, of]): [string, string[]] => [decision, [...of]]);
    return { values: [...values], ...sets, ...(awaited.length > 0 && { lowers: awaited }), others, secrets };
  }

  /** Takes over a task from another process, without this call of it. */
  adopt(
    { task, agent }: TaskOfAgent,
    { values, full, labels, written, pending, lowers = [], others, secrets }: SeenState,
    except: string,
  ): void {
    const seen = this.#at(task, agent);
    if (seen === null) return;
    const before = seen.weight;
    for (const [key, value] of values) seen.values.set(key, value);
    for (const kind of full) seen.full.add(kind);
    for (const label of labels) seen.labels.add(label);
    for (const key of written) seen.written.add(key);
    for (const call of pending) if (call !== except) seen.pending.add(call);
    for (const [call, of] of lowers) if (call !== except) seen.lowers.set(call, new Set(of));
    seen.others = others;
    seen.secrets = secrets;
    this.#grow(seen, before);
  }

  /** A call on this task was permitted; its answer is awaited. */
  permitted({ task, agent }: TaskOfAgent, decisionId: string, { written, labels, lowers, reads }: PermittedCall): void {
    const seen = this.#at(task, agent);
    if (seen === null) return;
    const before = seen.weight;
    if (reads) this.#bound(seen, seen.pending, decisionId);
    for (const label of labels) {
      seen.labels.add(label);
      // What is being done by now was decided before this was read, and takes nothing of it away.
      for (const of of seen.lowers.values()) of.delete(label);
    }
    if (lowers.length > 0 && seen.lowers.size < this.#limits.values_max) seen.lowers.set(decisionId, new Set(lowers));
    for (const key of written) this.#bound(seen, seen.written, key);
    this.#grow(seen, before);
  }

  /** A person takes labels from a task. */
  lower(task: string, labels: readonly string[]): void {
    for (const label of labels) this.#tasks.get(task)?.labels.delete(label);
  }

  /** Returns what takes labels from a task, and gives back those that it had: a rule says that what was done lowers them. */
  lowering(task: string, decisionId: string): Lowering {
    let [of, gone]: [Set<string> | undefined, string[]] = [undefined, []];
    return {
      lower: () => {
        const seen = this.#tasks.get(task);
        of = seen?.lowers.get(decisionId);
        gone = [...(of ?? [])].filter((label) => seen?.labels.delete(label) === true);
        if (seen !== undefined) this.#forgetLowering(seen, decisionId);
      },
      restore: () => {
        const seen = this.#tasks.get(task);
        if (seen === undefined || of === undefined) return;
        const before = seen.weight;
        seen.lowers.set(decisionId, of);
        for (const label of gone) seen.labels.add(label);
        this.#grow(seen, before);
      },
    };
  }

  #forgetLowering(seen: TaskSeen, decisionId: string): void {
    const before = seen.weight;
    seen.lowers.delete(decisionId);
    this.#grow(seen, before);
  }

  /** Takes back a call that was not made. */
  notMade(task: string, decisionId: string): void {
    const seen = this.#tasks.get(task);
    if (seen === undefined) return;
    const before = seen.weight;
    seen.pending.delete(decisionId);
    seen.lowers.delete(decisionId);
    this.#grow(seen, before);
  }

  /** Takes in what an answer held; of a task that is forgotten or over nothing. */
  take({ task, decision_id, others, full, values }: Sightings): void {
    const seen = this.#tasks.get(task);
    if (seen === undefined) return;
    const before = seen.weight;
    seen.pending.delete(decision_id);
    seen.others ||= others;
    if (full) for (const kind of ALL_KINDS) seen.full.add(kind);
    for (const one of values) this.#add(seen, one, decision_id);
    this.#grow(seen, before);
  }

  #add(seen: TaskSeen, { key, kind, path, named, alone, secret, marks = NO_MARKS, ...said }: Sighting, decisionId: string): void {
    const known = seen.values.get(key);
    // What the agent has put there itself stands there by nobody else's word.
    const writer = seen.written.has(key) ? worst(said.writer, "anyone") : said.writer;
    const source: ValueSource = { writer, record: decisionId, path, named, alone };
    // A step that repeats what the agent has put there itself isn't where it comes from.
    const ofStep = seen.written.has(key) ? NO_MARKS : marks;
    if (secret) seen.secrets = true;
    if (known === undefined) {
      if (seen.values.size >= this.#limits.values_max) {
        seen.full.add(kind);
        return;
      }
      const value: SeenValue = { sources: [source], introduced: writer, first: decisionId, secret };
      seen.values.set(key, value);
      mark(value, ofStep);
      return;
    }
    known.secret ||= secret;
    mark(known, ofStep);
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

  /** Returns the task's memory, as the last that its agent asked of; null if it is forgotten. */
  #at(task: string, agent: string): TaskSeen | null {
    const known = this.#tasks.get(task);
    if (known === undefined && this.#forgotten.has(task)) return null;
    const seen = known ?? new TaskSeen(agent);
    const holder = this.#holders.get(seen.holder) ?? { tasks: new Map<string, TaskSeen>(), weight: 0 };
    if (known === undefined) {
      this.#tasks.set(task, seen);
      this.#holders.set(seen.holder, holder);
      this.#weight += seen.weight;
      holder.weight += seen.weight;
    }
    holder.tasks.delete(task);
    holder.tasks.set(task, seen);
    return seen;
  }

  #drop(task: string): void {
    const seen = this.#tasks.get(task);
    if (seen === undefined) return;
    this.#tasks.delete(task);
    this.#weight -= seen.weight;
    const holder = this.#holders.get(seen.holder);
    if (holder === undefined) return;
    holder.tasks.delete(task);
    holder.weight -= seen.weight;
    if (holder.tasks.size === 0) this.#holders.delete(seen.holder);
  }

  /** Counts what a task's memory has grown by, and makes room if that is too much. */
  #grow(seen: TaskSeen, before: number): void {
    const by = seen.weight - before;
    this.#weight += by;
    const own = this.#holders.get(seen.holder);
    if (own !== undefined) own.weight += by;
    while (this.#weight > this.#limits.total_max) {
      let most: Holder | undefined;
      for (const holder of this.#holders.values()) if (most === undefined || holder.weight > most.weight) most = holder;
      const [oldest] = most?.tasks.keys() ?? [];
      if (oldest === undefined) return;
      this.forget(oldest);
    }
  }
}

function mark(value: SeenValue, { all, sure }: Marks): void {
  if (all === 0) return;
  value.marks ??= { all: 0, sure: 0 };
  value.marks.all |= all;
  value.marks.sure |= sure;
}

export const rank = (writer: ValueWriter): number => WRITERS.indexOf(writer);

export function best(one: ValueWriter, other: ValueWriter): ValueWriter {
  return rank(one) <= rank(other) ? one : other;
}

export function worst(one: ValueWriter, other: ValueWriter): ValueWriter {
  return rank(one) >= rank(other) ? one : other;
}

function byTrust(one: ValueSource, other: ValueSource): number {
  const weight = ({ writer, named, alone }: ValueSource): number => rank(writer) * 4 - (named && alone ? 2 : 0) - (named ? 1 : 0);
  return weight(one) - weight(other);
}
