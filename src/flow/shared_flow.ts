/**
 * Flow of a node of a cluster: what a task has seen and what is counted is kept by scope where all nodes read it. An action reads its scopes,
 * is decided on them, writes what it adds, and is decided again: its answer leaves if that comes to the same. A scope that another
 * node has changed meanwhile refuses the write, and the action begins again. A task that nobody has begun here is unknown.
 */
import { canonical, Problem, type Returned, type SeenRecord } from "../contract/index.js";
import type { ActionHistory, FlowAnswered, FlowOutcomes, FlowQuestion, Lowering, ValueFlow } from "../decision/ports.js";
import { byDeadline } from "../system/deadline.js";
import { FairMap } from "../system/fair_map.js";
import type { Clock, Timers } from "../system/index.js";
import { scopesOf } from "./counts.js";
import { AWAITED_MAX, Flow, taskScope, type FlowNote, type ScopeState } from "./flow.js";
import type { SeenLimits } from "./seen_memory.js";

/** Texts by scope, which all nodes of a cluster read and write. */
export interface SharedStates {
  /** Reads what was written last. @throws where nobody can say */
  read(scope: string): Promise<SharedState>;
  /**
   * Writes unless another has written since.
   * @param kept_ms milliseconds after which it may be gone; null: never
   * @returns false if another has
   * @throws where nobody can say whether it is written
   */
  write(scope: string, text: string, expected: number, kept_ms: number | null): Promise<boolean>;
  /** Deletes it; a failure is left for the next. */
  drop(scope: string): void;
}

export interface SharedState {
  /** 0: nothing is there. */
  revision: number;
  text: string | null;
}

/** Task as far as its memory needs it. */
export interface SharedTask {
  id: string;
  expires_ms: number | null;
  watched?: boolean;
}

export interface SharedFlowOptions {
  states: SharedStates;
  clock: Pick<Clock, "wall" | "monotonic">;
  timers: Pick<Timers, "after">;
  find: (task: string) => SharedTask | undefined;
  /** Called if something that has happened could not be written for all nodes. */
  unwritten: (scopes: readonly string[], detail: string) => void;
}

/** A state is one message on the servers, 1 MiB at most: values of one task that are remembered. */
export const SHARED_SEEN: SeenLimits = { values_max: 1500, total_max: 10_000 };
/** Letters of a state beyond which nothing more is counted on its scope. */
const STATE_LENGTH_MAX = 512 * 1024;
/** Entries of one counter, and counters of one scope. */
const SHARED_COUNTS = { counters_max: 1000, agent_counters_max: 1000, entries_max: 1000 };
const DECIDED_WITHIN_MS = 5000;
const WRITTEN_WITHIN_MS = 10_000;
const RETRY_MS = 50;
/** A day, the longest window, and an hour. */
const WINDOW_KEPT_MS = 25 * 3_600_000;
/** Time for which a task's state outlives it. */
const TASK_KEPT_MS = 3_600_000;

const NOTHING_SEEN: ScopeState = {
  seen: { values: [], full: [], labels: [], written: [], pending: [], others: false, secrets: false },
  counters: {},
};
const UNKNOWN: ScopeState = { seen: null, counters: null };
/** Version of the texts; one of another is unknown here. */
const VERSION = 1;
/** Stands for no decision. */
const NONE = "";

/** Permitted call whose answer is awaited, without what its decision has read. */
interface AwaitedNote {
  note: FlowNote;
  scopes: readonly string[];
}

type Update = (flow: Flow) => void;

export class SharedFlow implements ValueFlow<FlowNote> {
  readonly #options: SharedFlowOptions;
  /** Tells what a report says of a call: that needs no memory. */
  readonly #reader = new Flow();
  readonly #awaited = new FairMap<AwaitedNote>(AWAITED_MAX);
  /** Decisions of which something may be written, and that aren't committed. */
  readonly #tried = new Set<string>();
  /** Changes by outcomes whose records are not on disk yet, by decision. */
  readonly #told = new Map<string, Update[]>();
  /** Changes that are being written. */
  readonly #updates = new Set<Promise<boolean>>();
  /** The last action of each scope on this node: the next begins when it has ended. */
  readonly #turns = new Map<string, Promise<void>>();

