/** Facts as they are in memory, and as the store and the records have them. */
import type {
  AgentState,
  BundleActivation,
  Credential,
  Ended,
  FindingState,
  GrantFactState,
  NarrowingState,
  RevocationState,
  TaskPlan,
  TaskState,
  Value,
} from "../contract/index.js";
import type { Shared } from "./share.js";

export interface AgentFact {
  readonly id: string;
  readonly version: string;
  readonly name: string | null;
  readonly owner: string;
  readonly purposes: ReadonlySet<string>;
  readonly delegates: ReadonlySet<string>;
  readonly attributes: Readonly<Record<string, Value>>;
  readonly credentials: readonly Credential[];
  readonly status: "active" | "suspended" | "revoked";
  readonly token_required: boolean;
  /** When its id was registered. */
  readonly since_ms: number;
  /** When a credential was last given to it, or it was registered: a token issued before is not this agent's. */
  readonly registered_ms: number;
  readonly revision: number;
}

export interface TaskFact {
  readonly id: string;
  readonly agent: string;
  readonly purpose: string;
  readonly parent: string | null;
  readonly principal: string | null;
  readonly subjects: Readonly<Record<string, readonly string[]>>;
  readonly attributes: Readonly<Record<string, Value>>;
  readonly verbs: ReadonlySet<string> | null;
  readonly plan?: TaskPlan;
  readonly lowered?: NonNullable<TaskState["lowered"]>;
  readonly watched?: true;
  readonly expires_ms: number | null;
  readonly ended: boolean;
  readonly ending: Ended | null;
  readonly revision: number;
}

export interface RevocationFact extends RevocationState {
  readonly revision: number;
}

export interface NarrowingFact extends NarrowingState {
  readonly revision: number;
}

/** Activation of a bundle, whose own `revision` is the bundle's. */
export interface BundleFact extends BundleActivation {
  readonly facts_revision: number;
}

/** Person's verdict on a finding. */
export interface FindingFact extends FindingState {
  readonly revision: number;
}

export interface GrantFact {
  readonly value: GrantFactState;
  readonly not_before_ms: number;
  readonly expires_ms: number;
  /** When it expires, or ended before. */
  readonly over_ms: number;
  readonly revision: number;
}

/** Progress of an import. */
export interface ImportState {
  id: string;
  /** `sha256:` + hex of what is imported. */
  digest: string;
  /** Facts in it, and how many of them are in force. */
  total: number;
  done: number;
  created: number;
  changed: number;
}

export const iso = (ms: number): string => new Date(ms).toISOString();
/** Parses the time of a text that was checked, or written here. */
const moment = (text: string): number => Date.parse(text);

export function agentOfState(state: AgentState, revision: number, shared: Shared): AgentFact {
  return {
    id: state.id,
    version: shared.text(state.version),
    name: state.name,
    owner: shared.text(state.owner),
    purposes: shared.set(state.purposes),
    delegates: shared.set(state.delegates),
    attributes: shared.value(state.attributes as Record<string, Value>),
    credentials:
      state.credentials.length === 0
        ? NO_CREDENTIALS
        : state.credentials.map(({ issuer, subject }) => ({ issuer: shared.text(issuer), subject })),
    status: state.status,
    token_required: state.token === "required",
    since_ms: moment(state.registered),
    registered_ms: moment(state.bound),
    revision,
  };
}
const NO_CREDENTIALS: readonly Credential[] = [];

export function stateOfAgent(agent: AgentFact): AgentState {
  return {
    id: agent.id,
    version: agent.version,
    name: agent.name,
    owner: agent.owner,
    purposes: [...agent.purposes],
    delegates: [...agent.delegates],
    attributes: agent.attributes,
    credentials: [...agent.credentials],
    token: agent.token_required ? "required" : "optional",
    status: agent.status,
    registered: iso(agent.since_ms),
    bound: iso(agent.registered_ms),
  };
}

export function taskOfState(state: TaskState, revision: number, shared: Shared): TaskFact {
  return {
    id: state.id,
    agent: shared.text(state.agent),
    purpose: shared.text(state.purpose),
    parent: state.parent,
    principal: state.principal,
    subjects: Object.keys(state.subjects).length === 0 ? shared.value({}) : state.subjects,
    attributes: shared.value(state.attributes as Record<string, Value>),
    verbs: state.verbs === null ? null : shared.set(state.verbs),
    ...(state.plan !== undefined && { plan: state.plan }),
    ...(state.lowered !== undefined && { lowered: state.lowered }),
    ...(state.watched !== undefined && { watched: state.watched }),
    expires_ms: state.expires === null ? null : moment(state.expires),
    ended: state.ended !== null,
    ending: state.ended,
    revision,
  };
}

export function stateOfTask(task: TaskFact): TaskState {
  return {
    id: task.id,
    agent: task.agent,
    purpose: task.purpose,
    parent: task.parent,
    principal: task.principal,
    subjects: Object.fromEntries(Object.entries(task.subjects).map(([type, ids]) => [type, [...ids]])),
    attributes: { ...task.attributes },
    verbs: task.verbs === null ? null : [...task.verbs],
    ...(task.plan !== undefined && { plan: task.plan }),
    ...(task.lowered !== undefined && { lowered: task.lowered }),
    ...(task.watched !== undefined && { watched: task.watched }),
    expires: task.expires_ms === null ? null : iso(task.expires_ms),
    ended: task.ending,
  };
}

export function grantOfState(value: GrantFactState, revision: number): GrantFact {
  const expires_ms = moment(value.expires);
  const over_ms = value.ended === null ? expires_ms : Math.min(expires_ms, moment(value.ended.at));
  return { value, not_before_ms: moment(value.not_before), expires_ms, over_ms, revision };
}
