/** Tracks who wrote each value that a task has seen, and looks up the values of an action. */
import {
  type ArgumentFlow,
  type FlowFacts,
  type FlowFactsInput,
  type FoundWriter,
  type PlanFlow,
  type PlannedArgument,
  type PolicyInput,
  type Returned,
  type SeenRecord,
  type Value,
  type ValueKind,
  type ValueSource,
  type Values,
  type ValueWriter,
} from "../contract/index.js";
import type { FlowOutcomes, FlowQuestion, Lowering, ValueFlow } from "../decision/ports.js";
import { FairMap } from "../system/fair_map.js";
import { LimitCounts, type Counter, type LimitCharge, type CountLimits } from "./counts.js";
import { ReadInstruction } from "./instruction.js";
import { LEAVES_MAX, PLACES, planOf, type Leaf, type VerbPlan } from "./plan.js";
import {
  keyOf,
  rank,
  SeenMemory,
  worst,
  type SeenLimits,
  type SeenState,
  type Sighting,
  type Sightings,
  type TaskSeen,
} from "./seen_memory.js";
import { ReadPlan, type PlannedSources } from "./task_plan.js";
import { nameOf, plain, readings, valuesIn, type TypedValue } from "./values.js";

/** Note on an action, kept once it is permitted. */
export interface FlowNote {
  /** Topmost task; null: the action is on none. */
  readonly root: { readonly id: string; readonly agent: string } | null;
  readonly now_ms: number;
  /** Charges to counters of limits. */
  readonly charges: readonly LimitCharge[];
  readonly plan: VerbPlan;
  /** False: the policy, or the task's plan, says nothing about what the action returns. */
  readonly hasWords: boolean;
  /** Keys of all that it writes and that neither the user, the own facts nor a service gave. */
  readonly written: () => string[];
  /** Keys of what it is asked with and that others wrote: an answer that repeats one makes it no better. */
  readonly told: () => ReadonlySet<string>;
  /** Labels that the task loses once the action is done. */
  readonly lowers: readonly string[];
  /** Names that say which thing was asked for: the id, and the arguments. */
  readonly asked: readonly string[];
  readonly instruction: ReadInstruction | null;
  readonly own: OwnValues;
  /** Named steps of the task's plan that it is; null: none. */
  readonly planned: { readonly plan: ReadPlan; readonly steps: readonly string[] } | null;
}

/** Permitted call whose answer is awaited: what its report is read by. */
interface AwaitedCall extends Pick<FlowNote, "plan" | "lowers" | "asked" | "instruction" | "own" | "planned"> {
  readonly task: string;
  readonly told: ReadonlySet<string>;
}

export interface FlowAnswer {
  facts: FlowFactsInput;
  note: FlowNote | null;
}

