/** Lets what transmitters of security events tell take hold of facts: by the commands that people use, with their barrier and records. */
import type { EventEffect } from "../adapters/events/event_types.js";
import type { EventResult, EventFacts, EventAttribution } from "../adapters/events/ports.js";
import type { KnownSubject } from "../adapters/events/subjects.js";
import { NARROWED_RATE, Problem, type InForce, type RevocationTarget, type TaskState } from "../contract/index.js";
import type { ChangedFact, Commands } from "../facts/commands.js";
import { TOKENS, revocationId } from "../facts/revocations.js";
import { isLive } from "../facts/tasks.js";
import type { Clock } from "../system/index.js";

export interface EventEffectsOptions {
  /** Most revocations of one transmitter in force at once. */
  revocations_max: number;
  /** Principals whose tokens from before a moment it has cut off. */
  principals_max: number;
}

/** Result of one command; null: the transmitter reported nothing new. */
type Came = ChangedFact<unknown> | null;

export class EventEffects implements EventFacts {
  readonly #commands: Commands;
  readonly #clock: Pick<Clock, "wall">;
  readonly #limits: EventEffectsOptions;
  readonly #tasks: TasksOf;

  constructor(commands: Commands, clock: Pick<Clock, "wall">, limits: EventEffectsOptions) {
    this.#commands = commands;
    this.#clock = clock;
    this.#limits = limits;
    this.#tasks = new TasksOf(commands);
  }

  close(): void {
    this.#tasks.close();
  }

  knows({ kind, id }: KnownSubject): boolean {
    const { registry } = this.#commands;
    switch (kind) {
      case "agent":
        return registry.agent(id) !== undefined;
      case "task":
        return registry.task(id) !== undefined;
      case "owner":
        return this.#agentsOf(id).length > 0;
      case "principal":
      case "token":
        return true;
    }
  }

  agentOf(credential: { issuer: string; subject: string }): string | undefined {
    return this.#commands.registry.agentOf(credential);
  }

