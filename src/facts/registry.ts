/**
 * Who may act now, in memory and by key: what decisions look up. Kept in step by the store's feed, one change at a time. Facts
 * are replaced, never changed in place; only how often a grant was used is counted where it stands.
 */
import type {
  AgentState,
  Condition,
  Credential,
  FindingState,
  GrantFactState,
  InputGrant,
  NarrowingState,
  RevocationState,
  TaskState,
  Vocabulary,
} from "../contract/index.js";
import type { Change, Json } from "../store/store.js";
import type { Timers } from "../system/index.js";
import {
  agentOfState,
  grantOfState,
  taskOfState,
  type AgentFact,
  type FindingFact,
  type GrantFact,
  type ImportState,
  type NarrowingFact,
  type RevocationFact,
  type TaskFact,
} from "./entities.js";
import { Narrowings } from "./narrowings.js";
import { Shared } from "./share.js";
import { SimilarIds } from "./similar.js";
import { SortedIds } from "./sorted_ids.js";

export type RevocationScope = RevocationState["scope"];

export type GrantState = "live" | "not_yet_valid" | "expired" | "used_up" | "revoked" | "ended";

/** A grant as a decision sees it. */
export interface Grant {
  readonly state: GrantState;
  readonly input: InputGrant;
  /** Whether uses of it are counted. */
  readonly counted: boolean;
  readonly expires_ms: number;
}

/** An entry of a grant for one vocabulary. */
export interface CompiledEntry {
  /** Type → verbs. */
  covers: ReadonlyMap<string, ReadonlySet<string>>;
  about: "task" | "other" | "any";
  when: Condition[];
}

/** Why an entry is not acceptable. `field` is a JSON pointer into it. */
export interface EntryError {
  field: string;
  expected: string;
}

/** Compiles an entry as purposes write it. */
export type CompileEntry = (entry: Record<string, unknown>, vocabulary: Vocabulary) => CompiledEntry | EntryError;

/** What facts are checked against: of the active bundle. */
export interface KnownPolicy {
  readonly vocabulary: Vocabulary;
  readonly purposes: ReadonlyMap<string, unknown>;
}

/** What is asked about facts to check others against them: the registry, and an import's lines laid over it. */
export interface Known {
  agent(id: string): AgentFact | undefined;
  task(id: string): TaskFact | undefined;
  grant(id: string): GrantFact | undefined;
  /** Whose credential this is, or was: an agent that is no more keeps its own until another is given them. */
  agentOf(subject: Credential): string | undefined;
  /** Another agent, past ones too, whose id could be taken for this one. */
  similarAgent(id: string): string | undefined;
  revoked(scope: RevocationScope, id: string): boolean;
}

/** What a change in memory is told of. `revision` is null for what holds and isn't durable yet. */
export type Notice = Omit<Change, "revision"> & { revision: number | null };

/** Kept so long after their end, so that a late question hears how they ended and not that they are unknown. */
export const OVER_KEPT_MS = 3_600_000;
/** Grants longer, so that the unused ones can be found. */
export const GRANTS_KEPT_MS = 30 * 24 * 3_600_000;

/** A revision that a decision must have seen is waited for so long. */
const REACHED_WITHIN_MS = 50;

const NO_GRANTS: readonly Grant[] = [];

interface HeldGrant {
  fact: GrantFact;
  used: number;
  /** The last view of it; replaced where its state is another, so that equal views are one object. */
  view: Grant | null;
  compiled: { vocabulary: Vocabulary; entry: CompiledEntry | null; input: InputGrant } | null;
}

/** What holds in memory before it is durable: laid over the key's durable value, until that says the same. */
interface Held {
  /** Gives back the very value where that is as narrow already. */
  narrow: (value: Json) => Json;
  /** What the store has. */
  value: Json;
  revision: number;
}

