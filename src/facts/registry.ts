/**
 * Facts in memory and by key, from which decisions are made. Kept in step by the store's feed, one change at a time. Facts are replaced,
 * never changed in place; only the uses of a grant are counted in place.
 */
import type {
  AgentState,
  BundleActivation,
  Credential,
  FindingState,
  GrantFactState,
  NarrowingState,
  RevocationState,
  TaskState,
} from "../contract/index.js";
import type { Change, Json } from "../store/store.js";
import type { Timers } from "../system/index.js";
import {
  agentOfState,
  grantOfState,
  taskOfState,
  type AgentFact,
  type BundleFact,
  type FindingFact,
  type GrantFact,
  type ImportState,
  type NarrowingFact,
  type RevocationFact,
  type TaskFact,
} from "./entities.js";
import { HeldGrants, OVER_KEPT_MS, type VisibleGrant, type GrantHolder, type Voice } from "./held_grants.js";
import { Narrowings } from "./narrowings.js";
import { revocationId, TOKENS } from "./revocations.js";
import { Shared } from "./share.js";
import { SimilarIds } from "./similar.js";
import { SortedIds } from "./sorted_ids.js";
import type { StoredRevocationScope, CompileEntry, KnownPolicy, FactsLookup } from "./facts_lookup.js";

export { GRANTS_KEPT_MS, OVER_KEPT_MS, type VisibleGrant, type HeldGrantState } from "./held_grants.js";

/** Cluster that decides on the same facts. */
export interface FactsCluster {
  /** This process of it, as grants name who has taken a use: its node and incarnation. */
  process: string;
  /** Parts into which a rate is divided now, of which one is this process's; infinite: it has none. */
  rate_parts: () => number;
}

/** Change in memory, for listeners. `revision` is null if it holds but isn't durable yet. */
export type Notice = Omit<Change, "revision"> & { revision: number | null };

/** A revision that a decision must have seen is waited for so long. */
const REACHED_WITHIN_MS = 50;

/** Restriction that holds in memory before it is durable: laid over the key's durable value, until that has it too. */
interface HeldRestriction {
  /** Gives back the very value where that is as narrow already. */
  narrow: (value: Json) => Json;
  /** Value that the store has; undefined for a key that isn't known yet. */
  value: Json | undefined;
  revision: number;
  /** Last change of the key that is known to be durable and hasn't been taken yet: until then it holds. 0: none is */
  ahead: number;
}

export class Registry implements FactsLookup {
  readonly #timers: Pick<Timers, "after">;
  readonly #shared = new Shared();
  readonly #held = new Map<string, HeldRestriction>();
  readonly #agents = new Map<string, AgentFact>();
  readonly #tasks = new Map<string, TaskFact>();
  readonly #grants: HeldGrants;
  readonly #revocations = new Map<string, RevocationFact>();
  readonly narrowings: Narrowings;
  readonly #findings = new Map<string, FindingFact>();
  readonly #imports = new Map<string, { state: ImportState; revision: number }>();
  /** Bundles that the feed of a cluster names as active, by their names. */
  readonly #bundles = new Map<string, BundleFact>();
  readonly #similar = new SimilarIds();
  readonly #credentials: Credentials = new Map();
  /** Credentials of former agents: a token that names one as an earlier actor must not pass for one that names nobody. */
  readonly #former: Credentials = new Map();
  /** Revocations in force, by scope and id, each with the time before which something must have been issued to be hit. */
  readonly #cut: Record<StoredRevocationScope, Map<string, Map<string, number>>> = byScope();
  #cuts = 0;
  /** Facts revision of the last change to a revocation, by scope and id. */
  readonly #revocationsAt: Record<StoredRevocationScope, Map<string, number>> = byScope();
  #suspended = 0;
  /** Ids of a transmitter's revocations that are in force. */
  readonly #ofSource = new Map<string, Set<string>>();
  #revision = 0;

  /** Ids in order, for pages that go on where the last one ended. */
  readonly ids = {
    agent: new SortedIds(),
    task: new SortedIds(),
    grant: new SortedIds(),
    narrowing: new SortedIds(),
    revocation: new SortedIds(),
  };

  /** Callers waiting for a revision. */
  readonly #waiting = new Map<() => void, number>();