/** Values of an action that a policy is shown; what doesn't fit is shown as one that is unknown. */
const SHOWN_MAX = 64;
/** Most calls that await a report; beyond it the agent with the most loses its oldest, whose answer stays unknown. */
export const AWAITED_MAX = 20_000;
/** Tokens of a text that are compared with secrets that were read. */
const TOKENS_MAX = 2_000;
const SECRET_LENGTH_MIN = 4;
const COMMITTED: ReadonlySet<ValueKind> = new Set<ValueKind>([...PLACES, "date", "time", "number"]);
const ADDRESSES: ReadonlySet<ValueKind> = new Set<ValueKind>(["url", "email"]);
/** Kinds that an agent works out from others. Places are left out: who is written to isn't computed. */
const WORKED: ReadonlySet<ValueKind> = new Set<ValueKind>(["date", "number", "time"]);

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

  /** Returns what the policy sees of the action's values. Changes nothing. */
  ask({ vocabulary, purpose, request, root, agent, now_ms }: FlowQuestion): FlowAnswer {
    const { limits, charges } = this.#counts.ask({ request, purpose, owner: agent.owner, root, now_ms });
    const plan = planOf(vocabulary, request.verb, request.resource.type);
    const seen = root === null ? null : this.#seen.of(root.id);
    const own = ownOf(vocabulary.flow ?? NOTHING_SAID, root?.attributes ?? {}, agent.attributes);
    const words = own.instruction;
    const instruction = words === null ? null : ReadInstruction.of(words, now_ms);
    const looked = new Look(seen, own, instruction);
    // What the user filled in elsewhere may say more than the words.
    const errand = own.slots.size > 0 ? null : (instruction?.errand ?? null);
    const said = instruction?.saidKinds ?? [];
    const planned = root?.plan === undefined ? null : compared(ReadPlan.of(root.plan), request, plan, looked);
    const facts: FlowFactsInput = {
      arguments: plan.effect === "look" ? {} : looked.at(plan.leaves(request)),
      complete: seen !== null,
      effect: plan.effect,
      full: seen === null || seen === undefined ? [] : [...seen.full].sort(),
      instructed: instruction !== null,
      labels: seen === null ? null : seen === undefined ? [] : [...seen.labels].sort(),
      limits,
      others: seen === null ? null : seen === undefined ? false : seen.others || seen.pending.size > 0,
      ...(errand !== null && { errand }),
      ...(planned !== null && { plan: planned.facts }),
      ...(said.length > 0 && { said: [...said] }),
    };
    if (root === null && charges.length === 0) return { facts, note: null };
    const foreign = once(() => looked.foreignIn(leavesOf(request.arguments)));
    const changes = plan.effect !== "look" && plan.effect !== "fetch";
    const note: FlowNote = {
      root: root === null ? null : { id: root.id, agent: root.agent },
      now_ms,
      charges,
      plan,
      hasWords: vocabulary.flow !== undefined || root?.plan !== undefined,
      lowers: purpose?.lowers?.[request.resource.type]?.[request.verb] ?? NO_LABELS,
      written: () => (changes ? foreign() : []),
      told: once(() => {
        if (seen === undefined || seen?.values.size === 0) return NO_KEYS;
        const id = request.resource.id === null ? [] : looked.foreignIn([request.resource.id]);
        // Of what isn't known anything may be others'.
        return new Set([...id, ...foreign()].filter((key) => seen === null || seen.values.has(key)));
      }),
      asked: namesAsked(request),
      instruction,
      own,
      planned: planned?.note ?? null,
    };
    return { facts, note };
  }

  /** Notes an action that was permitted: its answer is awaited, and may hold anything until it is reported. */
  permitted(decisionId: string, note: FlowNote, returned?: SeenRecord): void {
    const { root, plan, lowers, written, charges, now_ms, asked, instruction, own, planned } = note;
    this.#counts.take(decisionId, charges, root?.id ?? null, now_ms);
    if (root === null) return;
    const { id: task, agent } = root;
    this.#seen.permitted({ task, agent }, decisionId, { written: written(), labels: plan.labels, reads: plan.reads });
    this.#awaited.set(agent, decisionId, { task, plan, lowers, asked, instruction, own, planned, told: note.told() });
    if (returned !== undefined) this.recalled(decisionId, returned);
  }

  /** Returns the labels that its task loses by an action that was done; null: none. */
  done(decisionId: string): Lowering | null {
    const call = this.#awaited.get(decisionId);
    return call === undefined || call.lowers.length === 0 ? null : this.#seen.lowering(call.task, call.lowers);
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
    const all = values.flatMap(({ keys, ...rest }) => {
      const marks = planned === null ? 0 : planned.plan.marksAt(planned.steps, rest.path);
      return keys.map((key): Sighting => ({ key, ...rest, ...(marks !== 0 && !told.has(key) && { marks }) }));
    });
    this.#seen.take({ task, decision_id: decisionId, others, full, values: all });
  }

  /** Adds sightings that an author's table gives. */
  suppose({ agent, labels, ...sightings }: Sightings & { agent: string; labels: readonly string[] }): void {
    const { task, decision_id } = sightings;
    this.#seen.permitted({ task, agent }, decision_id, { written: [], labels, reads: false });
    this.#seen.take(sightings);
  }

  /** A person has lowered labels of a task. */
  lowered(task: string, labels: readonly string[]): void {
    this.#seen.lowering(task, labels).lower();
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

/** Values that share all but their digests stand together. */
function recordOf({ task, others, full, values }: Sightings): SeenRecord {
  const groups = new Map<string, SeenRecord["values"][number]>();
  for (const { key, ...rest } of values) {
    const id = `${rest.kind} ${rest.writer} ${rest.named} ${rest.alone} ${rest.secret} ${rest.path}`;
    const group = groups.get(id);
    if (group === undefined) groups.set(id, { ...rest, keys: [key] });
    else group.keys.push(key);
  }
  return { task, others, full, values: [...groups.values()] };
}

const NO_LABELS: readonly string[] = [];
const NO_KEYS: ReadonlySet<string> = new Set();
const NOTHING_SAID: FlowFacts = { slots: [], own: [], members: [], secret: [] };

/** Trusted facts by role: the user's own values and the organisation's. */
interface OwnValues {
  instruction: string | null;
  slots: ReadonlySet<string>;
  facts: ReadonlyMap<string, string>;
  addresses: ReadonlySet<string>;
  members: ReadonlySet<string>;
  secrets: readonly string[];
}

// Facts are replaced, never changed in place.
const owns = new WeakMap<FlowFacts, WeakMap<object, WeakMap<object, OwnValues>>>();
const NO_TASK = {};

function ownOf(said: FlowFacts, task: Readonly<Values>, agent: Readonly<Values>): OwnValues {
  const ofTask = Object.keys(task).length === 0 ? NO_TASK : task;
  let byTask = owns.get(said);
  if (byTask === undefined) owns.set(said, (byTask = new WeakMap()));
  let byAgent = byTask.get(ofTask);
  if (byAgent === undefined) byTask.set(ofTask, (byAgent = new WeakMap()));
  let known = byAgent.get(agent);
  if (known === undefined) byAgent.set(agent, (known = ownValues(said, task, agent)));
  return known;
}

function ownValues({ instruction, slots, own, members, secret }: FlowFacts, task: Readonly<Values>, agent: Readonly<Values>): OwnValues {
  const at = (fact: string): Value => {
    const [root = "", name = ""] = fact.split(".");
    const of = root === "task" ? task : agent;
    return Object.hasOwn(of, name) ? (of[name] ?? null) : null;
  };
  const all = (names: readonly string[]): (string | number)[] => names.flatMap((name) => leavesOf(at(name)));
  const facts = new Map<string, string>();
  const except = new Set([instruction, ...slots].filter((one) => one !== undefined).map(String));
  for (const [root, of] of [
    ["task", task],
    ["agent", agent],
  ] as const) {
    for (const [name, value] of Object.entries(of)) {
      const fact = `${root}.${name}`;
      if (except.has(fact)) continue;
      for (const leaf of leavesOf(value)) for (const one of readings(leaf)) facts.set(textOf(one), fact);
    }
  }
  const words = instruction === undefined ? null : at(instruction);
  return {
    instruction: typeof words === "string" && words !== "" ? words : null,
    slots: new Set(all(slots).flatMap(readings).map(textOf)),
    facts,
    addresses: new Set(all(own).flatMap(readings).map(textOf)),
    members: new Set(all(members).map((one) => plain(String(one)).toLowerCase().trim())),
    secrets: all(secret)
      .map((one) => nameOf(String(one)))
      .filter((one) => one.length >= SECRET_LENGTH_MIN),
  };
}

function once<T>(make: () => T): () => T {
  let made: { it: T } | null = null;
  return () => (made ??= { it: make() }).it;
}

function leavesOf(value: Value): (string | number)[] {
  if (typeof value === "string" || typeof value === "number") return [value];
  if (Array.isArray(value)) return value.flatMap(leavesOf);
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(leavesOf) : [];
}

function textOf({ kind, value }: TypedValue): string {
  return `${kind} ${value}`;
}

function isInside({ kind, value }: TypedValue, members: ReadonlySet<string>): boolean {
  if (members.size === 0) return false;
  if (members.has(value)) return true;
  const host =
    kind === "email" ? value.slice(value.lastIndexOf("@") + 1) : kind === "url" ? (/^(?:[^/@]*@)?([^/:?#]+)/.exec(value)?.[1] ?? "") : "";
  return host !== "" && (members.has(host) || members.has(`@${host}`));
}

/** Looks values of one action up. */
class Look {
  readonly #seen: TaskSeen | null | undefined;
  readonly #own: OwnValues;
  readonly #instruction: ReadInstruction | null;
  constructor(seen: TaskSeen | null | undefined, own: OwnValues, instruction: ReadInstruction | null) {
    this.#seen = seen;
    this.#own = own;
    this.#instruction = instruction;
  }

  at(leaves: readonly Leaf[]): Record<string, ArgumentFlow> {
    const found: Record<string, ArgumentFlow> = {};
    let shown = 0;
    const show = (path: string, one: ArgumentFlow): void => {
      if (++shown <= SHOWN_MAX) found[path] = one;
      else found["more"] = UNKNOWN;
    };
    if (leaves.length > LEAVES_MAX) show("more", UNKNOWN);
    for (const { path, role, one, text } of matchedValues(leaves)) {
      if (one !== null) show(path, this.#argument(role, one, text));
      else if (this.#isSecret(text, null)) show(path, { ...CONTENT, secret: true });
    }
    return found;
  }

  /** Returns the state of each value of an argument that a step of a plan names. */
  planned(leaves: readonly Leaf[], wanted: ReadonlyMap<string, PlannedSources>): Record<string, PlannedArgument> {
    const found: Record<string, PlannedArgument> = {};
    if (leaves.length > LEAVES_MAX) found["more"] = "unknown";
    let shown = 0;
    for (const { path, one, text } of matchedValues(leaves)) {
      const of = wanted.get(/^[^/#]*/.exec(path)?.[0] ?? "");
      if (of === undefined || one === null) continue;
      if (++shown <= SHOWN_MAX) found[path] = this.#isFrom(one, text, of);
      else found["more"] = "unknown";
    }
    return found;
  }

  #isFrom(one: TypedValue, text: string, { writers, marks, any, workedOut }: PlannedSources): PlannedArgument {
    if (this.#sources(one).sources.some(({ writer }) => writers.has(writer))) return "planned";
    const marked = this.#seen?.values.get(keyOf(one))?.marks;
    if (marked !== undefined && ((marked.sure & marks) | (marked.all & any)) !== 0) return "planned";
    if (marked !== undefined && (marked.all & marks) !== 0) return "several";
    if (this.#seen === null || this.#seen?.full.has(one.kind) === true) return "unknown";
    if (!workedOut || !WORKED.has(one.kind) || !this.#isNew(text)) return "elsewhere";
    // It may stand in an answer that nobody has reported yet, or has been forgotten in part, as the end of a range.
    const mayBeRead = (this.#seen?.pending.size ?? 0) > 0 || [...WORKED].some((kind) => this.#seen?.full.has(kind));
    return mayBeRead ? "unknown" : "planned";
  }

  /** Returns whether nothing of an amount, a day or a time was found in what was read, nor in what the user doesn't want. */
  #isNew(text: string): boolean {
    return readings(text)
      .filter(({ kind }) => kind !== "name")
      .every((one) => this.#sources(one).sources.length === 0 && this.#instruction?.excludes(one) !== true);
  }

  foreignIn(leaves: readonly (string | number)[]): string[] {
    const keys = new Set<string>();
    for (const leaf of leaves) {
      for (const one of [...readings(leaf), ...(typeof leaf === "string" ? valuesIn(leaf) : [])]) {
        const [first] = this.#sources(one).sources;
        if (first === undefined || rank(first.writer) > rank("service")) keys.add(keyOf(one));
      }
    }
    return [...keys];
  }

  #argument(role: ArgumentFlow["role"], one: TypedValue, text: string): ArgumentFlow {
    const { sources, introduced } = this.#sources(one);
    const [first] = sources;
    const lost = this.#seen === null || this.#seen?.full.has(one.kind) === true;
    const writer: FoundWriter = first?.writer ?? (lost ? "unknown" : "nowhere");
    return {
      role,
      kind: one.kind,
      writer,
      introduced: introduced ?? writer,
      inside: isInside(one, this.#own.members),
      excluded: this.#instruction?.excludes(one) === true,
      secret: this.#isSecret(text, one),
      sources,
    };
  }

  #sources(one: TypedValue): { sources: ValueSource[]; introduced: ValueWriter | null } {
    const { slots, facts } = this.#own;
    const sources: ValueSource[] = [];
    const text = textOf(one);
    const given = (writer: ValueWriter, path: string): void => {
      sources.push({ writer, record: null, path, named: false, alone: false });
    };
    if (slots.has(text) || this.#instruction?.says(one) === true) given("user", slots.has(text) ? "slots" : "instruction");
    const fact = facts.get(text);
    if (fact !== undefined && sources.length === 0) given("own", fact);
    const seen = this.#seen?.values.size ? this.#seen.values.get(keyOf(one)) : undefined;
    const introduced = sources[0]?.writer ?? seen?.introduced ?? null;
    return { sources: seen === undefined ? sources : [...sources, ...seen.sources], introduced };
  }

  #isSecret(text: string, one: TypedValue | null): boolean {
    const { secrets } = this.#own;
    if (secrets.length > 0) {
      const said = nameOf(text);
      if (secrets.some((secret) => said.includes(secret))) return true;
    }
    if (this.#seen?.secrets !== true) return false;
    if (one !== null) return this.#seen.values.get(keyOf(one))?.secret === true;
    const tokens = plain(text)
      .split(/[\s"'()<>,;:!?]+/u)
      .slice(0, TOKENS_MAX);
    return tokens.some((token) =>
      readings(token.replace(/[.]+$/u, "")).some((read) => this.#seen?.values.get(keyOf(read))?.secret === true),
    );
  }
}

/** A value of an action that is matched; `one` null: a text that is looked through for secrets. */
interface MatchedValue {
  path: string;
  role: ArgumentFlow["role"];
  one: TypedValue | null;
  text: string;
}

function* matchedValues(leaves: readonly Leaf[]): Generator<MatchedValue, void, undefined> {
  for (const { path, role, value } of leaves) {
    const text = String(value);
    const one = role === "content" ? null : readingFor(role, value);
    if (one !== null && (one.kind !== "name" || role === "locator")) {
      yield { path, role, one, text };
      continue;
    }
    const places = valuesIn(text).filter(({ kind }) => PLACES.has(kind));
    // "Ada <ada@example.com>": where it goes is the address.
    if (one === null || places.length === 0) yield { path, role, one, text };
    for (const [i, place] of places.entries())
      yield { path: `${path}#${i + 1}`, role: role === "content" ? "destination" : role, one: place, text };
  }
}

/** States of an argument, the best first. */
const STATES: readonly PlannedArgument[] = ["planned", "several", "unknown", "elsewhere"];

/** Compares an action with a plan: of the steps that it may be, that which it fits best. */
function compared(
  plan: ReadPlan,
  request: PolicyInput["request"],
  verb: VerbPlan,
  looked: Look,
): { facts: PlanFlow; note: FlowNote["planned"] } {
  const found = plan.stepsFor(request).map(({ name, arguments: wanted }) => {
    const states = wanted.size === 0 ? {} : looked.planned(verb.leaves(request), wanted);
    // Without a role nobody looks at an argument.
    for (const argument of wanted.keys()) if (!verb.named.has(argument)) states[argument] = "unknown";
    const worst = Object.values(states).reduce((most, state) => Math.max(most, STATES.indexOf(state)), 0);
    return { name, states, worst };
  });
  const least = Math.min(...found.map(({ worst }) => worst));
  const fitting = found.filter(({ worst }) => worst === least);
  const [first] = fitting;
  if (first === undefined) return { facts: { arguments: {}, fits: false, step: null }, note: null };
  const steps = fitting.flatMap(({ name }) => (name === null ? [] : [name]));
  // A call that misses its planned sources matches no step, though it may have happened.
  const isStep = least <= STATES.indexOf("several") && steps.length > 0;
  return { facts: { arguments: first.states, fits: true, step: first.name }, note: isStep ? { plan, steps } : null };
}

const UNKNOWN: ArgumentFlow = {
  role: "destination",
  kind: "name",
  writer: "unknown",
  introduced: "unknown",
  inside: false,
  excluded: false,
  secret: false,
  sources: [],
};
const CONTENT: ArgumentFlow = { ...UNKNOWN, role: "content", writer: "nowhere", introduced: "nowhere" };

/** The one reading by which a value is matched: as what it would be used. */
function readingFor(role: Leaf["role"], value: string | number): TypedValue {
  const all = readings(value);
  const wanted: ReadonlySet<ValueKind> = role === "commitment" ? COMMITTED : role === "locator" ? ADDRESSES : PLACES;
  const named = all.find(({ kind }) => kind === "name") ?? { kind: "name", value: nameOf(String(value)).slice(0, 512) };
  return all.find(({ kind }) => wanted.has(kind)) ?? named;
}

const ASKED_MAX = 16;
const ASKED_LENGTH_MAX = 256;

/** Names in an action of what it is about: texts short enough to name something. */
function namesAsked({ resource, arguments: given }: PolicyInput["request"]): string[] {
  const said = [resource.id, ...Object.values(given).flatMap(leavesOf)].filter((one): one is string => typeof one === "string");
  return said
    .slice(0, ASKED_MAX)
    .filter((one) => one.length <= ASKED_LENGTH_MAX)
    .map(nameOf);
}

/** Last name of a place: of `messages[].sender` `sender`. */
function fieldOf(path: string): string {
  const bare = path.replaceAll(/\[\]|\{\}/g, "");
  return bare.slice(bare.lastIndexOf(".") + 1) || "text";
}

function sightingsOf(
  decisionId: string,
  { task, plan: { flow, effect }, asked, instruction, own, told }: AwaitedCall,
  returned: Returned,
): Sightings {
  const writes = flow?.writes ?? {};
  const said = (path: string): ValueWriter | "author" => {
    const bare = path.replaceAll(/\[\]|\{\}/g, "");
    for (const name of [bare, fieldOf(path), "*"]) if (Object.hasOwn(writes, name)) return writes[name] ?? "anyone";
    return "anyone";
  };
  const fields = returned.paths.map(({ path, text }) => ({ path, text, field: fieldOf(path), writer: said(path) }));
  const all = returned.paths.flatMap(({ values }, at) => values.map((one) => ({ ...one, at })));
  const authors = authorsOf(all, fields, flow?.author ?? null, own);
  const writerAt = (at: number, record: number): ValueWriter => {
    const writer = fields[at]?.writer ?? "anyone";
    return writer === "author" ? (authors.get(record) ?? "anyone") : writer;
  };
  const isNamedCall = instruction !== null && asked.some((name) => instruction.names(name));
  const named = new Set<number>();
  const counts = new Map<string, number>();
  for (const { kind, value, at, record } of all) {
    if (kind === "name" && instruction?.names(value) === true) named.add(record);
    if (fields[at]?.text !== true) counts.set(`${kind} ${record}`, (counts.get(`${kind} ${record}`) ?? 0) + 1);
  }
  const secret = new Set(flow?.secret ?? []);
  const values = all.map((one): Sighting => {
    const { kind, at, record } = one;
    const alone = one.alone === true || (fields[at]?.text !== true && counts.get(`${kind} ${record}`) === 1);
    const key = keyOf(one);
    return {
      key,
      kind,
      writer: told.has(key) ? worst(writerAt(at, record), "anyone") : writerAt(at, record),
      path: fields[at]?.path ?? "",
      named: isNamedCall || named.has(record),
      alone,
      secret: secret.has(fields[at]?.field ?? ""),
    };
  });
  const foreign = (writer: ValueWriter): boolean => rank(writer) > rank("service");
  // A call that changes something repeats what it was told: only values of others count there.
  const looks = effect === null || effect === "look" || effect === "fetch";
  const others =
    returned.full === true ||
    fields.some(({ text, writer }) => text && looks && (writer === "author" || foreign(writer))) ||
    all.some(({ kind, at, record }) => PLACES.has(kind) && looks && foreign(writerAt(at, record)));
  return { task, decision_id: decisionId, others, full: returned.full === true, values };
}

/** Record → who wrote it, by the field that names its author. */
function authorsOf(
  values: readonly (TypedValue & { at: number; record: number })[],
  fields: readonly { field: string }[],
  author: string | null,
  { addresses, members }: OwnValues,
): Map<number, ValueWriter> {
  if (author === null) return new Map();
  const named = values.filter(({ kind, at }) => fields[at]?.field === author && (kind === "email" || kind === "name"));
  const addressed = new Set(named.filter(({ kind }) => kind === "email").map(({ record }) => record));
  const found = new Map<number, ValueWriter>();
  for (const { kind, value, record } of named) {
    // Beside an address, a name says nothing: anyone can call themselves so. Of two addresses the stranger's counts.
    if (kind === "name" && addressed.has(record)) continue;
    const writer: ValueWriter = addresses.has(textOf({ kind, value })) ? "own" : isInside({ kind, value }, members) ? "member" : "anyone";
    const other = found.get(record);
    found.set(record, other === undefined || rank(other) < rank(writer) ? writer : other);
  }
  return found;
}
