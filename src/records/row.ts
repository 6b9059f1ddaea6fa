/** Row of a record: the values that it is found by. */
import {
  OUTCOMES,
  POLICY_ACTIONS,
  RECORD_KINDS,
  SEVERITIES,
  type DecisionKind,
  type OutcomeState,
  type RecordAction,
  type RecordFilter,
  type RecordKind,
} from "../contract/index.js";

export type SaidOutcome = (typeof OUTCOMES)[number];

export interface RowReason {
  effect: string;
  code: string;
  severity: string;
}

export interface RecordRow {
  /** Null for a line that is no record of a known kind: nothing finds it. */
  kind: RecordKind | null;
  time_ms: number;
  caller: string | null;
  agent: string | null;
  purpose: string | null;
  task: string | null;
  principal: string | null;
  owner: string | null;
  verb: string | null;
  type: string | null;
  resource: string | null;
  bundle: string | null;
  key: string | null;
  decision: DecisionKind | null;
  proceed: boolean;
  finding: boolean;
  reasons: readonly RowReason[];
  valid_for_ms: number;
  /** The decision's own, or the one that an outcome is of. */
  decision_id: string | null;
}

/** A record found by a query, read from the log and held against what it was found by. */
export interface MatchedRecord {
  seq: number;
  row: RecordRow;
  outcome: OutcomeState | null;
  /** The record as it stands in the log, … */
  text: string;
  /** … as it reads … */
  record: unknown;
  /** … and what stands beside it; null where nothing does, or not what the record names. Both texts are JSON. */
  beside: string | null;
  /** True if the record names a text beside it that isn't there. */
  beside_missing: boolean;
}

type Members = Readonly<Record<string, unknown>>;

const NOTHING: RecordRow = {
  kind: null,
  time_ms: 0,
  caller: null,
  agent: null,
  purpose: null,
  task: null,
  principal: null,
  owner: null,
  verb: null,
  type: null,
  resource: null,
  bundle: null,
  key: null,
  decision: null,
  proceed: false,
  finding: false,
  reasons: [],
  valid_for_ms: 0,
  decision_id: null,
};

/** 49 days. */
const VALID_MS_MAX = 0xffff_ffff;

const KINDS: ReadonlySet<unknown> = new Set(RECORD_KINDS);

/**
 * Returns the row of a line, whatever it contains: a damaged log is searched anyway.
 * @param beside what was too large for the record; null if there is nothing, or it is gone
 */
export function rowOf(record: unknown, beside: unknown = null): RecordRow {
  const { kind, time, caller, ...members } = objectOf(record);
  if (!KINDS.has(kind)) return NOTHING;
  const time_ms = typeof time === "string" ? Date.parse(time) : NaN;
  const row = { ...NOTHING, kind: kind as RecordKind, time_ms: Number.isNaN(time_ms) ? 0 : time_ms, caller: text(caller) };
  if (kind === "decision" || kind === "observed") return judged(row, members, beside);
  if (kind === "notice") return noticed(row, members);
  const { policy, decision_id } = members;
  return {
    ...row,
    key: keyOf(row.kind, kind === "facts" ? { ...objectOf(beside), ...members } : members),
    bundle: text(objectOf(policy)["digest"]),
    decision_id: kind === "outcome" ? text(decision_id) : null,
  };
}

function judged(row: RecordRow, { answer, floor, input, outcome, request }: Members, beside: unknown): RecordRow {
  const { decision, proceed, finding, policy, reasons, valid_for_ms, decision_id } = objectOf(answer);
  const { agent, purpose, task, verb, resource } = requestOf(input, request) ?? actionIn(beside) ?? {};
  const { type, id } = objectOf(resource);
  const facts = objectOf(objectOf(input ?? objectOf(beside)["input"])["facts"]);
  const refused = objectOf(objectOf(floor ?? objectOf(beside)["floor"])["task"]);
  return {
    ...row,
    agent: text(agent),
    purpose: text(purpose),
    task: text(task),
    principal: text(facts["principal"]) ?? text(refused["principal"]),
    owner: text(objectOf(facts["agent"])["owner"]),
    verb: text(verb),
    type: text(type),
    resource: text(id),
    bundle: text(objectOf(policy)["digest"]),
    key: row.kind === "observed" ? text(outcome) : null,
    decision: decision === "allow" || decision === "deny" || decision === "flag" ? decision : null,
    proceed: proceed === true,
    finding: typeof finding === "string",
    reasons: Array.isArray(reasons) ? reasons.map(reasonOf) : [],
    valid_for_ms: typeof valid_for_ms === "number" ? Math.min(Math.max(Math.trunc(valid_for_ms), 0), VALID_MS_MAX) : 0,
    decision_id: text(decision_id),
  };
}