  constructor(options: SharedFlowOptions) {
    this.#options = options;
  }

  get awaited(): number {
    return this.#awaited.size;
  }

  ask(question: FlowQuestion): FlowAnswered<FlowNote> {
    const scopes = this.#scopesOf(question);
    const { facts, note } = flowOf(question, scopes, new Map(), NONE).ask(question);
    // Nothing is added to what nobody shares.
    if (scopes.length === 0) return { facts, note: null };
    return { facts, note, shared: { open: (id) => this.#open(id, question, scopes) } };
  }

  permitted(decisionId: string, note: FlowNote, seen?: SeenRecord): void {
    const scopes = this.#await(decisionId, note);
    if (this.#tried.delete(decisionId)) return;
    // It has happened, and nobody has asked.
    const update = this.#update(scopes, (flow) => {
      add(flow, decisionId, note);
      if (seen !== undefined) flow.recalled(decisionId, seen, { ...note, told: note.told() });
    });
    this.#updates.add(update);
    void update.then(() => this.#updates.delete(update));
  }

  seenIn(decisionId: string, note: FlowNote, returned: Returned): SeenRecord | null {
    return this.#reader.seenIn(decisionId, note, returned);
  }

  notMade(decisionId: string): void {
    const call = this.#awaited.get(decisionId);
    this.#awaited.delete(decisionId);
    if (call !== undefined) void this.#update(call.scopes, NOTHING, decisionId);
  }

  async known(): Promise<void> {
    await Promise.all(this.#updates);
  }

  /** Takes up what an earlier process of this node has permitted: its outcome may still come. */
  recall(decisionId: string, question: FlowQuestion): void {
    const { note } = flowOf(question, [], new Map(), NONE).ask(question);
    if (note !== null && !this.#awaited.has(decisionId)) this.#await(decisionId, note);
  }

  #await(decisionId: string, note: FlowNote): readonly string[] {
    const scopes = this.#scopesOfNote(note);
    // The action itself isn't kept.
    const told = note.told();
    const bare = { ...note, charges: [], written: () => [], told: () => told };
    this.#awaited.set(note.root?.agent ?? note.charges[0]?.holder ?? "", decisionId, { note: bare, scopes });
    return scopes;
  }

  /** Reports of outcomes are written once their records are on disk. */
  readonly outcomes: FlowOutcomes = {
    returned: (decisionId, returned) => {
      const call = this.#awaited.get(decisionId);
      const seen = call === undefined ? null : this.#reader.seenIn(decisionId, call.note, returned);
      if (call !== undefined && seen !== null)
        this.#tell(decisionId, (flow) => {
          flow.recalled(decisionId, seen, { ...call.note, told: call.note.told() });
        });
      return seen;
    },
    done: (decisionId): Lowering | null => {
      const { lowers = [], root = null } = this.#awaited.get(decisionId)?.note ?? {};
      if (lowers.length === 0 || root === null) return null;
      const lower: Update = (flow) => {
        flow.lowering(root.id, decisionId).lower();
      };
      return {
        lower: () => {
          this.#tell(decisionId, lower);
        },
        restore: () => undefined,
      };
    },
    notMade: (decisionId) => {
      this.#tell(decisionId, NOTHING);
    },
    settle: async (decisionId) => {
      const told = this.#told.get(decisionId);
      const call = this.#awaited.get(decisionId);
      this.#told.delete(decisionId);
      if (told === undefined || call === undefined) return;
      this.#awaited.delete(decisionId);
      const isUnmade = told.includes(NOTHING);
      const change: Update = (flow) => {
        for (const one of told) one(flow);
      };
      await this.#update(isUnmade ? call.scopes : call.scopes.filter(isOfTask), change, isUnmade ? decisionId : NONE);
    },
    discard: (decisionId) => {
      this.#told.delete(decisionId);
    },
  };

  /**
   * Begins to watch a task that is about to be registered.
   * @returns false if a task of its id was watched before
   * @throws Problem `history_unavailable`
   */
  async begin(task: SharedTask): Promise<boolean> {
    const { states, clock } = this.#options;
    const scope = taskScope(task.id);
    const empty = textOf(NOTHING_SEEN);
    return await this.#within(clock.monotonic() + DECIDED_WITHIN_MS, async () => {
      // An earlier attempt at the same registration may have begun it.
      return (await states.write(scope, empty, 0, this.#keptMs(scope, task))) || (await states.read(scope)).text === empty;
    });
  }

  /** A person has lowered labels of a task. */
  lowered(task: string, labels: readonly string[]): Promise<boolean> {
    return this.#updateTask(task, (flow) => {
      flow.lowered(task, labels);
    });
  }

  /** Something was permitted on a task of which nobody here knows what it was. */
  forget(task: string): void {
    void this.#updateTask(task, (flow) => {
      flow.forget(task);
    });
  }

  ended(task: string): void {
    if (this.#options.find(task)?.watched === true) this.#options.states.drop(taskScope(task));
  }

  #updateTask(task: string, change: Update): Promise<boolean> {
    return this.#options.find(task)?.watched === true ? this.#update([taskScope(task)], change) : Promise.resolve(true);
  }

  #tell(decisionId: string, change: Update): void {
    const told = this.#told.get(decisionId) ?? [];
    this.#told.set(decisionId, told);
    told.push(change);
  }

  /** Scopes that an action reads and adds to: those of its limits, and its task's as the last, which is where most is written. */
  #scopesOf(question: FlowQuestion): string[] {
    const { root } = question;
    const own = root?.watched === true ? [taskScope(root.id)] : [];
    return [...scopesOf({ ...question, owner: question.agent.owner }).filter((scope) => !isOfTask(scope)), ...own];
  }

  #scopesOfNote({ root, charges }: FlowNote): string[] {
    const own = root !== null && this.#options.find(root.id)?.watched === true ? [taskScope(root.id)] : [];
    return [...new Set(charges.map(({ scope }) => scope).filter((scope) => !isOfTask(scope))), ...own];
  }

  async #open(id: string, question: FlowQuestion, scopes: readonly string[]): Promise<ActionHistory<FlowNote>> {
    const { clock, timers } = this.#options;
    const until = clock.monotonic() + DECIDED_WITHIN_MS;
    const entering = this.#enter(scopes);
    const leave = await byDeadline(timers, DECIDED_WITHIN_MS, entering, () => {
      // The turn is left as soon as it comes.
      void entering.then((leave) => {
        leave();
      });
      return new Problem("history_unavailable");
    });
    let states = new Map<string, SharedState>();
    let flow = flowOf(question, scopes, states, id);
    let written: string | null = null;
    const read = async (): Promise<void> => {
      written = null;
      states = await this.#within(until, () => this.#read(scopes));
      flow = flowOf(question, scopes, states, id);
    };
    try {
      await read();
    } catch (cause) {
      leave();
      throw cause;
    }
    return {
      id,
      ask: (asked) => flow.ask(asked),
      holds: (note) => written !== null && written === additionOf(note),
      write: async (note) => {
        if (clock.monotonic() > until) throw new Problem("history_unavailable");
        const adds: Update = (to) => {
          add(to, id, note);
        };
        this.#tried.add(id);
        // A write without an answer may be there: what is read next is read without it.
        const isWritten = await this.#write(question, scopes, states, adds, id).catch(() => false);
        if (isWritten) written = additionOf(note);
        else await read();
      },
      end: () => {
        if (this.#tried.delete(id)) void this.#update(scopes, NOTHING, id, leave);
        else leave();
      },
    };
  }

  /** Waits until whatever came before on this node has ended on all of these scopes. @returns what lets the next begin */
  async #enter(scopes: readonly string[]): Promise<() => void> {
    let end: () => void = () => undefined;
    const turn = new Promise<void>((resolve) => (end = resolve));
    const before = scopes.flatMap((scope) => this.#turns.get(scope) ?? []);
    for (const scope of scopes) this.#turns.set(scope, turn);
    await Promise.all(before);
    return () => {
      end();
      for (const scope of scopes) if (this.#turns.get(scope) === turn) this.#turns.delete(scope);
    };
  }

  async #read(scopes: readonly string[]): Promise<Map<string, SharedState>> {
    const found = await Promise.all(scopes.map(async (scope) => [scope, await this.#options.states.read(scope)] as const));
    return new Map(found);
  }

  /**
   * Writes what a change makes of these scopes, without what one decision has added before.
   * @returns false where another has changed one of them
   */
  async #write(
    question: Pick<FlowQuestion, "root">,
    scopes: readonly string[],
    states: ReadonlyMap<string, SharedState>,
    change: Update,
    except: string,
  ): Promise<boolean> {
    const flow = flowOf(question, scopes, states, except);
    change(flow);
    for (const scope of scopes) {
      const { revision = 0 } = states.get(scope) ?? {};
      const state = flow.stateOf(scope);
      // What isn't known stays so, or what is written would look like all there is.
      if (state.counters === null) continue;
      // A text that stays as it is, too: only its write shows that what was read is the last one.
      if (!(await this.#options.states.write(scope, textOf(state), revision, this.#keptMs(scope)))) return false;
    }
    return true;
  }

  /**
   * Changes scopes by something that has happened.
   * @param unmade decision that was not made
   * @param leave of the turn that this goes on in @default a turn of its own
   * @returns whether it is known that it is written
   */
  async #update(scopes: readonly string[], change: Update, unmade = NONE, leave?: () => void): Promise<boolean> {
    const end = leave ?? (await this.#enter(scopes));
    try {
      const until = this.#options.clock.monotonic() + WRITTEN_WITHIN_MS;
      await this.#within(until, async () => {
        const states = await this.#read(scopes);
        if (!(await this.#write({ root: null }, scopes, states, change, unmade))) throw new Error("others change it all the time");
      });
      return true;
    } catch (cause) {
      this.#options.unwritten(scopes, cause instanceof Problem && cause.cause instanceof Error ? cause.cause.message : String(cause));
      return false;
    } finally {
      end();
    }
  }

  /** @throws Problem `history_unavailable` once it was tried for long enough */
  async #within<T>(until: number, act: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await act();
      } catch (cause) {
        if (this.#options.clock.monotonic() > until) throw new Problem("history_unavailable", {}, { cause });
      }
      await new Promise<void>((resolve) => {
        this.#options.timers.after(RETRY_MS, resolve);
      });
    }
  }

  #keptMs(scope: string, task?: SharedTask): number | null {
    if (!isOfTask(scope)) return WINDOW_KEPT_MS;
    const { expires_ms = null } = task ?? this.#options.find(scope.slice(taskScope("").length)) ?? {};
    return expires_ms === null ? null : Math.max(0, expires_ms - this.#options.clock.wall()) + TASK_KEPT_MS;
  }
}

const NOTHING: Update = () => undefined;

const isOfTask = (scope: string): boolean => scope.startsWith(taskScope(""));

/** Flow on these states, without what one decision has done. Of a scope that was not read nothing is known. */
function flowOf(
  { root }: Pick<FlowQuestion, "root">,
  scopes: readonly string[],
  states: ReadonlyMap<string, SharedState>,
  except: string,
): Flow {
  const flow = new Flow({ seen: SHARED_SEEN, counts: SHARED_COUNTS });
  const own = root === null ? [] : [taskScope(root.id)];
  for (const scope of new Set([...scopes, ...own])) flow.adopt(scope, root?.agent ?? "", stateIn(scope, states.get(scope)), except);
  return flow;
}

function stateIn(scope: string, state: SharedState | undefined): ScopeState {
  if (state === undefined) return UNKNOWN;
  // Windows begin by themselves, and tasks with their registration.
  if (state.text === null) return isOfTask(scope) ? UNKNOWN : NOTHING_SEEN;
  if (state.text.length > STATE_LENGTH_MAX) return UNKNOWN;
  const { v, ...known } = JSON.parse(state.text) as ScopeState & { v: number };
  return v === VERSION ? known : UNKNOWN;
}

function textOf({ seen, counters }: ScopeState): string {
  return JSON.stringify({ v: VERSION, seen, counters });
}

/** Adds an action. One that a policy without words for flow has permitted may have shown its agent anything. */
function add(flow: Flow, decisionId: string, note: FlowNote): void {
  flow.permitted(decisionId, note);
  if (note.root !== null && !note.hasWords) flow.forget(note.root.id);
}

/** All that an action adds, but for its time. */
function additionOf({ root, charges, plan: { labels, reads }, lowers, hasWords, written }: FlowNote): string {
  return canonical({ charges, hasWords, labels, lowers, reads, root: root?.id ?? null, written: written() });
}
