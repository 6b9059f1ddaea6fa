/** Tracks who wrote each value that a task has seen, and looks up the values of an action. */
import type {
  FlowFactsInput,
  PlanFlow,
  PlanTimes,
  PlannedArgument,
  PolicyInput,
  Returned,
  SeenRecord,
  TaskPlan,
  ValueKind,
} from "../contract/index.js";
import type { FlowOutcomes, FlowQuestion, Lowering, ValueFlow } from "../decision/ports.js";
import { FairMap } from "../system/fair_map.js";
import { LimitCounts, planCharge, type Counter, type CountLimits, type LimitCharge, type RecordedAction } from "./counts.js";
import { ReadInstruction } from "./instruction.js";
import { LookUp } from "./look_up.js";
import { leavesOf, ownOf } from "./own_values.js";
import { namesOf, pathOf } from "./file_paths.js";
import { PLACES, placesOf, planOf, type Leaf, type VerbPlan } from "./plan.js";
import { rank, SeenMemory, type SeenLimits, type SeenState, type Sighting, type Sightings, type TaskSeen } from "./seen_memory.js";
import { KindCounts, recordOf, sightingsOf, type AnsweredCall, type QuestionKeys } from "./sightings.js";
import { ReadPlan, type PlannedStep } from "./task_plan.js";
import { nameOf } from "./values.js";

/** Note on an action, kept once it is permitted. */
export interface FlowNote extends Omit<AnsweredCall, "task" | "told"> {
  /** Topmost task; null: the action is on none. */
  readonly root: { readonly id: string; readonly agent: string } | null;
  readonly now_ms: number;
  /** Charges to counters of limits. */
  readonly charges: readonly LimitCharge[];
  /** False: the policy, or the task's plan, says nothing about what the action returns. */
  readonly hasWords: boolean;
  /** Keys of all that it writes, and that neither the user, the own facts nor a service gave. */
  readonly written: () => string[];
  readonly told: () => QuestionKeys;
  /** Labels that the task loses once the action is done. */
  readonly lowers: readonly string[];
  /** Named steps of the task's plan that it is; null: none. */
  readonly planned: { readonly plan: ReadPlan; readonly steps: readonly string[] } | null;
}

/** Permitted call whose answer is awaited: what its report is read by. */
type AwaitedCall = AnsweredCall & Pick<FlowNote, "lowers" | "planned">;

export interface FlowAnswer {
  facts: FlowFactsInput;
  note: FlowNote | null;
}

/** Most calls that await a report; beyond it the agent with the most loses its oldest, whose answer stays unknown. */
export const AWAITED_MAX = 20_000;

/** @default the bounds of a service, and every task goes on */
export interface FlowOptions {
  seen?: SeenLimits;
  counts?: CountLimits;
  awaited_max?: number;
  /** Returns whether a task has ended or is gone for good. */
  isOver?: (task: string) => boolean;
}

export class Flow implements ValueFlow<FlowNote>, FlowOutcomes {
  readonly #seen: SeenMemory;
  readonly #counts: LimitCounts;
  /** Calls that were permitted and not reported back yet, by decision. */
  readonly #awaited: FairMap<AwaitedCall>;

  constructor({ seen, counts, awaited_max = AWAITED_MAX, isOver }: FlowOptions = {}) {
    this.#seen = new SeenMemory(seen, isOver);
    this.#counts = new LimitCounts(counts, isOver);
    this.#awaited = new FairMap(awaited_max);
  }