function noticed(row: RecordRow, { agent, purpose, code, finding, severity }: Members): RecordRow {
  return {
    ...row,
    agent: text(agent),
    purpose: text(purpose),
    key: text(code),
    finding: typeof finding === "string",
    reasons: [{ effect: "log", code: text(code) ?? "", severity: text(severity) ?? "" }],
  };
}

/** Returns the request that the policy was asked, or that the floor refused. */
function requestOf(input: unknown, request: unknown): Members | null {
  const asked = input === undefined ? request : objectOf(input)["request"];
  return asked === undefined ? null : objectOf(asked);
}

function actionIn(beside: unknown): Members | null {
  const { input, request } = objectOf(beside);
  return requestOf(input, request);
}

function reasonOf(reason: unknown): RowReason {
  const { effect, code, severity } = objectOf(reason);
  return { effect: text(effect) ?? "", code: text(code) ?? "", severity: text(severity) ?? "" };
}

const FACTS = ["agent", "task", "grant", "narrowing", "finding", "revocation", "import", "bundle"];

function keyOf(kind: RecordKind | null, members: Members): string | null {
  switch (kind) {
    case "facts": {
      const fact = FACTS.find((name) => members[name] !== undefined);
      if (fact === undefined) return null;
      const { id, agent } = objectOf(members[fact]);
      return `${fact}/${text(fact === "narrowing" ? agent : id) ?? ""}`;
    }
    case "bundle":
    case "service":
      return text(members["change"]);
    case "refusal":
      return text(members["code"]);
    case "admin":
      return text(members["action"]);
    case "outcome":
      return text(members["outcome"]);
    default:
      return null;
  }
}

/** Returns the outcome that a record reports: of another record's action, or of an observed action. */
export function outcomeOf({ key }: Pick<RecordRow, "key">): SaidOutcome | null {
  return OUTCOMES.find((outcome) => outcome === key) ?? null;
}

export function severityOf({ reasons }: RecordRow): number {
  return reasons.reduce((highest, { severity }) => Math.max(highest, SEVERITIES.indexOf(severity as never)), -1);
}

/** Returns the state of the outcome of a row's action. @param overdue_ms how long after its validity it counts as missing */
export function outcomeState(
  { kind, key, proceed, time_ms, valid_for_ms }: Pick<RecordRow, "kind" | "key" | "proceed" | "time_ms" | "valid_for_ms">,
  said: SaidOutcome | null,
  now_ms: number,
  overdue_ms: number,
): OutcomeState | null {
  if (kind === "observed") return outcomeOf({ key });
  if (kind !== "decision") return null;
  if (said !== null) return said;
  if (!proceed) return null;
  return now_ms > time_ms + valid_for_ms + overdue_ms ? "missing" : "pending";
}

/** Returns true if a record matches the filter. */
export function matches(row: RecordRow, outcome: OutcomeState | null, filter: RecordFilter): boolean {
  if (row.kind === null) return false;
  const { kind, decision, outcome: outcomes, reason, severity, proceed, finding, resource_prefix, about, from, to, ...equal } = filter;
  if (kind?.includes(row.kind) === false) return false;
  if (Object.entries(equal).some(([name, wanted]) => row[name as keyof typeof equal] !== wanted)) return false;
  if (decision !== undefined && (row.decision === null || !decision.includes(row.decision))) return false;
  if (outcomes !== undefined && (outcome === null || !outcomes.includes(outcome))) return false;
  if (reason !== undefined && !row.reasons.some(({ code }) => code === reason)) return false;
  if (severity !== undefined && severityOf(row) < SEVERITIES.indexOf(severity)) return false;
  if (proceed !== undefined && (row.decision === null || row.proceed !== proceed)) return false;
  if (finding !== undefined && (row.finding !== finding || (!finding && row.decision === null))) return false;
  if (about === "policy" && row.kind !== "bundle" && !(row.kind === "admin" && POLICY_ACTIONS.some((action) => action === row.key)))
    return false;
  if (resource_prefix !== undefined && row.resource?.startsWith(resource_prefix) !== true) return false;
  return row.time_ms >= (from ?? -Infinity) && row.time_ms < (to ?? Infinity);
}

/** Returns the action that was judged; null of a record of another kind, or of one whose action is gone. */
export function actionOf({ agent, purpose, task, verb, type, resource }: RecordRow): RecordAction | null {
  if (agent === null || purpose === null || verb === null || type === null) return null;
  return { agent, purpose, task, verb, type, id: resource };
}

function objectOf(value: unknown): Members {
  return typeof value === "object" && value !== null ? (value as Members) : {};
}

function text(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}
