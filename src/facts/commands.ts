/**
 * Commands of hosts and operators on facts. Each change is checked against the known facts and the active bundle, then goes through the
 * ledger. Repeating a request changes nothing and returns the same.
 */
import {
  Problem,
  canonical,
  type AgentAnswer,
  type AgentState,
  type AmendTask,
  type ChangeAgent,
  type CreateAgent,
  type CreateGrant,
  type CreateRevocation,
  type EndGrant,
  type GrantAnswer,
  type GrantFactState,
  type InForce,
  type IssueTask,
  type LiftNarrowing,
  type LiftRevocation,
  type NarrowingAnswer,
  type NarrowingState,
  type RevocationAnswer,
  type RevocationState,
  type RevocationTarget,
  type TaskFactAnswer,
  type TaskState,
} from "../contract/index.js";
import type { Log } from "../decision/ports.js";
import type { Change, Guard, Json, Store, Write } from "../store/store.js";
import { othersTurn, type Clock, type Timers } from "../system/index.js";
import { checkChangedAgent, checkNewAgent } from "./agents.js";
import { BundleCommands } from "./bundle_commands.js";
import { agentOfState, iso, stateOfAgent, stateOfTask, type AgentFact } from "./entities.js";
import { approvalId, checkApproval, checkNewGrant, type ApproveAction, type GrantLimits } from "./grants.js";
import { Restrictions, type RestrictionsDeps } from "./restrictions.js";
import type { RemoteRestriction } from "./other_nodes.js";
import { Ledger, turnOf, type Attribution, type LedgerOptions } from "./ledger.js";
import { restrictionOf, withBound, withEnd, withEvent, withNarrowing, withRevocation, withStatus } from "./narrowing.js";
import { checkAttributes } from "./fields.js";
import { refuse } from "./problems.js";
import { FactsReading } from "./facts_reading.js";
import { Registry, split, type FactsCluster } from "./registry.js";
import { TOKENS, checkTarget, revocationId } from "./revocations.js";
import { Shared } from "./share.js";
import { checkAddedSubjects, checkLowering, checkNewTask, isLive, type TaskLimits } from "./tasks.js";
import { without } from "../system/without.js";
import type { CompileEntry, KnownPolicy } from "./facts_lookup.js";

export interface FactsLimits extends TaskLimits, GrantLimits {
  agents_max: number;
  tasks_max: number;
  grants_max: number;
  /** Most grants of one agent or task. */
  grants_per_holder_max: number;
}

/** Facts in the log from before this start. */
export interface PastRecords {
  /** The highest `facts_revision` of its records of changes; 0 where there are none. */
  revision: number;
  /** The grants that each decision on record used: of all that were made on this facts revision or a later one. */
  uses(since: number): AsyncIterable<readonly string[]>;
}

/** Grants that are counted, and records that may be lost after they were answered for. */
export class CountedGrants extends Error {
  override readonly name = "CountedGrants";
}

export interface FactsDeps extends Omit<RestrictionsDeps, "system"> {
  store: Store;
  log: Log;
  past: PastRecords;
  system: { clock: Clock; timers: Timers };
  policy: () => KnownPolicy | null;
  compile: CompileEntry;
  limits: FactsLimits;
  ledger: LedgerOptions;
  /** Cluster of which this service is a node. @default none */
  cluster?: FactsCluster | undefined;
  /** Takes all changes that there are, in order, if the store has to read them at a start. @default nobody does */
  passing?: ((changes: readonly Change[]) => void) | undefined;
  /** Memory of tasks that the nodes of a cluster share. @default none */
  watch?: () => TaskWatch | null;
}

/** Memory of what tasks have seen, where it has to be told of a change. */
export interface TaskWatch {
  /** Begins to watch a first task before it is registered. @returns false if it isn't watched @throws Problem `history_unavailable` */
  begin(task: Pick<TaskState, "id" | "expires" | "plan">): Promise<boolean>;
  /** A person has lowered labels of a task. @returns false if the task may still have them */
  lowered(task: string, labels: readonly string[]): Promise<boolean>;
}

