/**
 * Limits and budgets: what was counted, by task or within a window. An action is charged in the turn that hands over its record, so that
 * concurrent callers see each other's charges. A fold over records.
 */
import { FairMap } from "../system/fair_map.js";
import { readings, valuesIn, type TypedValue } from "./values.js";
import {
  pointerToken,
  type Limit,
  type FlowFactsInput,
  type LimitFlow,
  type PlanTimes,
  type PolicyInput,
  type Purpose,
  type Value,
} from "../contract/index.js";

export interface CountLimits {
  /** Most counters in total; an action whose counter doesn't fit is denied, since it is unknown. */
  counters_max: number;
  /** Most counters of one agent, including those of its tasks: no agent takes the room of others. */
  agent_counters_max: number;
  /** Entries of one counter. */
  entries_max: number;
}

export const COUNT_LIMITS: CountLimits = { counters_max: 200_000, agent_counters_max: 10_000, entries_max: 10_000 };

const WINDOW_MS: Readonly<Record<Exclude<Limit["per"], "task">, number>> = { minute: 60_000, hour: 3_600_000, day: 86_400_000 };
/** Values of one action that are counted apart. */
const EACH_MAX = 256;

export interface CounterEntry {
  decision_id: string;
  at_ms: number;
  /** Null: nobody knows how much. */
  amount: number | null;
  value: string | null;
}

export interface Counter {
  /** Name of what is counted together: a task, an agent or an owner. */
  scope: string;
  /** Entries in order of time. */
  taken: CounterEntry[];
  /** Sum of their amounts; null: one of them is unknown, so nothing fits. */
  sum: number | null;
  per: Limit["per"];
  /** Agent or owner that the counter is charged to. */
  holder: string;
  /** Task whose end drops it; null: it is an agent's. */
  task: string | null;
}

/** Amount that an action would add to a counter. */
export interface LimitCharge {
  /** Name of what is counted together, and of the counter in it. */
  scope: string;
  key: string;
  /** Null: nobody knows how much, or of what. */
  amount: number | null;
  value: string | null;
  per: Limit["per"];
  holder: string;
}

/** Action whose limits are looked up. */
export interface CountQuestion {
  request: PolicyInput["request"];
  purpose: Purpose | undefined;
  /** Owner of the agent. */
  owner: string;
  /** Topmost task, with its agent; null: none. */
  root: { id: string; agent: string } | null;
  now_ms: number;
}

/** Action that is read from a record, which may mask values. */
export interface RecordedAction {
  /** JSON pointers of masked values within the record. */
  masked: readonly string[];
  /** Use of limits, and of the task's plan, as the decision saw it. */
  seen: Pick<FlowFactsInput, "limits" | "plan">;
}

export interface LimitUse {
  limits: Record<string, LimitFlow>;
  charges: readonly LimitCharge[];
}

/** Shortest interval at which counters that are over are looked for. */
const SWEEP_MS = 60_000;
const NOTHING: LimitUse = { limits: {}, charges: [] };
const index = new WeakMap<readonly Limit[], Map<string, Limit[]>>();

export class LimitCounts {
  readonly #limits: CountLimits;
  readonly #isOver: (task: string) => boolean;
  readonly #counters = new Map<string, Counter>();
  /** Number of counters by holder. */
  readonly #held = new Map<string, number>();
  /** Counters that each decision charged: given back if it was not made. What is forgotten stays counted. */
  readonly #byDecision: FairMap<readonly string[]>;
  readonly #byTask = new Map<string, Set<string>>();
  /** Tasks and agents that had an action without room for its counter, with its time: their new counters are unknown. */
  readonly #uncounted = { task: new Map<string, number>(), agent: new Map<string, number>() };
  #sweptMs = -Infinity;

  /** @param isOver whether a task has ended or is gone for good */
  constructor(limits: CountLimits = COUNT_LIMITS, isOver: (task: string) => boolean = () => false) {
    this.#limits = limits;
    this.#isOver = isOver;
    this.#byDecision = new FairMap(limits.counters_max);
  }

