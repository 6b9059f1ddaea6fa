/** Ports to what a decision needs from the rooms around it. The rooms implement these and don't know each other. */
import type {
  Act,
  ActOutcome,
  Answer,
  Assessment,
  Catalogue,
  DecisionRecord,
  FlowFactsInput,
  InputGrant,
  PolicyIdentity,
  PolicyInput,
  Purpose,
  Returned,
  Scope,
  SeenRecord,
  TaskPlan,
  Value,
  Values,
  Vocabulary,
  Zone,
} from "../contract/index.js";

/** Subject that a token names, by its issuer (RFC 7519, sections 4.1.1 and 4.1.2). */
export interface TokenSubject {
  issuer: string;
  subject: string;
}

/** Parts of a verified token that outlive its verification. */
export interface TokenUse {
  /** RFC 7519, section 4.1.7: by this it can be revoked; null where it can't. */
  jti: string | null;
  /** Milliseconds since the epoch. */
  issued_ms: number | null;
  expires_ms: number;
}

/** Caller of the service: an enforcement point, a registrar, a publisher. Proven by its token. */
export interface Caller {
  id: string;
  scopes: ReadonlySet<Scope>;
  token: TokenUse;
  /** Milliseconds since the epoch of the sign-in that its token says it comes from (`auth_time`). Left out: the token doesn't say. */
  signed_in_ms?: number;
}

/** Proof from an agent's token (RFC 8693, section 4.1). */
export interface AgentProof {
  /** Party that acts: the outermost actor, or the subject if the token names no actor. */
  actor: TokenSubject;
  /** Party that it acts for: the subject, if the token names an actor. If that is an agent here, it counts as one of `chain`. */
  principal: TokenSubject | null;
  /** Earlier actors, the nearest first. They never permit; one that is an agent here and may not act itself refuses. */
  chain: readonly TokenSubject[];
  token: TokenUse;
}

/** Proof from a task token that the host gave this task. */
export interface TaskProof {
  task: string;
  agent: string;
  purpose: string;
  token: TokenUse;
}

export interface Identity {
  /**
   * Returns the caller that the `Authorization` header proves, with at least `scope`; at once if the token or its key is at hand.
   * @throws Problem `token_missing`, `token_invalid`, `token_expired` (401), `scope_missing` (403)
   */
  authenticate(authorization: string | undefined, scope: Scope): Caller | Promise<Caller>;
  /** Returns true if this caller may ask for this agent and purpose; a floor row. */
  mayAskFor(caller: Caller, agent: string, purpose: string): boolean;
  /** @throws Problem `token_invalid`, `token_expired`, naming `/agent_token` */
  agentProof(token: string): AgentProof | Promise<AgentProof>;
  /** @throws Problem `token_invalid`, `token_expired`, naming `/task_token` */
  taskProof(token: string): TaskProof;
}

export interface Agent {
  id: string;
  version: string;
  owner: string;
  purposes: ReadonlySet<string>;
  attributes: Readonly<Record<string, Value>>;
  /** `revoked`: ended for good. A revocation, which can be lifted, stands beside it. */
  status: "active" | "suspended" | "revoked";
  /** Milliseconds since the epoch: a token issued before is not this agent's. */
  registered_ms: number;
  /** True if it must prove itself with each action. */
  token_required: boolean;
}

export interface Task {
  id: string;
  agent: string;
  purpose: string;
  /** The task it was handed on from; a decision on it is evaluated for that one too. */
  parent: string | null;
  /** The person it is done for. */
  principal: string | null;
  subjects: Readonly<Record<string, readonly string[]>>;
  attributes: Readonly<Record<string, Value>>;
  /** Null: every verb. */
  verbs: ReadonlySet<string> | null;
  /** True if the nodes of a cluster share what it has seen. */
  watched?: boolean;
  /** Calls that it is for, and where their arguments come from; of the first task of a chain alone. */
  plan?: TaskPlan;
  /** Milliseconds since the epoch; null: it ends when it is ended. */
  expires_ms: number | null;
  ended: boolean;
}

/** Scope of a revocation. `everything` has one id, the empty one. */
export type RevocationScope = "agent" | "task" | "token" | "purpose" | "owner" | "principal" | "grant" | "caller" | "everything";

export type GrantState = "live" | "not_yet_valid" | "expired" | "used_up" | "revoked" | "ended";

/** A grant that names an action's agent or task, its type and verb; or an approval of the action. */
export interface Grant {
  state: GrantState;
  input: InputGrant;
  /** True if uses of it are counted. */
  counted: boolean;
  /** Milliseconds since the epoch. */
  expires_ms: number;
}

/** Actions that a narrowed agent is left with: this many, each of which reads what its task is about. */
export interface Narrowed {
  actions_per_minute: number;
  /** Number of its actions, and of those done on its behalf, that were permitted within the last minute. */
  permitted: number;
}

/** Time within which answers on some facts may leave. */
export interface AnswerTime {
  /** Milliseconds until it is over; negative after. */
  readonly left_ms: number;
}