/** Attempts to register an agent, between any two of which another node has changed one. */
const CREATE_TRIES = 5;
/** Agents' ids and credentials differ from those of every other. */
const AGENTS = "agent/";

/** Looking through all tasks for those that can be forgotten takes a while, so that it isn't done for each that finds no room. */
const FORGET_EVERY_MS = 1000;

/** Restriction of a narrowed agent, and its reason. */
export type Narrowing = Omit<NarrowingState, "agent" | "by" | "since" | "lifted">;

/** A change that narrows says how it holds; any other is durable once it is answered. */
export interface ChangedFact<T> {
  fact: T;
  in_force: InForce | null;
}

/** Event of a transmitter of security events, with its time in milliseconds since the epoch. */
export interface ToldOf {
  source: string;
  scope: RevocationTarget;
  as_of_ms: number;
  reason: string;
}

export interface Created<T> {
  created: boolean;
  fact: T;
}

export class Commands extends FactsReading {
  readonly ledger: Ledger;
  readonly bundles: BundleCommands;
  readonly deps: FactsDeps;
  readonly #restrictions: Restrictions;
  /** When the next tasks can be forgotten to make room. */
  #roomAt = 0;

  /**
   * Fills memory from the store, counts the uses of grants on record, and completes the log.
   * @throws StoreUnavailable, Problem of the log, or an Error where log and store don't belong together
   */
  static async open(deps: FactsDeps): Promise<Commands> {
    const commands = new Commands(deps);
    const { registry, ledger } = commands;
    const now = deps.system.clock.wall();
    const passing = async (changes: readonly Change[]): Promise<void> => {
      deps.passing?.(changes);
      await ledger.record(changes, deps.past.revision);
    };
    for await (const changes of deps.store.entries(passing)) for (const change of changes) registry.load(change, now);
    registry.forgetGrants(now);
    if (!deps.limits.counted_grants) commands.#refuseCounted();
    for (const ids of Object.values(registry.ids)) ids.settle();
    const since = await commands.#usesSince();
    if (since !== Infinity) for await (const ids of deps.past.uses(since)) registry.count(ids);
    await ledger.complete(deps.past.revision);
    return commands;
  }

  private constructor(deps: FactsDeps) {
    super(new Registry(deps.policy, deps.compile, deps.system.timers, deps.cluster), deps.store, deps.system.clock);
    this.deps = deps;
    this.ledger = new Ledger(this.registry, deps.store, deps.log, deps.system, deps.ledger);
    this.bundles = new BundleCommands(this.registry, this.ledger, () => this.now());
    this.#restrictions = new Restrictions(this.registry, this.ledger, deps);
  }

  /** Stops trying again. What isn't durable by now is lost, as each acknowledgement of it said. */
  close(): void {
    this.ledger.close();
  }