  get size(): number {
    return this.#counters.size;
  }

  /**
   * Returns what was used of each limit that the action counts for, and what it would add. Changes nothing.
   * @param record from which the action is read @default it is asked for now
   */
  ask({ request, purpose, owner, root, now_ms }: CountQuestion, record?: RecordedAction): LimitUse {
    const all = purpose?.limits;
    if (all === undefined || all.length === 0) return NOTHING;
    const mine = limitsFor(all, request.resource.type, request.verb);
    if (mine.length === 0) return NOTHING;
    const limits: Record<string, LimitFlow> = {};
    const charges: LimitCharge[] = [];
    for (const limit of mine) {
      const { code, per } = limit;
      const scope = scopeOf(limit, { request, owner, root });
      if (scope === null) {
        limits[code] = { used: 0, adds: null, max: limit.max };
        continue;
      }
      const base = `${scope} ${request.purpose} ${code}`;
      const holder = per === "task" ? (root?.agent ?? request.agent) : limit.by === "owner" ? scope : request.agent;
      if (isCondition(limit, request)) limits[code] = { used: 0, adds: 1, max: this.#used(base, per, now_ms) === 0 ? 0 : 1 };
      if (isCounted(limit, request)) this.#charge(limit, { scope, base, holder }, { request, root, now_ms, record }, limits, charges);
    }
    return { limits, charges };
  }

  #charge(
    limit: Limit,
    { scope, base, holder }: { scope: string; base: string; holder: string },
    { request, root, now_ms, record }: Omit<CountQuestion, "purpose" | "owner"> & { record: RecordedAction | undefined },
    limits: LimitUse["limits"],
    charges: LimitCharge[],
  ): void {
    const { code, measure, path, each, max, per } = limit;
    const isHidden = (of: readonly string[] | undefined): boolean => record !== undefined && hides(record.masked, of);
    const said = measure === "sum" && isHidden(path) ? (record?.seen.limits[code]?.adds ?? null) : at(request, path);
    const known = measure === "count" || measure === "after" ? [1] : numbersOrTexts(said);
    const apart = each === undefined ? [""] : isHidden(each) ? [] : numbersOrTexts(at(request, each)).map(countedAs);
    const isSum = measure === "sum";
    const isKnown =
      [known, apart].every(({ length }) => length > 0 && length <= EACH_MAX) &&
      (!isSum || known.every((amount) => typeof amount === "number" && amount >= 0));
    // What hasn't surely happened lets nothing come after it.
    if (!isKnown && measure === "after") return;
    // If such an action is made all the same, nobody knows what is left.
    if (!isKnown) charges.push({ scope, key: base, amount: null, value: null, per, holder });
    if (!isKnown || this.#used(base, per, now_ms) === null) limits[code] = { used: 0, adds: null, max };
    if (!isKnown) return;
    for (const one of new Set(apart)) {
      const key = one === "" ? base : `${base} ${JSON.stringify(one)}`;
      const values = measure === "distinct" ? [...new Set(known.map(countedAs))] : [null];
      const before = measure === "distinct" ? this.#values(key, per, now_ms) : null;
      const used = this.#used(key, per, now_ms);
      const adds = isSum
        ? (known as number[]).reduce((sum, amount) => sum + amount, 0)
        : before === null
          ? 1
          : values.filter((value) => !before.has(value ?? "")).length;
      const fits = this.#counters.has(key)
        ? this.#entriesIn(key, per, now_ms) + values.length <= this.#limits.entries_max
        : this.#isCountable(per, holder, root?.id ?? null, charges.length + values.length, now_ms);
      for (const value of values) charges.push({ scope, key, amount: isSum ? adds : 1, value, per, holder });
      if (measure === "after") continue;
      const worst = limits[code];
      const next: LimitFlow = { used: before?.size ?? used ?? 0, adds: fits && used !== null ? adds : null, max };
      if (worst === undefined || next.adds === null || (worst.adds !== null && next.used + next.adds > worst.used + worst.adds))
        limits[code] = next;
    }
  }

  /** Returns the use of a call that a task's plan permits so many times, and what the action would add. Changes nothing. */
  planned(root: { id: string; agent: string }, { call, max }: Pick<PlanTimes, "call" | "max">, now_ms: number): PlanTimes {
    const { key } = planCharge(root, call);
    const used = this.#used(key, "task", now_ms);
    const isCounted = this.#counters.has(key) ? used !== null : this.#isCountable("task", root.agent, root.id, 1, now_ms);
    return { call, used: used ?? 0, adds: isCounted ? 1 : null, max };
  }

  /** Takes what a permitted action adds. */
  take(decisionId: string, charges: readonly LimitCharge[], root: string | null, now_ms: number): void {
    if (charges.length === 0) return;
    for (const { scope, key, amount, value, per, holder } of charges) {
      let counter = this.#counters.get(key);
      if (counter === undefined) {
        if (!this.#isCountable(per, holder, root, 1, now_ms)) {
          if (per !== "task") this.#uncounted.agent.set(holder, now_ms);
          else if (root !== null) this.#uncounted.task.set(root, now_ms);
          continue;
        }
        this.#counters.set(key, (counter = { scope, taken: [], sum: 0, per, holder, task: per === "task" ? root : null }));
        this.#held.set(holder, (this.#held.get(holder) ?? 0) + 1);
      }
      drop(counter, per, now_ms);
      // What was done without asking counts, too, and isn't kept from coming by what doesn't fit.
      const isFull = counter.taken.length >= this.#limits.entries_max;
      if (isFull) counter.taken.pop();
      counter.taken.push({ decision_id: decisionId, at_ms: now_ms, amount: isFull ? null : amount, value });
      counter.sum = counter.sum === null || amount === null || isFull ? null : counter.sum + amount;
      if (per !== "task" || root === null) continue;
      const keys = this.#byTask.get(root) ?? new Set<string>();
      this.#byTask.set(root, keys.add(key));
    }
    this.#byDecision.set(charges[0]?.holder ?? "", decisionId, [...new Set(charges.map(({ key }) => key))]);
  }

  /** Gives back what an action took that was not made. */
  giveBack(decisionId: string): void {
    for (const key of this.#byDecision.get(decisionId) ?? []) {
      const counter = this.#counters.get(key);
      if (counter === undefined) continue;
      counter.taken = counter.taken.filter((one) => one.decision_id !== decisionId);
      counter.sum = sumOf(counter.taken);
      if (counter.taken.length === 0) this.#delete(key, counter);
    }
    this.#byDecision.delete(decisionId);
  }

  /** Returns the counters of a scope by their keys, for another process to go on with; null: they are unknown. */
  countersOf(scope: string): Record<string, Counter> | null {
    const [uncounted, id] = this.#uncountedOf(scope);
    if (uncounted.has(id)) return null;
    return Object.fromEntries([...this.#counters].filter(([, counter]) => counter.scope === scope));
  }

  /** Takes over counters of another process, without what this decision has taken. @param counters null: they are unknown for good */
  adopt(scope: string, counters: Readonly<Record<string, Counter>> | null, except: string): void {
    const [uncounted, id] = this.#uncountedOf(scope);
    if (counters === null) {
      uncounted.set(id, Infinity);
      return;
    }
    for (const [key, { taken, holder, task, ...rest }] of Object.entries(counters)) {
      const left = taken.filter(({ decision_id }) => decision_id !== except);
      if (left.length === 0) continue;
      this.#counters.set(key, { ...rest, holder, task, taken: left, sum: sumOf(left) });
      this.#held.set(holder, (this.#held.get(holder) ?? 0) + 1);
      if (task !== null) this.#byTask.set(task, (this.#byTask.get(task) ?? new Set<string>()).add(key));
    }
  }

  /** Returns the list of what was not counted that a scope belongs to, with its name there. */
  #uncountedOf(scope: string): [Map<string, number>, string] {
    const [, kind, id = ""] = /^(task|agent) (.*)$/su.exec(scope) ?? [];
    return kind === "task" ? [this.#uncounted.task, id] : [this.#uncounted.agent, kind === "agent" ? id : scope];
  }

  /** Drops the counters of a task that is over. */
  end(task: string): void {
    for (const key of this.#byTask.get(task) ?? []) {
      const counter = this.#counters.get(key);
      if (counter !== undefined) this.#delete(key, counter);
    }
    this.#byTask.delete(task);
    this.#uncounted.task.delete(task);
  }

  /** Returns whether new counters would say all that was done, and have room. Looks for what is over if not, at most once a minute. */
  #isCountable(per: Limit["per"], holder: string, task: string | null, more: number, now_ms: number): boolean {
    const { counters_max, agent_counters_max } = this.#limits;
    const fits = (): boolean =>
      !(per === "task" ? this.#uncounted.task.has(task ?? "") : this.#uncounted.agent.has(holder)) &&
      this.#counters.size + more <= counters_max &&
      (this.#held.get(holder) ?? 0) + more <= agent_counters_max;
    if (fits()) return true;
    if (Math.abs(now_ms - this.#sweptMs) < SWEEP_MS) return false;
    this.#sweptMs = now_ms;
    this.#sweep(now_ms);
    return fits();
  }

  /** Drops counters that count nothing any more: their window has passed, or their task is over. */
  #sweep(now_ms: number): void {
    for (const tasks of [this.#byTask, this.#uncounted.task]) for (const task of tasks.keys()) if (this.#isOver(task)) this.end(task);
    for (const [agent, at_ms] of this.#uncounted.agent) if (at_ms + WINDOW_MS.day <= now_ms) this.#uncounted.agent.delete(agent);
    for (const [key, counter] of this.#counters) {
      drop(counter, counter.per, now_ms);
      if (counter.taken.length === 0) this.#delete(key, counter);
    }
  }

  #delete(key: string, { holder, task }: Counter): void {
    this.#counters.delete(key);
    const held = (this.#held.get(holder) ?? 1) - 1;
    if (held > 0) this.#held.set(holder, held);
    else this.#held.delete(holder);
    if (task === null) return;
    const keys = this.#byTask.get(task);
    keys?.delete(key);
    if (keys?.size === 0) this.#byTask.delete(task);
  }

  /** Returns the sum of a counter; null: it is unknown. */
  #used(key: string, per: Limit["per"], now_ms: number): number | null {
    const counter = this.#counters.get(key);
    if (counter === undefined) return 0;
    const over = overIn(counter, per, now_ms);
    return over === 0 ? counter.sum : sumOf(counter.taken.slice(over));
  }

  #entriesIn(key: string, per: Limit["per"], now_ms: number): number {
    const counter = this.#counters.get(key);
    return counter === undefined ? 0 : counter.taken.length - overIn(counter, per, now_ms);
  }

  #values(key: string, per: Limit["per"], now_ms: number): Set<string> {
    const counter = this.#counters.get(key);
    if (counter === undefined) return new Set();
    return new Set(counter.taken.slice(overIn(counter, per, now_ms)).map(({ value }) => value ?? ""));
  }
}

/** Returns what a call of a task's plan adds. */
export function planCharge(root: { id: string; agent: string }, call: number): LimitCharge {
  const scope = `task ${root.id}`;
  // No code of a limit begins with a digit.
  return { scope, key: `${scope} plan ${call}`, amount: 1, value: null, per: "task", holder: root.agent };
}

function sumOf(taken: readonly CounterEntry[]): number | null {
  return taken.reduce<number | null>((sum, { amount }) => (sum === null || amount === null ? null : sum + amount), 0);
}

/** Number of entries that have left the window: in order of time they are at the front. */
function overIn({ taken }: Counter, per: Limit["per"], now_ms: number): number {
  if (per === "task") return 0;
  const from = now_ms - WINDOW_MS[per];
  let over = 0;
  while (over < taken.length && (taken[over]?.at_ms ?? 0) <= from) over++;
  return over;
}

/** Not as they are asked for: a clock that was ahead for a moment would have lost them. */
function drop(counter: Counter, per: Limit["per"], now_ms: number): void {
  const over = overIn(counter, per, now_ms);
  if (over === 0) return;
  counter.taken.splice(0, over);
  counter.sum = sumOf(counter.taken);
}

/** Returns by what two values are counted as one: an address is, however it is spelled, and whatever name stands before it. */
function countedAs(value: string | number): string {
  if (typeof value === "number" || !/[@:.+\d]/u.test(value)) return String(value).trim();
  // An id may look like a host or a number to call, and two that differ are two.
  const isPlace = ({ kind }: TypedValue): boolean =>
    kind === "email" || kind === "account" || (kind === "url" && value.includes("://")) || (kind === "phone" && value.includes("+"));
  const whole = readings(value).filter(isPlace);
  const [place, ...more] = whole.length > 0 || !/<[^<>]+>\s*$/u.test(value) ? whole : valuesIn(value).filter(isPlace);
  return place === undefined || more.length > 0 ? value.trim() : place.value;
}

function limitsFor(all: readonly Limit[], type: string, verb: string): Limit[] {
  let known = index.get(all);
  if (known === undefined) {
    index.set(all, (known = new Map<string, Limit[]>()));
    for (const limit of all) {
      for (const of of [limit.of, limit.after ?? {}]) {
        for (const [named, types] of Object.entries(of)) {
          for (const one of types) {
            const key = `${one} ${named}`;
            const list = known.get(key) ?? [];
            if (!list.includes(limit)) known.set(key, [...list, limit]);
          }
        }
      }
    }
  }
  return known.get(`${type} ${verb}`) ?? [];
}

/** Returns what a limit counts together; null: it counts by task, and the action has no task. */
function scopeOf({ per, by }: Limit, { request, owner, root }: Pick<CountQuestion, "request" | "owner" | "root">): string | null {
  if (per === "task") return root === null ? null : `task ${root.id}`;
  return by === "owner" ? `owner ${owner}` : `agent ${request.agent}`;
}

/** Returns the scopes whose counters an action's limits look at. */
export function scopesOf(question: Pick<CountQuestion, "request" | "purpose" | "owner" | "root">): string[] {
  const { request, purpose } = question;
  const mine = purpose?.limits === undefined ? [] : limitsFor(purpose.limits, request.resource.type, request.verb);
  return [...new Set(mine.flatMap((limit) => scopeOf(limit, question) ?? []))];
}

/** True for an action that only goes after another. */
function isCondition(limit: Limit, { verb, resource }: PolicyInput["request"]): boolean {
  return limit.measure === "after" && names(limit.of, verb, resource.type);
}

/** True for an action that is counted: of `after`, the one that has to come first. */
function isCounted(limit: Limit, { verb, resource }: PolicyInput["request"]): boolean {
  return names(limit.measure === "after" ? (limit.after ?? {}) : limit.of, verb, resource.type);
}

function names(of: Readonly<Record<string, readonly string[]>>, verb: string, type: string): boolean {
  return Object.hasOwn(of, verb) && of[verb]?.includes(type) === true;
}

/** `request` or `facts` first, which is left out: limits read the request. */
function at(request: PolicyInput["request"], path: readonly string[] | undefined): Value {
  let found: unknown = request;
  for (const step of (path ?? []).slice(1)) {
    if (typeof found !== "object" || found === null || !Object.hasOwn(found, step)) return null;
    found = (found as Record<string, unknown>)[step];
  }
  return (found ?? null) as Value;
}

/** True if a value of the request, or a part of it, is masked in a record. */
function hides(masked: readonly string[], path: readonly string[] | undefined): boolean {
  if (path === undefined) return false;
  const pointer = `/input/${path.map(pointerToken).join("/")}`;
  return masked.some((one) => one === pointer || one.startsWith(`${pointer}/`) || pointer.startsWith(`${one}/`));
}

function numbersOrTexts(value: Value): (string | number)[] {
  const all = Array.isArray(value) ? value : [value];
  return all.filter((one): one is string | number => typeof one === "string" || typeof one === "number");
}