  async apply(effect: EventEffect, targets: readonly KnownSubject[], told: EventAttribution): Promise<EventResult> {
    if (effect === "restore") return this.#restore(targets, told);
    // All of them are called before any is waited for: each holds before the next turn.
    const came = await Promise.all(targets.flatMap((target) => this.#narrow(effect, target, told)));
    const changed = came.filter((one) => one !== null);
    return { applied: changed.length > 0, durable: changed.every(({ in_force }) => isDurable(in_force)) };
  }

  async #restore(targets: readonly KnownSubject[], { source, as_of_ms, reason, by }: EventAttribution): Promise<EventResult> {
    let applied = false;
    for (const target of targets) {
      const lifted = await this.#commands.liftAsTold({ source, scope: scopeOf(target), as_of_ms, reason }, by);
      applied ||= lifted !== null;
    }
    return { applied, durable: true };
  }

  #narrow(effect: Exclude<EventEffect, "restore">, target: KnownSubject, told: EventAttribution): Promise<Came>[] {
    const { kind, id } = target;
    if (effect === "suspend") return [this.#cutOff(target, told)];
    if (effect === "end_session") return kind === "principal" ? this.#endAllOf(id, told) : [this.#cutOff(target, told)];
    // What can't be narrowed, and has no tokens of its own, is cut off.
    switch (kind) {
      case "principal":
        return this.#endAllOf(id, told);
      case "task":
      case "token":
        return [this.#cutOff(target, told)];
      case "agent":
        return [effect === "narrow" ? this.#leaveReading(id, told) : this.#cutTokens(id, told)];
      case "owner":
        return this.#agentsOf(id).map((agent) => (effect === "narrow" ? this.#leaveReading(agent, told) : this.#cutTokens(agent, told)));
    }
  }

  /** @param before_ms of a principal: only tokens that were issued before */
  #cutOff(target: KnownSubject, { source, as_of_ms, reason, by }: EventAttribution, before_ms?: number): Promise<Came> {
    const { registry } = this.#commands;
    const { kind, id } = target;
    const [counted, max] =
      before_ms === undefined ? [source, this.#limits.revocations_max] : [`${source}${TOKENS}`, this.#limits.principals_max];
    // What it has cut off before takes no more room.
    const isKnown = registry.revocation(revocationId({ scope: kind, of: id }, counted)) !== undefined;
    if (!isKnown && registry.revocationsOf(counted) >= max) return Promise.reject(new Problem("facts_full"));
    const told = { source, scope: scopeOf(target), as_of_ms, reason };
    return this.#commands.revokeAsTold(before_ms === undefined ? told : { ...told, before_ms }, by);
  }

  /** A principal's tokens from before, and the tasks that were begun for it by then: those end, and are forgotten as others are. */
  #endAllOf(principal: string, told: EventAttribution): Promise<Came>[] {
    const now_ms = this.#clock.wall();
    const before_ms = endOfSecond(told.as_of_ms);
    const { reason, by } = told;
    const tasks = this.#tasks.liveOf(principal, before_ms, now_ms);
    return [
      this.#cutOff({ kind: "principal", id: principal }, told, before_ms),
      ...tasks.map((id) => this.#commands.changeTask(id, { ended: true, reason }, null, by)),
    ];
  }

  #cutTokens(agent: string, { as_of_ms, reason, by }: EventAttribution): Promise<Came> {
    return this.#commands.cutTokens(agent, { before_ms: endOfSecond(as_of_ms), reason }, by);
  }

  /** Until a person lifts it: that a risk is said to be lower again isn't what it was narrowed for being over. */
  #leaveReading(agent: string, { reason, by }: EventAttribution): Promise<Came> {
    const asked = { actions_per_minute: NARROWED_RATE.default, purpose: null, why: [], below: null, for_ms: null };
    return this.#commands.narrowAgent(agent, { ...asked, reason }, by);
  }

  #agentsOf(owner: string): string[] {
    return [...this.#commands.registry.agents()].filter((agent) => agent.owner === owner).map(({ id }) => id);
  }
}

/** Tokens and events say their times in whole seconds: what was issued in the same one may have been so before. */
function endOfSecond(ms: number): number {
  return (Math.floor(ms / 1000) + 1) * 1000;
}

function scopeOf({ kind, id }: KnownSubject): RevocationTarget {
  return { [kind]: id };
}

function isDurable(in_force: InForce | null): boolean {
  return in_force?.durable !== false;
}

/** The tasks of each principal, so that ending them looks at no others. */
class TasksOf {
  readonly #commands: Commands;
  /** Start times of each principal's tasks; -Infinity: before this service's start. */
  readonly #of = new Map<string, Map<string, number>>();
  readonly #unlisten: () => void;
  #known = 0;
  #sweepAt = SWEEP_AT_LEAST;

  constructor(commands: Commands) {
    this.#commands = commands;
    for (const task of commands.registry.tasks()) this.#add(task, -Infinity);
    this.#unlisten = commands.ledger.listen(({ key, value, time }) => {
      if (key.startsWith("task/")) this.#add(value as unknown as TaskState, Date.parse(time));
    });
  }

  close(): void {
    this.#unlisten();
  }

  /** Returns the principal's live tasks that began before a moment. */
  liveOf(principal: string, before_ms: number, now_ms: number): string[] {
    const { registry } = this.#commands;
    return [...(this.#of.get(principal) ?? [])].flatMap(([id, since_ms]) => {
      const task = registry.task(id);
      return task !== undefined && since_ms < before_ms && isLive(task, now_ms) ? [id] : [];
    });
  }

  #add({ id, principal }: { id: string; principal: string | null }, since_ms: number): void {
    if (principal === null) return;
    if (this.#known >= this.#sweepAt) this.#sweep();
    const ids = this.#of.get(principal) ?? new Map<string, number>();
    if (ids.has(id)) return;
    this.#of.set(principal, ids.set(id, since_ms));
    this.#known++;
  }

  /** Forgets what the registry has forgotten. */
  #sweep(): void {
    this.#known = 0;
    for (const [principal, ids] of this.#of) {
      for (const id of ids.keys()) if (this.#commands.registry.task(id) === undefined) ids.delete(id);
      if (ids.size === 0) this.#of.delete(principal);
      else this.#known += ids.size;
    }
    this.#sweepAt = Math.max(SWEEP_AT_LEAST, 2 * this.#known);
  }
}

const SWEEP_AT_LEAST = 1024;
