/**
 * Limits and budgets: what was counted, by task or within a window. What an action adds is taken in the turn in which its record is handed
 * over, so that of callers that ask at once each sees what those before it took. A fold over records.
 */
import type { Limit, LimitFlow, PolicyInput, Purpose, Value } from "../contract/index.js";

export interface CountLimits {
  /** Counters that are kept over all; one that doesn't fit is unknown. */
  counters_max: number;
  /** Entries of one counter. */
  entries_max: number;
}

export const COUNT_LIMITS: CountLimits = { counters_max: 200_000, entries_max: 10_000 };

const WINDOW_MS: Readonly<Record<Exclude<Limit["per"], "task">, number>> = { minute: 60_000, hour: 3_600_000, day: 86_400_000 };
/** Values of one action that are counted apart. */
const EACH_MAX = 256;

interface CounterEntry {
  decision_id: string;
  at_ms: number;
  amount: number;
  value: string | null;
}

interface Counter {
  /** Entries in order of time. */
  taken: CounterEntry[];
  /** Sum of their amounts. */
  sum: number;
}

/** Amount that an action would add to a counter. */
export interface LimitCharge {
  key: string;
  amount: number;
  value: string | null;
  per: Limit["per"];
}

/** Action whose limits are looked up. */
export interface CountQuestion {
  request: PolicyInput["request"];
  purpose: Purpose | undefined;
  /** Topmost task; null: none. */
  root: string | null;
  now_ms: number;
}

export interface LimitUse {
  limits: Record<string, LimitFlow>;
  charges: readonly LimitCharge[];
}

const NOTHING: LimitUse = { limits: {}, charges: [] };
const index = new WeakMap<readonly Limit[], Map<string, Limit[]>>();

export class LimitCounts {
  readonly #limits: CountLimits;
  readonly #counters = new Map<string, Counter>();
  /** Counters that each decision charged: given back if it was not made. */
  readonly #byDecision = new Map<string, readonly string[]>();
  readonly #byTask = new Map<string, Set<string>>();

