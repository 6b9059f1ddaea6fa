/** Reach of a change: the work that it can hit, and all that was handed on from that work. */
import type { GrantFactState, RevocationState, TaskState } from "../contract/index.js";
import type { Json } from "../store/store.js";
import { split, type Registry } from "./registry.js";
import type { StoredRevocationScope } from "./facts_lookup.js";

/** The agents and purposes that someone may hear of; null: any. */
export interface Sight {
  agents: ReadonlySet<string> | null;
  purposes: ReadonlySet<string> | null;
}

export const EVERYTHING_IN_SIGHT: Sight = { agents: null, purposes: null };

/** A task, as far as it never changes. */
export interface ReachedTask {
  id: string;
  agent: string;
  purpose: string;
}

export function sees({ agents, purposes }: Sight, agent: string, purpose: string): boolean {
  return agents?.has(agent) !== false && purposes?.has(purpose) !== false;
}

export function seesNothing({ agents, purposes }: Sight): boolean {
  return agents?.size === 0 || purposes?.size === 0;
}

/** The tasks that were handed on, by the one that they were handed on from. */
export class HandedOn {
  readonly #registry: Registry;
  readonly #below = new Map<string, Set<string>>();
  /** Agent → its tasks that have some below. */
  readonly #from = new Map<string, Set<string>>();
  #known = 0;
  #sweepAt = SWEEP_AT_LEAST;

  constructor(registry: Registry) {
    this.#registry = registry;
    for (const task of registry.tasks()) this.add(task);
  }

  /** Tasks that it knows of. */
  get size(): number {
    return this.#known;
  }