export interface Facts {
  /** Revision of the last change that is durable; an answer names the one it was decided on. */
  readonly revision: number;
  /** True where what is in memory may be older than its source says it can be. */
  readonly stale: boolean;
  /** Time for answers on what is in memory now; null if they are bounded by nothing here. */
  readonly lease: AnswerTime | null;
  agent(id: string): Agent | undefined;
  task(id: string): Task | undefined;
  /** Returns the agent that has these credentials, or had them: an agent that is no more keeps its own until another is given them. */
  agentOf(subject: TokenSubject): string | undefined;
  /** @param issued_ms of a token: it is revoked as well where that was before those of `id` were cut off */
  revoked(scope: RevocationScope, id: string, issued_ms?: number): boolean;
  /** Null where this agent isn't narrowed. */
  narrowed(agent: string, now_ms: number): Narrowed | null;
  /** Waits a moment for a revision that isn't known yet; whether it has come. */
  reached(revision: number): Promise<boolean>;
  /** Grants of this agent or task that name the type and the verb, in any state; one that is not live is there to be named in a reason. */
  grants(agent: string, task: string | null, type: string, verb: string, now_ms: number): readonly Grant[];
  /**
   * Live approvals of one action of this agent.
   * @param digest returns the approval digest that they have to be for; called only if the agent has any
   */
  approvals(agent: string, now_ms: number, digest: () => string): readonly Grant[];
  /** Facts revision of the last change to an agent or a task, or to a revocation of what is named, lifted or not; 0 before any. */
  lastChange(scope: RevocationScope, id: string): number;
  /**
   * Gets uses of these grants that other nodes of a cluster count too, so that they can be taken here.
   * @returns null if they can be taken in this turn. Once it resolves the action has to be attempted again: another may have had the last one
   * @throws Problem `grant_uncounted` later
   */
  reserve(grants: readonly string[]): Promise<void> | null;
  /**
   * Takes one use of each of these grants, all or none, at once: from here on they are gone for every other decision.
   * @returns false where one has no use left
   */
  take(grants: readonly string[]): boolean;
  /**
   * Counts one permitted action of each of these agents, as far as they are narrowed; all or none.
   * @returns false where one of them has had as many within the last minute as it is left with
   */
  spend(agents: readonly string[], now_ms: number): boolean;
  /** Gives back what was taken for a decision that was never on record. */
  giveBack(grants: readonly string[]): void;
}

/**
 * Result of an evaluation, or the code of its failure: `evaluation_budget` if it needed more fuel than it may use. A caller never learns
 * more; `detail` is for the operator's log. `fuel` is what it used, if that is known.
 */
export type Evaluation =
  | { ok: true; result: unknown; fuel: number }
  | { ok: false; code: "evaluation_failed" | "evaluation_budget"; detail: string; fuel?: number };

/** A verified bundle that runs. One decision uses one of these from start to end. */
export interface ActivePolicy {
  readonly identity: PolicyIdentity;
  readonly vocabulary: Vocabulary;
  readonly purposes: ReadonlyMap<string, Purpose>;
  readonly catalogue: Catalogue;
  /** Zones that hours are in, by their IANA names; left out, local time is that of UTC. */
  readonly zones?: Readonly<Record<string, Zone>>;
  /** Milliseconds since the epoch from which on it may not decide; null: never. */
  readonly expires_ms: number | null;
  /** Evaluates in place, bounded by fuel. @param input the JSON text of a `PolicyInput`, serialised by us */
  evaluate(input: string): Evaluation;
}

export interface Engine {
  /** Null until a verified bundle is active. */
  readonly active: ActivePolicy | null;
}

/** Action whose values are looked up. */
export interface FlowQuestion {
  vocabulary: Vocabulary;
  purpose: Purpose | undefined;
  request: PolicyInput["request"];
  /** The topmost task of the chain; null: the action is on no task. */
  root: { id: string; agent: string; attributes: Readonly<Values>; plan?: TaskPlan; watched?: boolean } | null;
  agent: { owner: string; attributes: Readonly<Values> };
  now_ms: number;
}

export interface FlowAnswered<Note extends object = object> {
  facts: FlowFactsInput;
  /** Kept of the action once it is permitted; null: nothing. */
  note: Note | null;
  /** Shared history of the nodes of a cluster, which the action rests on and which is not known yet. @default all is known */
  shared?: {
    /** Reads it, once earlier actions of this node on it have ended. @throws Problem `history_unavailable` */
    open(decisionId: string): Promise<ActionHistory<Note>>;
  } | null;
}

/** History that one action rests on, as it was when it was read. */
export interface ActionHistory<Note extends object = object> {
  /** Id of the decision that it is read for: what that one has written is left out of it. */
  readonly id: string;
  ask(question: FlowQuestion): FlowAnswered<Note>;
  /** Returns whether what the action adds is written, and nobody has changed what it rests on. */
  holds(note: Note): boolean;
  /** Writes what the action adds if nobody has changed what it rests on; else reads that again. @throws Problem `history_unavailable` */
  write(note: Note): Promise<void>;
  /** Lets others have their turn. What was written and not permitted is taken back. */
  end(): void;
}