  /** @param cluster whose nodes share what is counted; null for a service that decides alone */
  constructor(policy: () => KnownPolicy | null, compile: CompileEntry, timers: Pick<Timers, "after">, cluster: FactsCluster | null = null) {
    this.narrowings = new Narrowings(cluster?.rate_parts);
    this.#grants = new HeldGrants(
      policy,
      compile,
      (id) => this.revoked("grant", id),
      (voice) => this.counts(voice),
      cluster?.process ?? null,
    );
    this.#timers = timers;
  }

  /** Revision of the last durable change that is in memory, as is every change before. */
  get revision(): number {
    return this.#revision;
  }

  /** Every change is made here, so that memory is never behind its source by more than a write under way. */
  readonly stale = false;
  readonly lease = null;

  /** Uses that other nodes count too are got by `SharedUses`. */
  reserve(): null {
    return null;
  }

  agent(id: string): AgentFact | undefined {
    return this.#agents.get(id);
  }

  task(id: string): TaskFact | undefined {
    return this.#tasks.get(id);
  }

  agentOf({ issuer, subject }: Credential): string | undefined {
    return this.#credentials.get(issuer)?.get(subject) ?? this.#former.get(issuer)?.get(subject);
  }

  revoked(scope: StoredRevocationScope, id: string, issued_ms = Number.MAX_VALUE): boolean {
    const cuts = this.#cuts === 0 ? undefined : this.#cut[scope].get(id);
    if (cuts === undefined) return false;
    for (const before_ms of cuts.values()) if (issued_ms < before_ms) return true;
    return false;
  }

  /** Revocations in force that are a transmitter's own; those of tokens alone where its name has `TOKENS` after it. */
  revocationsOf(source: string): number {
    return this.#ofSource.get(source)?.size ?? 0;
  }

  /** Returns the rate that narrowing leaves this agent, and how much of it is used; null if it isn't narrowed. */
  narrowed(agent: string, now_ms: number): { actions_per_minute: number; permitted: number } | null {
    return this.narrowings.size === 0 ? null : this.narrowings.left(agent, now_ms);
  }

  /** Waits a moment for a revision that isn't known yet; whether it has come. */
  reached(revision: number): Promise<boolean> {
    if (revision <= this.#revision) return Promise.resolve(true);
    return new Promise((resolve) => {
      const cancel = this.#timers.after(REACHED_WITHIN_MS, () => {
        this.#waiting.delete(arrived);
        resolve(false);
      });
      const arrived = (): void => {
        cancel();
        resolve(true);
      };
      this.#waiting.set(arrived, revision);
    });
  }

  /** Grants that name this agent or task and this type and verb, and those lately over among them. */
  grants(agent: string, task: string | null, type: string, verb: string, now_ms: number): readonly VisibleGrant[] {
    return this.#grants.of(agent, task, type, verb, now_ms);
  }

  /** Returns live approvals, as `HeldGrants.approvals` does. */
  approvals(agent: string, now_ms: number, digest: () => string): readonly VisibleGrant[] {
    return this.#grants.approvals(agent, now_ms, digest);
  }

  /** Returns true if an approval counts: its caller isn't revoked, and hasn't been since, even if that is lifted. */
  counts({ by, at }: Voice): boolean {
    if (this.revoked("caller", by)) return false;
    const since = this.revocation(revocationId({ scope: "caller", of: by }))?.since;
    return since === undefined || Date.parse(since) < Date.parse(at);
  }

  /** Returns an open approval's id, as `HeldGrants.openApproval` does. */
  openApproval(agent: string, digest: string, by: string, now_ms: number): string | undefined {
    return this.#grants.openApproval(agent, digest, by, now_ms);
  }

  /** Approvals of this agent's actions, in any state. */
  approvalsOf(agent: string): GrantFact[] {
    return this.#grants.approvalsOf(agent);
  }

  /** Facts revision of the last change to an agent or a task, or to a revocation of what is named, lifted or not; 0 before any. */
  lastChange(scope: StoredRevocationScope, id: string): number {
    const fact = scope === "agent" ? this.#agents.get(id) : scope === "task" ? this.#tasks.get(id) : undefined;
    return Math.max(fact?.revision ?? 0, this.#revocationsAt[scope].get(id) ?? 0);
  }

  /**
   * Takes one use of each of these grants, all or none, at once: from here on they are gone for every other decision.
   * @returns false where one has no use left, or is revoked, ended or unknown
   */
  take(ids: readonly string[]): boolean {
    return this.#grants.take(ids);
  }

  /**
   * Counts one permitted action of each of these agents, as far as they are narrowed; all or none.
   * @returns false where one of them has had as many within the last minute as it is left with
   */
  spend(agents: readonly string[], now_ms: number): boolean {
    return this.narrowings.spend(agents, now_ms);
  }

  /** Gives back what was taken for a decision that was never on record. */
  giveBack(ids: readonly string[]): void {
    this.#grants.giveBack(ids);
  }

  /** Returns the uses of a grant that this process has got from the others of its cluster, and that nothing has used. */
  reserved(id: string): number {
    return this.#grants.reserved(id);
  }

  /** Keeps uses from being used, as `HeldGrants.setAside` does. */
  setAside(id: string, uses: number): void {
    this.#grants.setAside(id, uses);
  }

  /** Returns how many decisions of this service rest on a grant: those on record at its start, and those since. */
  usedHere(id: string): number {
    return this.#grants.usedHere(id);
  }

  /** Counts what decisions on record used, at start. */
  count(ids: readonly string[]): void {
    this.#grants.count(ids);
  }

  grant(id: string): GrantFact | undefined {
    return this.#grants.get(id);
  }

  /** A grant as people ask about it: how it stands, how often it was used, and whether the active vocabulary has what it names. */
  grantUse(id: string, now_ms: number): ReturnType<HeldGrants["use"]> {
    return this.#grants.use(id, now_ms);
  }

  /** Counts a holder's live grants, as `HeldGrants` does. */
  liveGrantsOf(holder: GrantHolder, exact: boolean, now_ms: number): number {
    return this.#grants.liveOf(holder, exact, now_ms);
  }

  /** Counts live grants, as `HeldGrants` does. */
  liveGrants(now_ms: number): number {
    return this.#grants.live(now_ms);
  }

  revocation(id: string): RevocationFact | undefined {
    return this.#revocations.get(id);
  }

  finding(id: string): FindingFact | undefined {
    return this.#findings.get(id);
  }

  findings(): IterableIterator<FindingFact> {
    return this.#findings.values();
  }

  importState(id: string): { state: ImportState; revision: number } | undefined {
    return this.#imports.get(id);
  }

  /** Bundle that the feed of a cluster names as the active one of its name. */
  bundle(name: string): BundleFact | undefined {
    return this.#bundles.get(name);
  }

  similarAgent(id: string): string | undefined {
    return this.#similar.find(id);
  }

  agents(): IterableIterator<AgentFact> {
    return this.#agents.values();
  }

  tasks(): IterableIterator<TaskFact> {
    return this.#tasks.values();
  }

  allGrants(): Generator<GrantFact> {
    return this.#grants.all();
  }

  revocations(): IterableIterator<RevocationFact> {
    return this.#revocations.values();
  }

  get sizes(): { agents: number; tasks: number; grants: number; revocations: number } {
    return {
      agents: this.#agents.size,
      tasks: this.#tasks.size,
      grants: this.#grants.size,
      revocations: this.#revocations.size,
    };
  }

  /** Agents that may do less than they were registered for, and nothing at all, until somebody lets them. */
  get stopped(): { narrowed: number; suspended: number } {
    return { narrowed: this.narrowings.inForce, suspended: this.#suspended };
  }

  /** Returns true if a restriction of this key holds here and isn't durable. */
  isHeld(key: string): boolean {
    return this.#held.has(key);
  }

  /** Returns the store's value of a key over which a restriction is held; undefined if memory has the same. */
  durable(key: string): Json | undefined {
    return this.#held.get(key)?.value;
  }

  /** No longer holds what the key's durable value says as well. */
  release(key: string): void {
    const held = this.#held.get(key);
    if (held?.value !== undefined && held.narrow(held.value) === held.value && this.#revision >= held.ahead) this.#held.delete(key);
  }

  /** Returns the write that makes a held restriction durable; undefined if none is held. */
  owed(key: string): { expected: number; value: Json } | undefined {
    const held = this.#held.get(key);
    return held?.value === undefined ? undefined : { expected: held.revision, value: held.narrow(held.value) };
  }

  /** Returns the revision of the key's last durable change; 0 if it has none. */
  revisionOf(key: string): number {
    const held = this.#held.get(key);
    if (held !== undefined) return held.revision;
    const [kind, id] = split(key);
    switch (kind) {
      case "agent":
        return this.#agents.get(id)?.revision ?? 0;
      case "task":
        return this.#tasks.get(id)?.revision ?? 0;
      case "grant":
        return this.#grants.get(id)?.revision ?? 0;
      case "finding":
        return this.#findings.get(id)?.revision ?? 0;
      case "narrowing":
        return this.narrowings.get(id)?.revision ?? 0;
      case "revocation":
        return this.#revocations.get(id)?.revision ?? 0;
      case "bundle":
        return this.#bundles.get(id)?.facts_revision ?? 0;
      default:
        return this.#imports.get(id)?.revision ?? 0;
    }
  }

  /** Takes the next durable change; one that was taken already changes nothing. */
  apply({ key, value, revision }: Change): void {
    if (revision <= this.#revision) return;
    this.#revision = revision;
    const held = this.#held.get(key);
    if (held === undefined) this.#put(key, value, revision);
    else {
      held.value = value;
      held.revision = revision;
      const narrowed = held.narrow(value);
      // An earlier restriction of the key isn't the one that is known already: it may have been undone in between.
      if (narrowed === value && revision >= held.ahead) this.#held.delete(key);
      this.#put(key, narrowed, revision);
    }
    for (const [arrived, wanted] of this.#waiting) {
      if (wanted > revision) continue;
      this.#waiting.delete(arrived);
      arrived();
    }
  }

  /** Applies a change while memory is filled, like `apply`, but leaves out tasks that are long over. */
  load(change: Change, now_ms: number): void {
    const [kind] = split(change.key);
    if (kind === "task") {
      const { expires, ended } = change.value as unknown as TaskState;
      const over = Math.min(ms(expires), ms(ended?.at ?? null));
      if (over + OVER_KEPT_MS <= now_ms) {
        this.#revision = change.revision;
        return;
      }
    }
    this.apply(change);
  }

  /**
   * Lets something that narrows hold at once. It stays over whatever the store says of the key until that says as much.
   * @param value what the key holds durably; undefined for a key that isn't known yet, over which it holds once it is
   * @param ahead revision of the change that brings it, if that is durable already. @default 0: it isn't
   */
  hold(key: string, value: Json | undefined, narrow: (value: Json) => Json, ahead = 0): void {
    const before = this.#held.get(key);
    const held: HeldRestriction =
      before === undefined
        ? { narrow, value, revision: this.revisionOf(key), ahead }
        : { ...before, narrow: (from) => narrow(before.narrow(from)), ahead: Math.max(before.ahead, ahead) };
    this.#held.set(key, held);
    if (held.value !== undefined) this.#put(key, held.narrow(held.value), held.revision);
  }

  /**
   * Forgets what is long over.
   * @returns when the next of the tasks can be forgotten; Infinity where none ends by itself
   */
  forget(now_ms: number): number {
    let next = Infinity;
    let forgotten = false;
    for (const task of this.#tasks.values()) {
      const at = Math.min(task.expires_ms ?? Infinity, ms(task.ending?.at ?? null)) + OVER_KEPT_MS;
      if (at > now_ms) next = Math.min(next, at);
      else if (!this.#held.has(`task/${task.id}`)) {
        this.#tasks.delete(task.id);
        forgotten = true;
      }
    }
    if (forgotten) this.ids.task.keep((id) => this.#tasks.has(id));
    return next;
  }

  /** Forgets grants that are long over. */
  forgetGrants(now_ms: number): void {
    const forgotten = this.#grants.forget(now_ms, (id) => this.#held.has(`grant/${id}`));
    if (forgotten) this.ids.grant.keep((id) => this.#grants.get(id) !== undefined);
  }

  /** Forgets grants of a holder, or of all, that are over, but for so many of the latest. */
  forgetOverGrants(holder: GrantHolder | null, latest: number, now_ms: number): void {
    const forgotten = this.#grants.forgetOver(holder, latest, now_ms, (id) => this.#held.has(`grant/${id}`));
    if (forgotten) this.ids.grant.keep((id) => this.#grants.get(id) !== undefined);
  }

  /** Everything that is known, for comparing two of these. */
  dump(): unknown {
    const pairs = (of: Credentials): unknown =>
      sorted(of).flatMap(([issuer, subjects]) => sorted(subjects).map((pair) => [issuer, ...pair]));
    const sorted = <T>(map: ReadonlyMap<string, T>): [string, T][] => [...map].sort(([a], [b]) => (a < b ? -1 : 1));
    return {
      revision: this.#revision,
      agents: sorted(this.#agents),
      tasks: sorted(this.#tasks),
      grants: this.#grants.dump(),
      narrowings: [...this.narrowings.all()].sort((a, b) => (a.agent < b.agent ? -1 : 1)),
      revocations: sorted(this.#revocations),
      findings: sorted(this.#findings),
      imports: sorted(this.#imports),
      bundles: sorted(this.#bundles),
      credentials: pairs(this.#credentials),
      former: pairs(this.#former),
      cut: Object.entries(this.#cut).map(([scope, cuts]) => [scope, sorted(cuts).map(([of, ids]) => [of, sorted(ids)])]),
      cuts: this.#cuts,
      held: [...this.#held.keys()].sort(),
    };
  }

  #put(key: string, value: Json, revision: number): void {
    const [kind, id] = split(key);
    switch (kind) {
      case "agent":
        this.#putAgent(agentOfState(value as unknown as AgentState, revision, this.#shared));
        return;
      case "task":
        if (!this.#tasks.has(id)) this.ids.task.add(id);
        this.#tasks.set(id, taskOfState(value as unknown as TaskState, revision, this.#shared));
        return;
      case "grant":
        if (this.#grants.put(grantOfState(value as unknown as GrantFactState, revision))) this.ids.grant.add(id);
        return;
      case "finding":
        this.#findings.set(id, { ...(value as unknown as FindingState), revision });
        return;
      case "narrowing":
        this.#putNarrowing({ ...(value as unknown as NarrowingState), revision });
        return;
      case "revocation":
        this.#putRevocation({ ...(value as unknown as RevocationState), revision });
        return;
      case "import":
        this.#imports.set(id, { state: value as unknown as ImportState, revision });
        return;
      case "bundle":
        this.#bundles.set(id, { ...(value as unknown as BundleActivation), facts_revision: revision });
        return;
      default:
        throw new Error(`the store has a key of no known kind: ${key}`);
    }
  }

  #putAgent(agent: AgentFact): void {
    const before = this.#agents.get(agent.id);
    if (before === undefined) {
      this.#similar.add(agent.id);
      this.ids.agent.add(agent.id);
    }
    for (const { issuer, subject } of before?.credentials ?? []) {
      const subjects = this.#credentials.get(issuer);
      if (subjects?.get(subject) === agent.id) subjects.delete(subject);
      if (subjects?.size === 0) this.#credentials.delete(issuer);
    }
    this.#agents.set(agent.id, agent);
    this.#suspended += Number(agent.status === "suspended") - Number(before?.status === "suspended");
    const over = agent.status === "revoked";
    const credentials = over ? this.#former : this.#credentials;
    for (const { issuer, subject } of agent.credentials) {
      let subjects = credentials.get(issuer);
      if (subjects === undefined) credentials.set(issuer, (subjects = new Map<string, string>()));
      // Of several that had it any will do, as long as it is the same one after every start.
      const other = over ? subjects.get(subject) : undefined;
      if (other === undefined || agent.id < other) subjects.set(subject, agent.id);
    }
  }

  #putNarrowing(fact: NarrowingFact): void {
    if (this.narrowings.get(fact.agent) === undefined) this.ids.narrowing.add(fact.agent);
    this.narrowings.put(fact);
  }

  #putRevocation(revocation: RevocationFact): void {
    if (!this.#revocations.has(revocation.id)) this.ids.revocation.add(revocation.id);
    this.#revocations.set(revocation.id, revocation);
    const { id, of, lifted, before, source, revision } = revocation;
    const at = this.#revocationsAt[revocation.scope];
    at.set(of, Math.max(at.get(of) ?? 0, revision));
    const cut = this.#cut[revocation.scope];
    this.#cuts -= cut.size;
    const cuts = cut.get(of) ?? new Map<string, number>();
    if (lifted === null) cut.set(of, cuts.set(id, before === undefined ? Infinity : Date.parse(before)));
    else if (cuts.delete(id) && cuts.size === 0) cut.delete(of);
    this.#cuts += cut.size;
    if (source === undefined) return;
    // Those of tokens alone apart: so many logouts must not stand before a suspension.
    const counted = before === undefined ? source : `${source}${TOKENS}`;
    const own = this.#ofSource.get(counted) ?? new Set<string>();
    this.#ofSource.set(counted, own);
    if (lifted === null) own.add(id);
    else own.delete(id);
  }
}

/** Issuer → subject → agent. */
type Credentials = Map<string, Map<string, string>>;

/** Infinity for what never comes. */
function byScope<T>(): Record<StoredRevocationScope, Map<string, T>> {
  const each = (): Map<string, T> => new Map();
  return {
    agent: each(),
    task: each(),
    token: each(),
    purpose: each(),
    owner: each(),
    principal: each(),
    grant: each(),
    caller: each(),
    everything: each(),
  };
}

function ms(time: string | null): number {
  return time === null ? Infinity : Date.parse(time);
}

/** Kind and id of a key. */
export function split(key: string): [kind: string, id: string] {
  const slash = key.indexOf("/");
  return [key.slice(0, slash), key.slice(slash + 1)];
}