  add({ id, parent }: { id: string; parent: string | null }): void {
    const giver = parent === null ? undefined : this.#registry.task(parent);
    // Below one that is forgotten, everything is over.
    if (giver === undefined) return;
    if (this.#known >= this.#sweepAt) this.#sweep();
    const below = within(this.#below, giver.id);
    if (below.has(id)) return;
    below.add(id);
    this.#known++;
    within(this.#from, giver.agent).add(giver.id);
  }

  /** Returns true if something was handed on from this task, or from any task of this agent. */
  has(of: "agent" | "task", id: string): boolean {
    return (of === "agent" ? this.#from : this.#below).has(id);
  }

  /** Tasks that were handed on, by any agent, from a task for which this holds, whatever the levels between. */
  *below(holds: (task: ReachedTask) => boolean): Generator<ReachedTask> {
    yield* this.#all([...this.#below.keys()].filter((id) => holdsOf(this.#registry.task(id), holds)));
  }

  *belowTask(id: string): Generator<ReachedTask> {
    yield* this.#all([id]);
  }

  *belowAgent(id: string): Generator<ReachedTask> {
    yield* this.#all([...(this.#from.get(id) ?? [])]);
  }

  *#all(from: string[]): Generator<ReachedTask> {
    const seen = new Set<string>();
    for (let next = from.pop(); next !== undefined; next = from.pop()) {
      for (const id of this.#below.get(next) ?? []) {
        const task = this.#registry.task(id);
        if (task === undefined || seen.has(id)) continue;
        seen.add(id);
        from.push(id);
        yield task;
      }
    }
  }

  /** Forgets what the registry has forgotten. */
  #sweep(): void {
    this.#known = 0;
    for (const [parent, ids] of this.#below) {
      const giver = this.#registry.task(parent);
      for (const id of ids) if (this.#registry.task(id) === undefined) ids.delete(id);
      if (giver === undefined || ids.size === 0) this.#below.delete(parent);
      else this.#known += ids.size;
    }
    for (const [agent, ids] of this.#from) {
      for (const id of ids) if (!this.#below.has(id)) ids.delete(id);
      if (ids.size === 0) this.#from.delete(agent);
    }
    this.#sweepAt = Math.max(SWEEP_AT_LEAST, 2 * this.#known);
  }
}

const SWEEP_AT_LEAST = 1024;

function within(of: Map<string, Set<string>>, id: string): Set<string> {
  let found = of.get(id);
  if (found === undefined) of.set(id, (found = new Set()));
  return found;
}

function holdsOf(task: ReachedTask | undefined, holds: (task: ReachedTask) => boolean): boolean {
  return task !== undefined && holds(task);
}

type Target =
  | { kind: "everyone" }
  | { kind: "agent" | "owner" | "purpose" | "principal"; id: string }
  | { kind: "task"; task: ReachedTask }
  /** Target of a change of something that is forgotten, since it was long over. */
  | { kind: "nobody" };

/** Reach of one change. */
export class Reach {
  readonly scope: StoredRevocationScope;
  readonly of: string;
  readonly #target: Target;
  readonly #registry: Registry;
  readonly #handedOn: HandedOn;
  #pairs: readonly (readonly [agent: string, purpose: string])[] | null = null;

  /** Null for what concerns nobody: how far an import has come. */
  static of(change: { key: string; value: Json }, registry: Registry, handedOn: HandedOn): Reach | null {
    const found = targetOf(change, registry);
    return found && new Reach(found, registry, handedOn);
  }

  private constructor(
    { scope, of, target }: { scope: StoredRevocationScope; of: string; target: Target },
    registry: Registry,
    handedOn: HandedOn,
  ) {
    this.scope = scope;
    this.of = of;
    this.#target = target;
    this.#registry = registry;
    this.#handedOn = handedOn;
  }

  /** The work that it can hit has each of these that isn't null; others' that was handed on counted in. */
  get work(): { agent: string | null; purpose: string | null; task: string | null } {
    const target = this.#target;
    switch (target.kind) {
      case "agent":
        return { ...ANY_WORK, agent: this.#handedOn.has("agent", target.id) ? null : target.id };
      case "purpose":
        return { ...ANY_WORK, purpose: target.id };
      case "task": {
        const { id, agent, purpose } = target.task;
        return this.#handedOn.has("task", id) ? { ...ANY_WORK, purpose } : { agent, purpose, task: id };
      }
      case "everyone":
      case "owner":
      // Tokens may name it, whatever the task.
      case "principal":
      case "nobody":
        return ANY_WORK;
    }
  }

  /** Returns true if the change can hit something that the caller may know of. */
  concerns(sight: Sight): boolean {
    const { agents, purposes } = sight;
    if (agents === null && purposes === null) return true;
    if (seesNothing(sight)) return false;
    const target = this.#target;
    switch (target.kind) {
      case "everyone":
      case "principal":
        return true;
      case "nobody":
        return false;
      case "purpose":
        return purposes?.has(target.id) !== false;
      case "agent":
        if (agents?.has(target.id) !== false) return true;
        break;
      case "owner":
        if (agents === null || [...agents].some((id) => this.#registry.agent(id)?.owner === target.id)) return true;
        break;
      case "task":
        if (sees(sight, target.task.agent, target.task.purpose)) return true;
    }
    return this.#handedOnTo().some(([agent, purpose]) => sees(sight, agent, purpose));
  }

  /**
   * Returns whether they may be told the name of what was changed. A person's is theirs who speak for a task of that person: others' tokens may
   * name it too, so the change concerns everyone, and its name doesn't.
   */
  isNamedTo(sight: Sight): boolean {
    const target = this.#target;
    if (target.kind !== "principal" || (sight.agents === null && sight.purposes === null)) return true;
    return this.#tasksOf(target.id).some(([agent, purpose]) => sees(sight, agent, purpose));
  }

  /** Returns true if the change can hit a task. @param chain the task, and those that it was handed on from */
  hits(chain: readonly ReachedTask[]): boolean {
    return chain.some((task) => this.#hitsDirectly(task));
  }

  #hitsDirectly(task: ReachedTask): boolean {
    const target = this.#target;
    switch (target.kind) {
      case "everyone":
      case "principal":
        return true;
      case "nobody":
        return false;
      case "purpose":
        return task.purpose === target.id;
      case "agent":
        return task.agent === target.id;
      case "owner":
        return this.#registry.agent(task.agent)?.owner === target.id;
      case "task":
        return task.id === target.task.id;
    }
  }

  /** Returns agents and purposes of a person's tasks, each pair once. */
  #tasksOf(principal: string): readonly (readonly [agent: string, purpose: string])[] {
    return (this.#pairs ??= pairsOf([...this.#registry.tasks()].filter((task) => task.principal === principal)));
  }

  /** Agents and purposes of what was handed on from what it hits, each pair once. */
  #handedOnTo(): readonly (readonly [agent: string, purpose: string])[] {
    return (this.#pairs ??= pairsOf(this.#below()));
  }

  #below(): Iterable<ReachedTask> {
    const target = this.#target;
    if (target.kind === "task") return this.#handedOn.belowTask(target.task.id);
    if (target.kind === "agent") return this.#handedOn.belowAgent(target.id);
    return this.#handedOn.below((task) => this.#hitsDirectly(task));
  }
}

function pairsOf(tasks: Iterable<ReachedTask>): readonly (readonly [agent: string, purpose: string])[] {
  const pairs = new Map<string, readonly [string, string]>();
  for (const { agent, purpose } of tasks) pairs.set(`${agent} ${purpose}`, [agent, purpose]);
  return [...pairs.values()];
}

const ANY_WORK = { agent: null, purpose: null, task: null };

function targetOf(
  { key, value }: { key: string; value: Json },
  registry: Registry,
): { scope: StoredRevocationScope; of: string; target: Target } | null {
  const [kind, id] = split(key);
  switch (kind) {
    case "agent":
      return { scope: kind, of: id, target: { kind, id } };
    case "task":
      return { scope: kind, of: id, target: { kind, task: value as unknown as TaskState } };
    case "grant":
      return { scope: kind, of: id, target: holderOf(value as unknown as GrantFactState, registry) };
    case "narrowing":
      return { scope: "agent", of: id, target: { kind: "agent", id } };
    case "revocation": {
      const { scope, of } = value as unknown as RevocationState;
      return { scope, of, target: cutOff(scope, of, registry) };
    }
    default:
      return null;
  }
}

function cutOff(scope: StoredRevocationScope, of: string, registry: Registry): Target {
  switch (scope) {
    case "everything":
    // Whose token it is, and for whom a caller asks, isn't known.
    case "token":
    case "caller":
      return { kind: "everyone" };
    case "agent":
    case "owner":
    case "purpose":
    case "principal":
      return { kind: scope, id: of };
    case "task":
      return taskOf(of, registry);
    case "grant": {
      const grant = registry.grant(of);
      return grant === undefined ? { kind: "nobody" } : holderOf(grant.value, registry);
    }
  }
}

function holderOf({ agent, task }: GrantFactState, registry: Registry): Target {
  return agent === null ? taskOf(task ?? "", registry) : { kind: "agent", id: agent };
}

function taskOf(id: string, registry: Registry): Target {
  const task = registry.task(id);
  return task === undefined ? { kind: "nobody" } : { kind: "task", task };
}