  /** @throws Problem `agent_exists`, `agent_id_used`, `agent_id_similar`, `credential_taken`, `fact_invalid`, `facts_full`, … */
  createAgent({ reason, ...asked }: CreateAgent, by: string): Promise<Created<AgentAnswer>> {
    return this.ledger.inTurn("agent", async () => {
      for (let left = CREATE_TRIES - 1; ; left--) {
        const agent = checkNewAgent(asked, this.registry, this.#policy(), this.now());
        const known = this.registry.agent(agent.id);
        if (known !== undefined) {
          if (!isSameAgent(stateOfAgent(known), agent)) throw new Problem("agent_exists", { field: "/id" });
          await this.ledger.ready();
          return { created: false, fact: this.agent(agent.id) };
        }
        if (this.registry.sizes.agents >= this.deps.limits.agents_max) throw new Problem("facts_full");
        try {
          await this.#create(`agent/${agent.id}`, agent, { by, reason: reason ?? null }, "agent_created", "agent_exists", AGENTS);
          return { created: true, fact: this.agent(agent.id) };
        } catch (cause) {
          const isTaken = !(cause instanceof Problem) || cause.code !== "agent_exists" || this.registry.agent(agent.id) !== undefined;
          // Else another node has changed another agent, which memory has by now: all is looked at again.
          if (isTaken) throw cause;
          if (left === 0) throw new Problem("store_unavailable", {}, { cause });
        }
      }
    });
  }

  /**
   * Changes what an agent is, or its status. A status goes by itself; suspending and revoking hold at once.
   * @param expected the revision that the change is based on; needed save for a status
   * @throws Problem `agent_not_found`, `revision_required`, `revision_stale`, `credential_taken`, `fact_invalid`, …
   */
  async changeAgent(id: string, asked: ChangeAgent, expected: number | null, by: string): Promise<ChangedFact<AgentAnswer>> {
    const { status, reason = null, ...members } = asked;
    const act = { by, reason };
    if (status === undefined) {
      if (expected === null) throw new Problem("revision_required");
      await this.#changeMembers(id, members, expected, act);
      return { fact: this.agent(id), in_force: null };
    }
    if (Object.keys(members).length > 0) refuse("/status", "nothing else beside `status`");
    if (reason === null) return refuse("/reason", "why", "field_missing");
    const agent = this.knownAgent(id);
    checkRevision(agent.revision, expected);
    if (status === "active") {
      await this.#restore(id, expected, act);
      return { fact: this.agent(id), in_force: null };
    }
    const in_force = await this.#restrictions.narrow(`agent/${id}`, stateOfAgent(agent), withStatus(status), act, `agent_${status}`);
    return { fact: this.agent(id), in_force };
  }

  /** @throws Problem `task_exists`, `fact_invalid`, `task_wider_than_parent`, `delegation_not_permitted`, `tasks_full`, … */
  createTask(asked: IssueTask, by: string): Promise<Created<TaskFactAnswer>> {
    const key = `task/${asked.id}`;
    return this.ledger.inTurn(turnOf(key), async () => {
      const task = checkNewTask(asked, this.registry, this.#policy(), this.deps.limits, this.now());
      const known = this.registry.task(task.id);
      if (known !== undefined) {
        if (canonical(without(stateOfTask(known), "watched")) !== canonical(task)) throw new Problem("task_exists", { field: "/id" });
        await this.ledger.ready();
        return { created: false, fact: this.task(task.id) };
      }
      this.makeRoom(1);
      const isWatched = task.parent === null && (await this.deps.watch?.()?.begin(task)) === true;
      const value = { ...task, ...(isWatched && { watched: true }) };
      await this.#create(key, value, { by, reason: null }, "task_created", "task_exists");
      return { created: true, fact: this.task(task.id) };
    });
  }

  /**
   * Adds subjects to a task, sets attributes of it, lowers its labels, or ends it; that holds at once.
   * @throws Problem `task_not_found`, `fact_invalid`, `task_wider_than_parent`, `revision_stale`, …
   */
  async changeTask(id: string, asked: AmendTask, expected: number | null, by: string): Promise<ChangedFact<TaskFactAnswer>> {
    const { subjects, attributes, ended, lowers, reason = null } = asked;
    const task = this.knownTask(id);
    checkRevision(task.revision, expected);
    if (lowers !== undefined) {
      checkLowering(task, asked, this.#policy());
      const lowered = { labels: lowers, at: iso(this.now()), by, reason: reason ?? "" };
      await this.ledger.inTurn(turnOf(`task/${id}`), () => this.#lower(id, lowered, expected));
      return { fact: this.task(id), in_force: null };
    }
    if (ended === true) {
      if (subjects !== undefined) refuse("/subjects", "not with `ended`");
      if (attributes !== undefined) refuse("/attributes", "not with `ended`");
      const end = withEnd({ at: iso(this.now()), reason });
      const in_force = await this.#restrictions.narrow(`task/${id}`, stateOfTask(task), end, { by, reason }, "task_ended");
      return { fact: this.task(id), in_force };
    }
    if (subjects === undefined && attributes === undefined) refuse("", "`subjects`, `attributes`, `lowers` or `ended`");
    await this.ledger.inTurn(turnOf(`task/${id}`), () => this.#amend(id, asked, expected, { by, reason }));
    return { fact: this.task(id), in_force: null };
  }

  /** @throws Problem `grant_exists`, `fact_invalid`, `facts_full`, … */
  createGrant(asked: CreateGrant, by: string): Promise<Created<GrantAnswer>> {
    const key = `grant/${asked.id}`;
    return this.ledger.inTurn(turnOf(key), async () => {
      const { limits, compile } = this.deps;
      const grant = checkNewGrant(asked, this.registry, this.#policy(), compile, limits, this.now());
      const known = this.registry.grant(grant.id)?.value;
      if (known !== undefined) {
        const { not_before } = asked.not_before === undefined ? known : grant;
        if (canonical(known) !== canonical({ ...grant, not_before })) throw new Problem("grant_exists", { field: "/id" });
        await this.ledger.ready();
        return { created: false, fact: this.grant(grant.id) };
      }
      this.makeRoomForGrant(grant);
      await this.#create(key, grant, { by, reason: grant.reason }, "grant_created", "grant_exists");
      return { created: true, fact: this.grant(grant.id) };
    });
  }

  /**
   * Records one caller's approval of an action that waits; it permits the action once as many have approved as have to, whichever
   * decisions of that action each of them has seen. Repeating it changes nothing.
   * @returns as `created` whether the approval is new
   * @throws Problem `fact_invalid`, `facts_full`, `store_unavailable`, and those of the log
   */
  approve(asked: ApproveAction, by: string): Promise<Created<GrantAnswer>> {
    const { agent, approval_digest } = asked;
    return this.ledger.inTurn(`approval/${agent} ${approval_digest}`, () => {
      const id = this.registry.openApproval(agent, approval_digest, by, this.now()) ?? approvalId(asked.decision);
      return this.ledger.inTurn(turnOf(`grant/${id}`), () => this.#addApproval(id, asked, by));
    });
  }

  async #addApproval(id: string, asked: ApproveAction, by: string): Promise<Created<GrantAnswer>> {
    const { reason } = asked;
    const key = `grant/${id}`;
    const known = this.registry.grant(id)?.value;
    const given = known?.approval?.given ?? [];
    const approval = { by, at: iso(this.now()), reason };
    if (known === undefined) {
      const grant = checkApproval(asked, approval, this.registry, this.deps.limits, this.now());
      this.makeRoomForGrant(grant);
      await this.#create(key, grant, { by, reason }, "grant_created", "grant_exists");
    } else if (known.ended === null && known.approval !== undefined && !given.some((one) => one.by === by && this.registry.counts(one))) {
      const grant = { ...known, approval: { ...known.approval, given: [...given.filter((one) => one.by !== by), approval] } };
      await this.#change(key, grant, { by, reason }, "grant_approved");
    } else {
      await this.ledger.ready();
      return { created: false, fact: this.grant(id) };
    }
    return { created: true, fact: this.grant(id) };
  }

  /** Ends a grant before its time; that holds at once. @throws Problem `grant_not_found`, `revision_stale` */
  async endGrant(id: string, { reason }: EndGrant, expected: number | null, by: string): Promise<ChangedFact<GrantAnswer>> {
    const grant = this.registry.grant(id);
    if (grant === undefined) throw new Problem("grant_not_found");
    checkRevision(grant.revision, expected);
    const end = withEnd({ at: iso(this.now()), reason });
    const in_force = await this.#restrictions.narrow(`grant/${id}`, grant.value, end, { by, reason }, "grant_ended");
    return { fact: this.grant(id), in_force };
  }

  /** Lets something hold that narrows and holds on another node. One that was made of an older state of the fact is ignored. */
  adopt({ key, base, value, change, time, ...act }: RemoteRestriction): void {
    const known = this.#valueOf(key);
    const restriction = restrictionOf(change, value);
    if (restriction === null || known === undefined || this.registry.revisionOf(key) > base) return;
    this.ledger.adopt(turnOf(key), key, known, restriction, { ...act, time }, change);
  }

  /**
   * Lets a restriction hold that another feed has brought before the store has, until the store does.
   * @returns false for a change that this version doesn't know as a restriction
   */
  holdAhead(change: Change): boolean {
    const restriction = restrictionOf(change.change, change.value);
    if (restriction === null) return false;
    if (change.revision > this.registry.revision) this.ledger.ahead(change, this.#valueOf(change.key), restriction);
    return true;
  }

  /**
   * Cuts something off. It is in memory before this returns, whatever the store and the log do, and acknowledged when no
   * decision is left that began before.
   * @throws Problem `fact_invalid`, `identifier_not_canonical`
   */
  async revoke({ scope: asked, reason }: CreateRevocation, by: string): Promise<ChangedFact<RevocationAnswer>> {
    const target = checkTarget(asked, this.registry, this.deps.policy());
    const id = revocationId(target);
    const since = iso(this.now());
    const revocation: RevocationState = { id, ...target, reason, by, since, lifted: null };
    const before = this.registry.revocation(id);
    const value = before === undefined ? null : stateOf(before);
    const in_force = await this.#restrictions.narrow(`revocation/${id}`, value, withRevocation(revocation), { by, reason }, "revoked");
    return { fact: this.revocation(id), in_force };
  }

  /** Returns where a revocation is in force; null for a service that decides alone, and if that isn't known. */
  standing(id: string): Pick<InForce, "in_force" | "fleet"> | null {
    return this.#restrictions.standing(`revocation/${id}`);
  }

  /**
   * Revokes for a transmitter of security events: its own revocation, beside anyone else's of the same, which it never touches.
   * @param told `before_ms`, of a principal: only tokens that were issued before
   * @returns null if it reports nothing new: the transmitter has already reported what has happened since
   * @throws Problem `fact_invalid`, `identifier_not_canonical`
   */
  async revokeAsTold(told: ToldOf & { before_ms?: number }, by: string): Promise<ChangedFact<RevocationAnswer> | null> {
    const { source, as_of_ms, before_ms, reason } = told;
    const target = checkTarget(told.scope, this.registry, this.deps.policy());
    const id = revocationId(target, before_ms === undefined ? source : `${source}${TOKENS}`);
    const before = this.registry.revocation(id);
    if (before !== undefined && isOver(before, as_of_ms)) return null;
    const revocation: RevocationState = {
      ...{ id, ...target, reason, by, since: iso(this.now()), lifted: null, source, as_of: iso(as_of_ms) },
      ...(before_ms === undefined ? {} : { before: iso(before_ms) }),
    };
    const value = before === undefined ? null : stateOf(before);
    const in_force = await this.#restrictions.narrow(`revocation/${id}`, value, withEvent(revocation), { by, reason }, "revoked");
    return { fact: this.revocation(id), in_force };
  }

  /**
   * Lifts what this transmitter has cut off, and nobody else's. Tokens from before stay refused.
   * @returns null where there is nothing of its own, or it has told of something as late or later
   * @throws Problem `revision_stale` where it was told of again meanwhile, `store_unavailable`, and those of the log
   */
  async liftAsTold({ source, scope, as_of_ms, reason }: ToldOf, by: string): Promise<RevocationAnswer | null> {
    const id = revocationId(checkTarget(scope, this.registry, this.deps.policy()), source);
    const key = `revocation/${id}`;
    if (this.registry.revocation(id) === undefined) return null;
    let lifted: RevocationAnswer | null = null;
    await this.#restrictions.undo([key], async () => {
      const revocation = this.registry.revocation(id);
      if (revocation?.lifted !== null || as_of_ms <= msOf(revocation.as_of)) return;
      const value = { ...stateOf(revocation), as_of: iso(as_of_ms), lifted: this.#lifted(by, reason) };
      await this.#change(key, value, { by, reason }, "revocation_lifted");
      lifted = this.revocation(id);
    });
    return lifted;
  }

  /**
   * Refuses an agent's tokens that were issued before a moment. It is in memory before this returns.
   * @throws Problem `agent_not_found`
   */
  async cutTokens(id: string, { before_ms, reason }: { before_ms: number; reason: string }, by: string): Promise<ChangedFact<AgentAnswer>> {
    const value = stateOfAgent(this.knownAgent(id));
    const act = { by, reason };
    const in_force = await this.#restrictions.narrow(`agent/${id}`, value, withBound(iso(before_ms)), act, "agent_tokens_cut");
    return { fact: this.agent(id), in_force };
  }

  /** @throws Problem `revocation_not_found`, `revision_stale`, `store_unavailable`, and those of the log */
  async lift(id: string, { reason }: LiftRevocation, expected: number | null, by: string): Promise<RevocationAnswer> {
    const key = `revocation/${id}`;
    if (this.registry.revocation(id) === undefined) throw new Problem("revocation_not_found");
    await this.#restrictions.undo([key], async () => {
      const revocation = this.registry.revocation(id);
      if (revocation === undefined) throw new Problem("revocation_not_found");
      checkRevision(revocation.revision, expected);
      if (revocation.lifted === null) {
        const value = { ...stateOf(revocation), lifted: this.#lifted(by, reason) };
        await this.#change(key, value, { by, reason }, "revocation_lifted");
      } else await this.ledger.ready();
    });
    return this.revocation(id);
  }

  /**
   * Leaves an agent with reading what its task is about, so many times a minute. It is in memory before this returns.
   * @throws Problem `agent_not_found`
   */
  async narrowAgent(agent: string, asked: Narrowing, by: string): Promise<ChangedFact<NarrowingAnswer>> {
    this.knownAgent(agent);
    const narrowing: NarrowingState = { agent, ...asked, by, since: iso(this.now()), lifted: null };
    const before = this.registry.narrowings.get(agent);
    const value = before === undefined ? null : stateOf(before);
    const act = { by, reason: asked.reason };
    const in_force = await this.#restrictions.narrow(`narrowing/${agent}`, value, withNarrowing(narrowing), act, "agent_narrowed");
    return { fact: this.narrowing(agent), in_force };
  }

  /** @throws Problem `narrowing_not_found`, `revision_stale`, `store_unavailable`, and those of the log */
  async widenAgent(agent: string, { reason }: LiftNarrowing, expected: number | null, by: string): Promise<NarrowingAnswer> {
    const key = `narrowing/${agent}`;
    this.narrowing(agent);
    await this.#restrictions.undo([key], async () => {
      const narrowing = this.narrowing(agent);
      checkRevision(narrowing.revision, expected);
      const widened = this.#widened(agent, { by, reason });
      if (widened === null) await this.ledger.ready();
      else await this.ledger.commit([widened]);
    });
    return this.narrowing(agent);
  }

  /** Lets others have their turn, in work that takes long. */
  turn(): Promise<void> {
    return othersTurn(this.deps.system.timers);
  }

  /** @throws Problem `tasks_full` where so many more find no room */
  makeRoom(more: number): void {
    const { tasks_max } = this.deps.limits;
    const now = this.now();
    if (this.registry.sizes.tasks + more > tasks_max && this.#roomAt <= now) {
      this.#roomAt = Math.max(this.registry.forget(now), now + FORGET_EVERY_MS);
    }
    if (this.registry.sizes.tasks + more > tasks_max) throw new Problem("tasks_full");
  }

  /**
   * Limits are of grants that permit something or will; those that are over are kept beside them, as many, and the oldest of them go.
   * @throws Problem `facts_full`
   */
  makeRoomForGrant({ agent, task, action_digest }: Pick<GrantFactState, "agent" | "task" | "action_digest">): void {
    const { registry } = this;
    const { grants_max, grants_per_holder_max } = this.deps.limits;
    const now = this.now();
    const holder = agent === null ? ({ kind: "task", id: task ?? "" } as const) : ({ kind: "agent", id: agent } as const);
    if (registry.liveGrantsOf(holder, action_digest !== null, now) >= grants_per_holder_max) throw new Problem("facts_full");
    registry.forgetOverGrants(holder, grants_per_holder_max - 1, now);
    if (registry.sizes.grants < grants_max) return;
    const live = registry.liveGrants(now);
    if (live >= grants_max) throw new Problem("facts_full");
    // More than has to go, so that the next ones needn't look through all of them.
    registry.forgetOverGrants(null, Math.floor((grants_max - live) / 2), now);
  }

  async #changeMembers(id: string, members: Omit<ChangeAgent, "status" | "reason">, expected: number, act: Attribution): Promise<void> {
    await this.ledger.inTurn("agent", async () => {
      const agent = this.#durableAgent(id);
      checkRevision(agent.revision, expected);
      const changed = checkChangedAgent(agent, members, this.registry, this.#policy(), this.now());
      if (canonical(changed) === canonical(stateOfAgent(agent))) await this.ledger.ready();
      else await this.#change(`agent/${id}`, changed, act, "agent_changed", AGENTS);
    });
  }

  async #restore(id: string, expected: number | null, act: Attribution): Promise<void> {
    const key = `agent/${id}`;
    await this.#restrictions.undo([key, `narrowing/${id}`], async () => {
      const agent = this.knownAgent(id);
      checkRevision(agent.revision, expected);
      if (agent.status === "revoked") refuse("/status", "an agent that is not revoked; that is for good");
      if (agent.status === "active") {
        await this.ledger.ready();
        return;
      }
      const value = { ...stateOfAgent(agent), status: "active" } as unknown as Json;
      const restored = { key, expected: this.registry.revisionOf(key), value, ...act, change: "agent_restored" };
      // Who lets it act again has looked at what narrowed it by itself, too.
      const widened = this.registry.narrowings.get(id)?.below === null ? null : this.#widened(id, act);
      await this.ledger.commit(widened === null ? [restored] : [restored, widened]);
    });
  }