  constructor(limits: CountLimits = COUNT_LIMITS) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#counters.size;
  }

  /** Returns what was used of each limit that the action counts for, and what it would add. Changes nothing. */
  ask({ request, purpose, root, now_ms }: CountQuestion): LimitUse {
    const all = purpose?.limits;
    if (all === undefined || all.length === 0) return NOTHING;
    const mine = limitsFor(all, request.resource.type, request.verb);
    if (mine.length === 0) return NOTHING;
    const limits: Record<string, LimitFlow> = {};
    const charges: LimitCharge[] = [];
    for (const limit of mine) {
      const { code, per } = limit;
      const scope = per === "task" ? (root === null ? null : `task ${root}`) : `agent ${request.agent}`;
      if (scope === null) {
        limits[code] = { used: 0, adds: null, max: limit.max };
        continue;
      }
      const base = `${scope} ${request.purpose} ${code}`;
      if (isCondition(limit, request)) limits[code] = { used: 0, adds: 1, max: this.#used(base, per, now_ms) > 0 ? 1 : 0 };
      if (isCounted(limit, request)) this.#charge(limit, base, request, now_ms, limits, charges);
    }
    return { limits, charges };
  }

  #charge(
    limit: Limit,
    base: string,
    request: PolicyInput["request"],
    now_ms: number,
    limits: LimitUse["limits"],
    charges: LimitCharge[],
  ): void {
    const { code, measure, path, each, max, per } = limit;
    const known = measure === "count" ? [1] : measure === "after" ? [1] : numbersOrTexts(at(request, path));
    const apart = each === undefined ? [""] : numbersOrTexts(at(request, each)).map(String);
    if (known.length === 0 || apart.length === 0 || known.length > EACH_MAX || apart.length > EACH_MAX) {
      if (measure !== "after") limits[code] = { used: 0, adds: null, max };
      return;
    }
    for (const one of new Set(apart)) {
      const key = one === "" ? base : `${base} ${JSON.stringify(one)}`;
      const isSum = measure === "sum";
      if (isSum && !known.every((amount) => typeof amount === "number" && amount >= 0)) {
        limits[code] = { used: 0, adds: null, max };
        return;
      }
      const values = measure === "distinct" ? [...new Set(known.map(String))] : [null];
      const before = measure === "distinct" ? this.#values(key, per, now_ms) : null;
      const used = before === null ? this.#used(key, per, now_ms) : before.size;
      const adds = isSum
        ? (known as number[]).reduce((sum, amount) => sum + amount, 0)
        : before === null
          ? 1
          : values.filter((value) => !before.has(value ?? "")).length;
      const fits = this.#counters.has(key)
        ? (this.#counters.get(key)?.taken.length ?? 0) + values.length <= this.#limits.entries_max
        : this.#counters.size + charges.length < this.#limits.counters_max;
      for (const value of values) charges.push({ key, amount: isSum ? adds : 1, value, per });
      if (measure === "after") continue;
      const worst = limits[code];
      const next: LimitFlow = { used, adds: fits ? adds : null, max };
      if (worst === undefined || next.adds === null || (worst.adds !== null && next.used + next.adds > worst.used + worst.adds))
        limits[code] = next;
    }
  }

  /** Takes what a permitted action adds. */
  take(decisionId: string, charges: readonly LimitCharge[], root: string | null, now_ms: number): void {
    if (charges.length === 0) return;
    for (const { key, amount, value, per } of charges) {
      let counter = this.#counters.get(key);
      if (counter === undefined) this.#counters.set(key, (counter = { taken: [], sum: 0 }));
      drop(counter, per, now_ms);
      counter.taken.push({ decision_id: decisionId, at_ms: now_ms, amount, value });
      counter.sum += amount;
      if (per !== "task" || root === null) continue;
      const keys = this.#byTask.get(root) ?? new Set<string>();
      this.#byTask.set(root, keys.add(key));
    }
    this.#byDecision.set(decisionId, [...new Set(charges.map(({ key }) => key))]);
    this.#forgetOld();
  }

  /** Gives back what an action took that was not made. */
  giveBack(decisionId: string): void {
    for (const key of this.#byDecision.get(decisionId) ?? []) {
      const taken = this.#counters.get(key)?.taken.filter((one) => one.decision_id !== decisionId) ?? [];
      if (taken.length === 0) this.#counters.delete(key);
      else this.#counters.set(key, { taken, sum: sumOf(taken) });
    }
    this.#byDecision.delete(decisionId);
  }

  /** Drops the counters of a task that is over. */
  end(task: string): void {
    for (const key of this.#byTask.get(task) ?? []) this.#counters.delete(key);
    this.#byTask.delete(task);
  }

  /** Decisions whose outcome could still give something back are bounded: what is forgotten stays counted. */
  #forgetOld(): void {
    if (this.#byDecision.size <= this.#limits.counters_max) return;
    const [oldest] = this.#byDecision.keys();
    if (oldest !== undefined) this.#byDecision.delete(oldest);
  }

  #used(key: string, per: Limit["per"], now_ms: number): number {
    const counter = this.#counters.get(key);
    if (counter === undefined) return 0;
    drop(counter, per, now_ms);
    return counter.sum;
  }

  #values(key: string, per: Limit["per"], now_ms: number): Set<string> {
    const counter = this.#counters.get(key);
    if (counter === undefined) return new Set();
    drop(counter, per, now_ms);
    return new Set(counter.taken.map(({ value }) => value ?? ""));
  }
}

function sumOf(taken: readonly CounterEntry[]): number {
  return taken.reduce((sum, { amount }) => sum + amount, 0);
}

/** Entries are in order of time: those that have left the window are at the front. */
function drop(counter: Counter, per: Limit["per"], now_ms: number): void {
  if (per === "task") return;
  const { taken } = counter;
  const from = now_ms - WINDOW_MS[per];
  let gone = 0;
  while (gone < taken.length && (taken[gone]?.at_ms ?? 0) <= from) gone++;
  if (gone === 0) return;
  taken.splice(0, gone);
  counter.sum = sumOf(taken);
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

function numbersOrTexts(value: Value): (string | number)[] {
  const all = Array.isArray(value) ? value : [value];
  return all.filter((one): one is string | number => typeof one === "string" || typeof one === "number");
}