/** Sources of the values of actions. `Note` is kept of an action once it is permitted. */
export interface ValueFlow<Note extends object = object> {
  /** Returns the facts that a policy sees. Changes nothing. */
  ask(question: FlowQuestion): FlowAnswered<Note>;
  /**
   * Notes an action that is permitted, or has happened: its answer may hold anything until it is reported.
   * @param seen what it returned, where it is reported with the action itself @default not reported
   */
  permitted(decisionId: string, note: Note, seen?: SeenRecord): void;
  /** Returns the record's member for what an action has returned; null: nobody remembers it. Changes nothing. */
  seenIn(decisionId: string, note: Note, returned: Returned): SeenRecord | null;
  /** Takes back an action that was permitted and never was on record. */
  notMade(decisionId: string): void;
  /** Resolves when all nodes of a cluster know what has happened so far, or can't be told. @default at once: a service alone */
  known?(): Promise<void>;
}

/** Labels that a task loses. That widens what is permitted on it, so it is done in the turn of its record and undone if that fails. */
export interface Lowering {
  lower(): void;
  restore(): void;
}

/** Receives the outcomes of calls. */
export interface FlowOutcomes {
  /** Takes up a decision of an earlier process, by its record. @default it is known from the records */
  recall?(record: DecisionRecord): void;
  /** Takes in what a call returned, in the turn in which its record is handed over. @returns the record's member; null: nothing awaits it */
  returned(decisionId: string, returned: Returned): object | null;
  /** Returns the labels that the task loses by a call that did what it was for; null: none. Asked before what it returned is taken in. */
  done(decisionId: string): Lowering | null;
  /** The call was not made. */
  notMade(decisionId: string): void;
  /** The outcome's record is on disk: resolves once all nodes know what it says. @default they know it at once */
  settle?(decisionId: string): Promise<void>;
  /** The outcome's record is not on disk. */
  discard?(decisionId: string): void;
}

/** Text that is too large for a record: it stands beside the records, and the record names its digest. */
export interface Beside {
  /** `sha256:` and hex, of `text`. */
  digest: string;
  /** Canonical JSON. */
  text: string;
}

export interface Log {
  /**
   * Appends one record and resolves when it is on disk. The log adds `seq`, in its place: a record is canonical (RFC 8785).
   * @param before the record's members that come before `seq`, as JSON text without the enclosing brace
   * @param after those that come after it
   * @throws Problem `log_unavailable` or `log_backlog` (503): the record is not on disk, and nothing may be answered
   */
  append(before: string, after: string, beside?: Beside): Promise<void>;
}

/** The log as decisions see it, which have to know in the same turn whether it takes them. */
export interface DecisionLog extends Log {
  /** Number of the last record that was accepted. `append` moves it at once, or doesn't accept the record. */
  readonly seq: number;
}

/**
 * Profile of each agent's baseline, which measures how far an action is from it. Deterministic: its results follow from what it has
 * received, in order, and the times in that; it reads no clock.
 */
export interface Profile {
  /** Oddness of this after all that was learned so far. Changes nothing. The same object where nothing is odd. */
  assess(act: Act): Assessment;
  /** Learns what was decided, in the order in which it is on record. */
  learn(act: Act, outcome: ActOutcome): void;
}

/** The profile that a service keeps: what it has learned is what its records say. */
export interface KeptProfile extends Profile {
  /** True if it learns. If it doesn't, records have nothing about it. */
  readonly learns: boolean;
  /** False while it is rebuilt from the records: nothing is decided by its results then. */
  readonly ready: boolean;
  /** Reports that something that it has learned isn't on record: it has to be rebuilt. */
  unrecorded(): void;
}

/** Parts of a record that may contain masked values. */
export interface Maskable {
  answer: Answer;
  /** JSON texts: what the policy was asked of each task of the chain, or `floored`, what the floor read of each. */
  levels: readonly string[];
  floored: boolean;
  request: PolicyInput["request"];
  proof: AgentProof | null;
}

export interface Masked extends Omit<Maskable, "floored"> {
  /** JSON pointers into the record, of what was replaced; sorted. */
  pointers: readonly string[];
}

export interface Masks {
  /** Returns true if what is masked can be recorded at this time. */
  isReady(now_ms: number): boolean;
  /**
   * Returns the names that the record of an action will have in place of its own.
   * @throws Problem `log_unavailable` (503)
   */
  names(policy: Pick<ActivePolicy, "vocabulary" | "catalogue">, now_ms: number, names: NamesOfAct): NamesOfAct;
  /**
   * Returns what is written in place of a record's parts; nothing is masked in what the policy sees, nor in what is answered.
   * @throws Problem `log_unavailable` (503) if it can't be masked now
   */
  mask(policy: Pick<ActivePolicy, "vocabulary" | "catalogue">, now_ms: number, record: Maskable): Masked;
}

export type { PolicyInput };

/** Names that the record of an action will have, in place of its own if the bundle masks them. */
export type NamesOfAct = Pick<Act, "type" | "id" | "session" | "source">;