  /** Returns the write that ends an agent's narrowing; null if it isn't narrowed. */
  #widened(agent: string, act: Attribution): Omit<Write, "time"> | null {
    const narrowing = this.registry.narrowings.get(agent);
    if (narrowing?.lifted !== null) return null;
    const value = { ...stateOf(narrowing), lifted: this.#lifted(act.by, act.reason ?? "") };
    return { key: `narrowing/${agent}`, expected: narrowing.revision, value, ...act, change: "agent_widened" };
  }

  #lifted(by: string, reason: string): { at: string; by: string; reason: string } {
    return { at: iso(this.now()), by, reason };
  }

  async #lower(id: string, lowered: NonNullable<TaskState["lowered"]>, expected: number | null): Promise<void> {
    const task = this.knownTask(id);
    checkRevision(task.revision, expected);
    if (!isLive(task, this.now())) refuse("/lowers", "a task that is live");
    const { by, reason } = lowered;
    await this.#change(`task/${id}`, { ...stateOfTask(task), lowered }, { by, reason }, "task_labels_lowered");
    // The task has them until all nodes know: asked for again, they are lowered again.
    if ((await this.deps.watch?.()?.lowered(id, lowered.labels)) === false) throw new Problem("history_unavailable");
  }

  async #amend(id: string, asked: Pick<AmendTask, "subjects" | "attributes">, expected: number | null, act: Attribution): Promise<void> {
    const task = this.knownTask(id);
    checkRevision(task.revision, expected);
    const policy = this.#policy();
    const subjects = asked.subjects === undefined ? task.subjects : checkAddedSubjects(task, asked.subjects, this.registry, policy);
    const attributes = { ...task.attributes, ...asked.attributes };
    if (asked.attributes !== undefined) checkAttributes(policy.vocabulary.task.attributes, asked.attributes);
    if (canonical({ subjects, attributes }) === canonical({ subjects: task.subjects, attributes: task.attributes })) {
      await this.ledger.ready();
      return;
    }
    if (!isLive(task, this.now())) refuse(asked.subjects === undefined ? "/attributes" : "/subjects", "a task that is live");
    await this.#change(`task/${id}`, { ...stateOfTask(task), subjects, attributes }, act, "task_changed");
  }

  /** @param taken the code where the key was there after all: memory forgets what is long over */
  async #create(
    key: string,
    value: object,
    act: Attribution,
    change: string,
    taken: "agent_exists" | "task_exists" | "grant_exists",
    apart?: string,
  ): Promise<void> {
    try {
      await this.ledger.commit([{ key, expected: 0, value: value as Json, ...act, change }], this.#guard(apart));
    } catch (cause) {
      if (cause instanceof Problem && cause.code === "revision_stale") throw new Problem(taken, { field: "/id" }, { cause });
      throw cause;
    }
  }

  async #change(key: string, value: object, act: Attribution, change: string, apart?: string): Promise<void> {
    const expected = this.registry.revisionOf(key);
    await this.ledger.commit([{ key, expected, value: value as Json, ...act, change }], this.#guard(apart));
  }

  /** Keeps apart what has to differ from all of its kind, against what other nodes change meanwhile. */
  #guard(prefix: string | undefined): Guard | undefined {
    return prefix === undefined ? undefined : { prefix, since: this.registry.revision };
  }

  /** Returns what a key that can be narrowed holds; null for one that may begin by that, undefined for one that may not. */
  #valueOf(key: string): Json | undefined {
    const [kind, id] = split(key);
    const [agent, task] = kind === "agent" ? [this.registry.agent(id)] : [undefined, this.registry.task(id)];
    const known = {
      agent: () => agent && stateOfAgent(agent),
      task: () => task && stateOfTask(task),
      grant: () => this.registry.grant(id)?.value,
      narrowing: () => stateOrNull(this.registry.narrowings.get(id)),
      revocation: () => stateOrNull(this.registry.revocation(id)),
    }[kind];
    return known?.() as Json | undefined;
  }

  #durableAgent(id: string): AgentFact {
    const agent = this.knownAgent(id);
    const durable = this.registry.durable(`agent/${id}`);
    return durable === undefined ? agent : agentOfState(durable as unknown as AgentState, agent.revision, new Shared());
  }

  #policy(): KnownPolicy {
    const policy = this.deps.policy();
    if (policy === null) throw new Problem("bundle_missing");
    return policy;
  }

  #refuseCounted(): void {
    for (const { value } of this.registry.allGrants()) {
      if (value.uses !== null && value.ended === null)
        throw new CountedGrants(`grant \`${value.id}\` has a number of uses, which \`log.durability: relaxed\` can't count: end it first`);
    }
  }

  /** Returns the revision from which on known grants were used; Infinity without grants. */
  async #usesSince(): Promise<number> {
    let since = Infinity;
    for (const { value, revision } of this.registry.allGrants()) {
      // One that has changed since was made before.
      const [made] = value.ended === null ? [] : await this.deps.store.changes(0, 1, { key: `grant/${value.id}` });
      since = Math.min(since, made?.revision ?? revision);
    }
    return since;
  }
}

function stateOrNull(fact: { revision: number } | undefined): object | null {
  return fact === undefined ? null : stateOf(fact);
}

/** Returns true if an event's effect was undone since: by its source, for a later event, or by a person who has looked at it. */
function isOver({ lifted, as_of, source = "" }: RevocationState, as_of_ms: number): boolean {
  if (lifted === null) return false;
  return lifted.by.startsWith(`ssf:${source}/`) ? as_of_ms < msOf(as_of) : as_of_ms <= msOf(as_of);
}

/** -Infinity where it isn't known. */
function msOf(time: string | undefined): number {
  return time === undefined ? -Infinity : Date.parse(time);
}

function checkRevision(revision: number, expected: number | null): void {
  if (expected !== null && expected !== revision) throw new Problem("revision_stale", { expected: String(revision) });
}

/** Beside when it was registered, and how it stands since. */
function isSameAgent(a: AgentState, b: AgentState): boolean {
  const what = ({ registered: _r, bound: _b, status: _s, ...rest }: AgentState): string => canonical(rest);
  return what(a) === what(b);
}

function stateOf<T extends { revision: number }>(fact: T): Omit<T, "revision" | "facts_revision"> {
  return without(fact as T & { facts_revision?: number }, "revision", "facts_revision");
}