export class Registry implements Known {
  readonly #policy: () => KnownPolicy | null;
  readonly #compile: CompileEntry;
  readonly #timers: Pick<Timers, "after">;
  readonly #shared = new Shared();
  readonly #held = new Map<string, Held>();
  readonly #agents = new Map<string, AgentFact>();
  readonly #tasks = new Map<string, TaskFact>();
  readonly #grants = new Map<string, HeldGrant>();
  readonly #revocations = new Map<string, RevocationFact>();
  readonly narrowings = new Narrowings();
  readonly #findings = new Map<string, FindingFact>();
  readonly #imports = new Map<string, { state: ImportState; revision: number }>();
  readonly #similar = new SimilarIds();
  readonly #credentials: Credentials = new Map();
  /** Those of agents that are no more: a token that names one as an earlier actor must not pass for one that names nobody. */
  readonly #former: Credentials = new Map();
  readonly #grantsOfAgent = new Map<string, HeldGrant[]>();
  readonly #grantsOfTask = new Map<string, HeldGrant[]>();
  /** What is cut off now, by scope. */
  readonly #cut: Record<RevocationScope, Set<string>> = {
    agent: new Set(),
    task: new Set(),
    token: new Set(),
    purpose: new Set(),
    owner: new Set(),
    grant: new Set(),
    everything: new Set(),
  };
  #cuts = 0;
  #revision = 0;
  #version = 0;

  /** Ids in order, for pages that go on where the last one ended. */
  readonly ids = {
    agent: new SortedIds(),
    task: new SortedIds(),
    grant: new SortedIds(),
    narrowing: new SortedIds(),
    revocation: new SortedIds(),
  };

  /** Who waits for which revision. */
  readonly #waiting = new Map<() => void, number>();

  constructor(policy: () => KnownPolicy | null, compile: CompileEntry, timers: Pick<Timers, "after">) {
    this.#policy = policy;
    this.#compile = compile;
    this.#timers = timers;
  }

  /** Of the last durable change that is in memory, and with it every one before. */
  get revision(): number {
    return this.#revision;
  }

  /**
   * Rises with every change in memory, durable or not: whoever has looked facts up compares it to know whether they moved. It
   * differs from `revision`, which stands still while a revocation holds and has no number yet.
   */
  get version(): number {
    return this.#version;
  }

  /** Every change is made here, so that memory is never behind its source by more than a write under way. */
  readonly stale = false;

  agent(id: string): AgentFact | undefined {
    return this.#agents.get(id);
  }

  task(id: string): TaskFact | undefined {
    return this.#tasks.get(id);
  }

  agentOf({ issuer, subject }: Credential): string | undefined {
    return this.#credentials.get(issuer)?.get(subject) ?? this.#former.get(issuer)?.get(subject);
  }

  revoked(scope: RevocationScope, id: string): boolean {
    return this.#cuts > 0 && this.#cut[scope].has(id);
  }

  /** What narrowing leaves this agent with, and how much of that it has had; null where it isn't narrowed. */
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

  /**
   * Grants that name this agent or task and this type and verb, or the action by its digest, and those lately over among them.
   */
  grants(
    agent: string,
    task: string | null,
    type: string,
    verb: string,
    now_ms: number,
    digest: string,
  ): readonly Grant[] {
    const ofAgent = this.#grantsOfAgent.get(agent);
    const ofTask = task === null ? undefined : this.#grantsOfTask.get(task);
    if (ofAgent === undefined && ofTask === undefined) return NO_GRANTS;
    const found: Grant[] = [];
    for (const grants of [ofAgent, ofTask]) {
      for (const grant of grants ?? []) {
        if (grant.fact.over_ms + OVER_KEPT_MS <= now_ms || !this.#covers(grant, type, verb, digest)) continue;
        found.push(this.#view(grant, now_ms));
      }
    }
    return found;
  }

  /**
   * Takes one use of each of these grants, all or none, at once: from here on they are gone for every other decision.
   * @returns false where one has no use left, or is revoked, ended or unknown
   */
  take(ids: readonly string[]): boolean {
    for (const [i, id] of ids.entries()) {
      const grant = this.#grants.get(id);
      if (
        grant === undefined ||
        this.revoked("grant", id) ||
        grant.fact.value.ended !== null ||
        usesLeft(grant) === 0
      ) {
        this.giveBack(ids.slice(0, i));
        return false;
      }
      grant.used++;
    }
    return true;
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
    for (const id of ids) {
      const grant = this.#grants.get(id);
      if (grant !== undefined && grant.used > 0) grant.used--;
    }
  }

  /** Counts what decisions on record used, at start. */
  count(ids: readonly string[]): void {
    for (const id of ids) {
      const grant = this.#grants.get(id);
      if (grant !== undefined) grant.used++;
    }
  }

  grant(id: string): GrantFact | undefined {
    return this.#grants.get(id)?.fact;
  }

  /** A grant as people ask about it: how it stands, how often it was used, and whether the active vocabulary has what it names. */
  grantUse(id: string, now_ms: number): { state: GrantState; used: number; fits: boolean } | undefined {
    const grant = this.#grants.get(id);
    if (grant === undefined) return undefined;
    const fits = grant.fact.value.entry === null || this.#compiled(grant).entry !== null;
    return { state: this.#state(grant, now_ms), used: grant.used, fits };
  }

  grantsOf(holder: "agent" | "task", id: string): number {
    return (holder === "agent" ? this.#grantsOfAgent : this.#grantsOfTask).get(id)?.length ?? 0;
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

  similarAgent(id: string): string | undefined {
    return this.#similar.find(id);
  }

  agents(): IterableIterator<AgentFact> {
    return this.#agents.values();
  }

  tasks(): IterableIterator<TaskFact> {
    return this.#tasks.values();
  }

  *allGrants(): Generator<GrantFact> {
    for (const { fact } of this.#grants.values()) yield fact;
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

  /** Whether something that narrows holds here and isn't durable. */
  isHeld(key: string): boolean {
    return this.#held.has(key);
  }

  /** What the store has of a key over which something is held; undefined where memory has the same. */
  durable(key: string): Json | undefined {
    return this.#held.get(key)?.value;
  }

  /** No longer holds what the key's durable value says as well. */
  release(key: string): void {
    const held = this.#held.get(key);
    if (held !== undefined && held.narrow(held.value) === held.value) this.#held.delete(key);
  }

  /** What has to be written so that what is held is durable; undefined where nothing is held. */
  owed(key: string): { expected: number; value: Json } | undefined {
    const held = this.#held.get(key);
    return held && { expected: held.revision, value: held.narrow(held.value) };
  }

  /** The revision of the key's last durable change, 0 where there is none. */
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
        return this.#grants.get(id)?.fact.revision ?? 0;
      case "finding":
        return this.#findings.get(id)?.revision ?? 0;
      case "narrowing":
        return this.narrowings.get(id)?.revision ?? 0;
      case "revocation":
        return this.#revocations.get(id)?.revision ?? 0;
      default:
        return this.#imports.get(id)?.revision ?? 0;
    }
  }

  /** Takes the next durable change; one that was taken already changes nothing. */
  apply({ key, value, revision }: Change): void {
    if (revision <= this.#revision) return;
    this.#revision = revision;
    this.#version++;
    const held = this.#held.get(key);
    if (held === undefined) this.#put(key, value, revision);
    else {
      held.value = value;
      held.revision = revision;
      const narrowed = held.narrow(value);
      if (narrowed === value) this.#held.delete(key);
      this.#put(key, narrowed, revision);
    }
    for (const [arrived, wanted] of this.#waiting) {
      if (wanted > revision) continue;
      this.#waiting.delete(arrived);
      arrived();
    }
  }

  /** As `apply`, while memory is filled: what is long over is left out. */
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
   * @param value what the key holds durably
   */
  hold(key: string, value: Json, narrow: (value: Json) => Json): void {
    const before = this.#held.get(key);
    const held: Held =
      before === undefined
        ? { narrow, value, revision: this.revisionOf(key) }
        : { ...before, narrow: (from) => narrow(before.narrow(from)) };
    this.#held.set(key, held);
    this.#version++;
    this.#put(key, held.narrow(held.value), held.revision);
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
    let forgotten = false;
    for (const grant of this.#grants.values()) {
      if (grant.fact.over_ms + GRANTS_KEPT_MS > now_ms || this.#held.has(`grant/${grant.fact.value.id}`)) continue;
      this.#grants.delete(grant.fact.value.id);
      this.#index(grant, false);
      forgotten = true;
    }
    if (forgotten) this.ids.grant.keep((id) => this.#grants.has(id));
  }

  /** Everything that is known, for comparing two of these. */
  dump(): unknown {
    const pairs = (of: Credentials): unknown => sorted(of).flatMap(([issuer, subjects]) => sorted(subjects).map((pair) => [issuer, ...pair])); // prettier-ignore
    const sorted = <T>(map: ReadonlyMap<string, T>): [string, T][] => [...map].sort(([a], [b]) => (a < b ? -1 : 1));
    return {
      revision: this.#revision,
      agents: sorted(this.#agents),
      tasks: sorted(this.#tasks),
      grants: sorted(this.#grants).map(([id, { fact, used }]) => [id, fact, used]),
      narrowings: [...this.narrowings.all()].sort((a, b) => (a.agent < b.agent ? -1 : 1)),
      revocations: sorted(this.#revocations),
      findings: sorted(this.#findings),
      imports: sorted(this.#imports),
      credentials: pairs(this.#credentials),
      former: pairs(this.#former),
      cut: Object.entries(this.#cut).map(([scope, ids]) => [scope, [...ids].sort()]),
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
        this.#putGrant(grantOfState(value as unknown as GrantFactState, revision));
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

  #putGrant(fact: GrantFact): void {
    const before = this.#grants.get(fact.value.id);
    if (before !== undefined) {
      before.fact = fact;
      before.view = null;
      return;
    }
    const grant: HeldGrant = { fact, used: 0, view: null, compiled: null };
    this.#grants.set(fact.value.id, grant);
    this.ids.grant.add(fact.value.id);
    this.#index(grant, true);
  }

  #index(grant: HeldGrant, there: boolean): void {
    const { agent, task } = grant.fact.value;
    const [index, id] = agent === null ? [this.#grantsOfTask, task ?? ""] : [this.#grantsOfAgent, agent];
    const others = (index.get(id) ?? []).filter((other) => other !== grant);
    if (there) others.push(grant);
    if (others.length === 0) index.delete(id);
    else index.set(id, others);
  }

  #putNarrowing(fact: NarrowingFact): void {
    if (this.narrowings.get(fact.agent) === undefined) this.ids.narrowing.add(fact.agent);
    this.narrowings.put(fact);
  }

  #putRevocation(revocation: RevocationFact): void {
    if (!this.#revocations.has(revocation.id)) this.ids.revocation.add(revocation.id);
    this.#revocations.set(revocation.id, revocation);
    const cut = this.#cut[revocation.scope];
    this.#cuts -= cut.size;
    if (revocation.lifted === null) cut.add(revocation.of);
    else cut.delete(revocation.of);
    this.#cuts += cut.size;
  }

  #covers(grant: HeldGrant, type: string, verb: string, digest: string): boolean {
    const { action_digest } = grant.fact.value;
    if (action_digest !== null) return action_digest === digest;
    return this.#compiled(grant).entry?.covers.get(type)?.has(verb) === true;
  }

  #compiled(grant: HeldGrant): NonNullable<HeldGrant["compiled"]> {
    const vocabulary = this.#policy()?.vocabulary ?? NO_VOCABULARY;
    if (grant.compiled?.vocabulary === vocabulary) return grant.compiled;
    const { id, entry: text, action_digest } = grant.fact.value;
    const made = text === null ? null : this.#compile(text, vocabulary);
    // What no longer fits the vocabulary in force permits nothing.
    const entry = made === null || "field" in made ? null : made;
    const input = { id, exact: action_digest !== null, about: entry?.about ?? "any", when: entry?.when ?? [] };
    grant.view = null;
    return (grant.compiled = { vocabulary, entry, input });
  }

  #view(grant: HeldGrant, now_ms: number): Grant {
    const state = this.#state(grant, now_ms);
    const { input } = this.#compiled(grant);
    if (grant.view?.state === state) return grant.view;
    const { value, expires_ms } = grant.fact;
    return (grant.view = { state, input, counted: value.uses !== null, expires_ms });
  }

  #state(grant: HeldGrant, now_ms: number): GrantState {
    const { value, not_before_ms, expires_ms } = grant.fact;
    if (this.revoked("grant", value.id)) return "revoked";
    if (value.ended !== null) return "ended";
    if (now_ms < not_before_ms) return "not_yet_valid";
    if (now_ms >= expires_ms) return "expired";
    return usesLeft(grant) === 0 ? "used_up" : "live";
  }
}

/** Issuer → subject → agent. */
type Credentials = Map<string, Map<string, string>>;

const NO_VOCABULARY: Vocabulary = {
  verbs: {},
  task: { subjects: [], attributes: {} },
  agent: { attributes: {} },
  types: {},
};

function usesLeft({ fact, used }: HeldGrant): number | null {
  const { uses } = fact.value;
  return uses === null ? null : Math.max(0, uses - used);
}

/** Infinity for what never comes. */
function ms(time: string | null): number {
  return time === null ? Infinity : Date.parse(time);
}

/** Kind and id of a key. */
export function split(key: string): [kind: string, id: string] {
  const slash = key.indexOf("/");
  return [key.slice(0, slash), key.slice(slash + 1)];
}