  /** Usage of the shared bounds. */
  get size(): SeenMemory["size"] & { awaited: number; counters: number } {
    return { ...this.#seen.size, awaited: this.#awaited.size, counters: this.#counts.size };
  }

  /**
   * Returns what the policy sees of the action's values. Changes nothing.
   * @param record from which the action is read @default it is asked for now
   */
  ask({ vocabulary, purpose, request, root, agent, now_ms }: FlowQuestion, record?: RecordedAction): FlowAnswer {
    const { limits, charges: limited } = this.#counts.ask({ request, purpose, owner: agent.owner, root, now_ms }, record);
    const plan = planOf(vocabulary, request.verb, request.resource.type);
    const seen = root === null ? null : this.#seen.of(root.id);
    const own = ownOf(vocabulary.flow, root?.attributes ?? {}, agent.attributes);
    const words = own.instruction;
    const instruction = words === null ? null : ReadInstruction.of(words, now_ms);
    const leaves = once(() => plan.leaves(request));
    const looked = new LookUp({ seen, own, instruction }, { leaves, rest: () => plan.rest(request) });
    // What the user filled in elsewhere may say more than the words.
    const errand = own.slots.size > 0 ? null : (instruction?.errand ?? null);
    const said = instruction?.saidKinds ?? [];
    const timesOf: TimesOf = ({ call, times }) =>
      root === null || times === null ? null : this.#counts.planned(root, { call, max: times }, now_ms);
    const others = seen === null ? null : seen === undefined ? false : seen.others || seen.pending.size > 0;
    const planned = root?.plan === undefined ? null : compared(ReadPlan.of(root.plan), request, plan, looked, { timesOf, others });
    // With values masked an action may look like another call of the plan: the record says which it was.
    const times = record === undefined ? planned?.facts.times : record.seen.plan?.times;
    const charges = root === null || times === undefined ? limited : [...limited, planCharge(root, times.call)];
    const facts: FlowFactsInput = {
      arguments: plan.effect === "look" && purpose?.flow?.looks === undefined ? {} : looked.arguments(),
      complete: seen !== null,
      effect: plan.effect,
      full: seen === null || seen === undefined ? [] : [...seen.full].sort(),
      instructed: instruction !== null,
      labels: seen === null ? null : seen === undefined ? [] : [...seen.labels].sort(),
      limits,
      others,
      ...(errand !== null && { errand }),
      ...(planned !== null && { plan: planned.facts }),
      ...(said.length > 0 && { said: [...said] }),
    };
    if (root === null && charges.length === 0) return { facts, note: null };
    const foreign = once(() => looked.foreignIn(placesOf(request).flatMap(([, value]) => leavesOf(value))));
    const changes = plan.effect !== "look" && plan.effect !== "fetch";
    const folder = plan.isPath && request.resource.id !== null ? pathOf(request.resource.id) : null;
    const hasWords = vocabulary.flow !== undefined || root?.plan !== undefined;
    const note: FlowNote = {
      root: root === null ? null : { id: root.id, agent: root.agent },
      now_ms,
      charges,
      plan,
      hasWords,
      lowers: purpose?.lowers?.[request.resource.type]?.[request.verb] ?? NO_LABELS,
      written: () => (changes ? [...foreign().keys()] : []),
      told: once(() => {
        // Where nothing that is read is trusted, no answer makes a value better.
        if (!hasWords) return NO_KEYS;
        return toldOf(foreign(), seen, others !== false);
      }),
      asked: namesAsked(request, folder, leaves()),
      folder,
      instruction,
      own,
      planned: planned?.note ?? null,
    };
    return { facts, note };
  }

  /** Notes an action that was permitted: its answer is awaited, and may hold anything until it is reported. */
  permitted(decisionId: string, note: FlowNote, returned?: SeenRecord): void {
    const { root, plan, lowers, written, charges, now_ms, asked, folder, instruction, own, planned } = note;
    this.#counts.take(decisionId, charges, root?.id ?? null, now_ms);
    if (root === null) return;
    const { id: task, agent } = root;
    this.#seen.permitted({ task, agent }, decisionId, { written: written(), labels: plan.labels, lowers, reads: plan.reads });
    this.#awaited.set(agent, decisionId, { task, plan, lowers, asked, folder, instruction, own, planned, told: note.told() });
    if (returned !== undefined) this.recalled(decisionId, returned);
  }

  /** Returns the labels that its task loses by an action that was done; null: none. */
  done(decisionId: string): Lowering | null {
    const call = this.#awaited.get(decisionId);
    return call === undefined || call.lowers.length === 0 ? null : this.#seen.lowering(call.task, decisionId);
  }

  /** Returns what takes away the labels that a task loses by an action whose answer is awaited elsewhere. */
  lowering(task: string, decisionId: string): Lowering {
    return this.#seen.lowering(task, decisionId);
  }

  /** Takes back an action that was not made after all. */
  notMade(decisionId: string): void {
    const call = this.#awaited.get(decisionId);
    this.#awaited.delete(decisionId);
    this.#counts.giveBack(decisionId);
    if (call !== undefined) this.#seen.notMade(call.task, decisionId);
  }

  /**
   * Gives each reported value its writer, and takes it in.
   * @returns the record's member, from which `recalled` takes the same; null if nothing was asked that the report could be of
   */
  returned(decisionId: string, returned: Returned): SeenRecord | null {
    const call = this.#awaited.get(decisionId);
    if (call === undefined || this.#seen.of(call.task) === undefined) return null;
    const seen = recordOf(sightingsOf(decisionId, call, returned));
    this.recalled(decisionId, seen);
    return seen;
  }

  /** Gives each value that an action has returned its writer. @returns what `permitted` takes; null: the action is on no task */
  seenIn(decisionId: string, note: FlowNote, returned: Returned): SeenRecord | null {
    return note.root === null ? null : recordOf(sightingsOf(decisionId, { ...note, task: note.root.id, told: note.told() }, returned));
  }

  /** Takes in what a record says that was seen. @param call that returned it @default as it was permitted here */
  recalled(
    decisionId: string,
    { task, others, full, values }: SeenRecord,
    call: Pick<AwaitedCall, "planned" | "told"> | undefined = this.#awaited.get(decisionId),
  ): void {
    this.#awaited.delete(decisionId);
    const { planned = null, told = NO_KEYS } = call ?? {};
    // Of several that others wrote at one place, in whichever records, none is certain to be the one that is meant.
    const kinds = new KindCounts();
    if (planned !== null) for (const { keys, kind, path } of values) for (const key of keys) kinds.add(path, kind, key);
    const all = values.flatMap(({ keys, ...rest }) => {
      const marks = planned === null ? 0 : planned.plan.marksAt(planned.steps, rest.path);
      const isOne = rest.alone && kinds.isOne(rest.path, rest.kind);
      const sure = isOne || rank(rest.writer) <= rank("service") ? marks : 0;
      return keys.map((key): Sighting => ({ key, ...rest, ...(marks !== 0 && !told.has(key) && { marks: { all: marks, sure } }) }));
    });
    this.#seen.take({ task, decision_id: decisionId, others, full, values: all });
  }

  /** Adds sightings that an author's table gives. */
  suppose({ agent, labels, ...sightings }: Sightings & { agent: string; labels: readonly string[] }): void {
    const { task, decision_id } = sightings;
    this.#seen.permitted({ task, agent }, decision_id, { written: [], labels, lowers: [], reads: false });
    this.#seen.take(sightings);
  }

  /** Counts steps of a task's plan that an author's table says were made. */
  supposeMade(root: { id: string; agent: string; plan?: TaskPlan }, made: Readonly<Record<string, number>>): void {
    for (const [call, { step = "" }] of (root.plan ?? []).entries()) {
      const charges = Array.from({ length: made[step] ?? 0 }, () => planCharge(root, call));
      this.#counts.take(`given ${call}`, charges, root.id, 0);
    }
  }

  /** A person has lowered labels of a task. */
  lowered(task: string, labels: readonly string[]): void {
    this.#seen.lower(task, labels);
  }

  /** Returns what is known of a scope, for another process to go on with. */
  stateOf(scope: string): ScopeState {
    const task = taskOf(scope);
    return { seen: task === null ? null : this.#seen.stateOf(task), counters: this.#counts.countersOf(scope) };
  }

  /** Takes over a scope from another process, without what this decision has done. @param agent of the topmost task */
  adopt(scope: string, agent: string, { seen, counters }: ScopeState, except: string): void {
    this.#counts.adopt(scope, counters, except);
    const task = taskOf(scope);
    if (task === null) return;
    if (seen === null) this.#seen.forget(task);
    else this.#seen.adopt({ task, agent }, seen, except);
  }

  end(task: string): void {
    this.#counts.end(task);
    this.#seen.end(task);
  }

  forget(task: string): void {
    this.#seen.forget(task);
  }
}

/** Knowledge of a scope: a topmost task, an agent or an owner. */
export interface ScopeState {
  /** Null: it is no task, or nobody knows what the task has seen. */
  seen: SeenState | null;
  /** Null: nobody knows what was counted. */
  counters: Record<string, Counter> | null;
}

/** Scope of what a task has seen, and of what is counted on it. */
export const taskScope = (task: string): string => `task ${task}`;

function taskOf(scope: string): string | null {
  return scope.startsWith("task ") ? scope.slice("task ".length) : null;
}

const NO_LABELS: readonly string[] = [];
const NO_KEYS: QuestionKeys = new Map();

/**
 * Tells them apart: an address that nothing has held is the agent's, however it came by it, and so is a name until others' words were read on the
 * task: from then on it may be theirs, since no name is looked for in a text. Of a task that isn't known anything may be others'.
 */
function toldOf(foreign: Iterable<[key: string, kind: ValueKind]>, seen: TaskSeen | null | undefined, mayBeOthers: boolean): QuestionKeys {
  const told = new Map<string, "others" | "agent">();
  for (const [key, kind] of foreign) {
    if (seen === null || seen?.values.has(key) === true) told.set(key, "others");
    else if (PLACES.has(kind) || kind === "path") told.set(key, "agent");
    else if (kind === "name" && mayBeOthers) told.set(key, "others");
  }
  return told;
}

function once<T>(make: () => T): () => T {
  let made: { it: T } | null = null;
  return () => (made ??= { it: make() }).it;
}

/** States of an argument, the best first. */
const STATES: readonly PlannedArgument[] = ["planned", "several", "unknown", "elsewhere"];
const SEVERAL = STATES.indexOf("several");

/** Looks up how often a step was made; null: as often as it is needed. */
type TimesOf = (step: PlannedStep) => PlanTimes | null;

interface TaskSoFar {
  timesOf: TimesOf;
  /** True if what others may have written was read on the task; null: that isn't known. */
  others: boolean | null;
}

/** Compares an action with a plan: of the steps that it may be, that which it fits best and that may still be made. */
function compared(
  plan: ReadPlan,
  request: PolicyInput["request"],
  verb: VerbPlan,
  looked: LookUp,
  { timesOf, others }: TaskSoFar,
): { facts: PlanFlow; note: FlowNote["planned"] } {
  // Nobody but the user has led to a look before others' words, so an id which the agent knows from elsewhere carries none.
  const mayBeNew = verb.effect === "look" && others === false;
  const found = plan.stepsFor(request).map((step) => {
    const { name, arguments: wanted } = step;
    const states = wanted.size === 0 ? {} : looked.planned(wanted, mayBeNew);
    // Without a role nobody looks at an argument.
    for (const argument of wanted.keys()) if (!verb.named.has(argument)) states[argument] = "unknown";
    const worst = Object.values(states).reduce((most, state) => Math.max(most, STATES.indexOf(state)), 0);
    const times = timesOf(step);
    const isUsedUp = times !== null && (times.adds === null || times.used + times.adds > times.max);
    // A step that is used up comes after one that a person may still permit.
    return { name, states, worst: isUsedUp ? Math.max(worst, SEVERAL) + 0.5 : worst, times, isBare: wanted.size === 0 };
  });
  const least = Math.min(...found.map(({ worst }) => worst));
  const fitting = found.filter(({ worst }) => worst === least);
  const [first] = fitting;
  if (first === undefined) return { facts: { arguments: {}, fits: false, step: null }, note: null };
  const steps = fitting.flatMap(({ name }) => (name === null ? [] : [name]));
  // A call that misses its planned sources matches no step, though it may have happened.
  const isStep = least <= SEVERAL && steps.length > 0;
  const isBounded = least < SEVERAL + 1 && fitting.every(({ times }) => times !== null);
  const facts: PlanFlow = {
    ...{ arguments: first.states, fits: true, step: first.name },
    ...(isBounded && first.times !== null && { times: first.times }),
    ...(first.isBare && { bare: true }),
  };
  return { facts, note: isStep ? { plan, steps } : null };
}

const ASKED_MAX = 16;
const ASKED_LENGTH_MAX = 256;
/** Roles of arguments that say which thing is meant. */
const NAMING: ReadonlySet<Leaf["role"]> = new Set<Leaf["role"]>(["destination", "locator"]);

/**
 * Names of what is looked at: texts short enough to name something. What else is said with it names nothing.
 * @param path of a file, which people name by the end of it
 */
function namesAsked({ resource }: PolicyInput["request"], path: string | null, leaves: readonly Leaf[]): string[] {
  const said = leaves.flatMap(({ role, value }) => (NAMING.has(role) && typeof value === "string" ? [value] : []));
  const names = path === null ? [] : namesOf(path);
  const isFile = pathOf(names.at(-1) ?? "") !== null;
  const ends = isFile ? names.map((_, i) => names.slice(-1 - i).join("/")) : [];
  return [...(resource.id === null ? [] : [resource.id]), ...ends, ...said]
    .slice(0, ASKED_MAX)
    .filter((one) => one.length <= ASKED_LENGTH_MAX)
    .map(nameOf);
}
