/** What the index must find, found by reading everything. */
import type { OUTCOMES } from "../../src/contract/index.js";
import { RECORD_KINDS, SEVERITIES, type OutcomeState, type RecordFilter } from "../../src/contract/index.js";
import { OUTCOME_STATES } from "../../src/contract/query.js";
import {
  AGENTS,
  BUNDLES,
  CALLERS,
  OWNERS,
  PRINCIPALS,
  PURPOSES,
  RESOURCES,
  RULES,
  START_MS,
  TYPES,
  VERBS,
  type Written,
  type drawing,
} from "./random_log.js";

interface Judged {
  answer: {
    decision: "allow" | "deny" | "flag";
    decision_id: string;
    finding?: string;
    policy: { digest: string };
    proceed: boolean;
    reasons: { code: string; severity: (typeof SEVERITIES)[number] }[];
    valid_for_ms: number;
  };
}
interface Request {
  agent: string;
  purpose: string;
  task: string | null;
  verb: string;
  resource: { type: string; id: string | null };
}

interface Read {
  input?: { request: Request; facts?: { principal: string | null; agent: { owner: string } } };
  request?: Request;
  floor?: { task?: { principal: string | null } | null };
}

export const OVERDUE_MS = 500;

export function bruteFilter(written: readonly Written[], filter: RecordFilter, now_ms: number): number[] {
  const outcomes = filter.outcome === undefined ? null : outcomesIn(written);
  return written
    .filter((one) => fits(one, filter, outcomes === null ? null : stateOf(one, outcomes, now_ms)))
    .map(({ record }) => record.seq);
}

/** The last that was said of each decision that came before. */
function outcomesIn(written: readonly Written[]): Map<string, (typeof OUTCOMES)[number]> {
  const known = new Set<string>();
  const outcomes = new Map<string, (typeof OUTCOMES)[number]>();
  for (const { record } of written) {
    if (isJudged(record)) known.add((record as unknown as Judged).answer.decision_id);
    else if (record["kind"] === "outcome" && known.has(record["decision_id"] as string))
      outcomes.set(record["decision_id"] as string, record["outcome"] as (typeof OUTCOMES)[number]);
  }
  return outcomes;
}

function stateOf({ record }: Written, outcomes: ReadonlyMap<string, (typeof OUTCOMES)[number]>, now_ms: number): OutcomeState | null {
  if (record["kind"] === "observed") return (record["outcome"] ?? null) as OutcomeState | null;
  if (record["kind"] !== "decision") return null;
  const { decision_id, proceed, valid_for_ms } = (record as unknown as Judged).answer;
  const said = outcomes.get(decision_id);
  if (said !== undefined) return said;
  if (!proceed) return null;
  const over = Date.parse(record["time"] as string) + valid_for_ms + OVERDUE_MS;
  return now_ms > over ? "missing" : "pending";
}

const isJudged = (record: Record<string, unknown>): boolean => record["kind"] === "decision" || record["kind"] === "observed";

function fits({ record, beside }: Written, filter: RecordFilter, outcome: OutcomeState | null): boolean {
  if (filter.from !== undefined || filter.to !== undefined) {
    const time = Date.parse(record["time"] as string);
    if (time < (filter.from ?? -Infinity) || time >= (filter.to ?? Infinity)) return false;
  }
  if (filter.kind?.includes(record["kind"] as never) === false) return false;
  if (filter.about === "policy" && record["kind"] !== "bundle" && (record["kind"] !== "admin" || record["action"] !== "publish"))
    return false;
  if (filter.caller !== undefined && record["caller"] !== filter.caller) return false;
  if (filter.outcome !== undefined && (outcome === null || !filter.outcome.includes(outcome))) return false;
  if (record["kind"] === "notice") return fitsNotice(record, filter);
  if (!isJudged(record)) {
    if (JUDGING.some((name) => filter[name] !== undefined)) return false;
    if (filter.bundle !== undefined && (record["policy"] as { digest?: string } | undefined)?.digest !== filter.bundle) return false;
    return filter.key === undefined || keyOf(record) === filter.key;
  }
  if (filter.key !== undefined && (record["kind"] !== "observed" || filter.key !== record["outcome"])) return false;
  const { answer } = record as unknown as Judged;
  const read = { ...record, ...beside } as Read;
  const request = read.input?.request ?? read.request;
  const { agent, purpose, task, verb, resource } = request ?? ({ resource: {} } as Request);
  const equal = {
    agent,
    purpose,
    task,
    principal: read.input?.facts?.principal ?? read.floor?.task?.principal,
    owner: read.input?.facts?.agent.owner,
    verb,
    type: resource.type,
    resource: resource.id,
    bundle: answer.policy.digest,
  };
  for (const [name, value] of Object.entries(equal)) {
    const wanted = filter[name as keyof typeof equal];
    if (wanted !== undefined && wanted !== value) return false;
  }
  if (filter.resource_prefix !== undefined && !(resource.id ?? "\0").startsWith(filter.resource_prefix)) return false;
  if (filter.decision?.includes(answer.decision) === false) return false;
  if (filter.reason !== undefined && !answer.reasons.some(({ code }) => code === filter.reason)) return false;
  const least = filter.severity === undefined ? 0 : SEVERITIES.indexOf(filter.severity);
  if (!answer.reasons.some(({ severity }) => SEVERITIES.indexOf(severity) >= least)) return false;
  if (filter.proceed !== undefined && answer.proceed !== filter.proceed) return false;
  return filter.finding === undefined || (answer.finding !== undefined) === filter.finding;
}

/** Members that only a judged action can match. */
const JUDGING: (keyof RecordFilter)[] = [
  "agent",
  "purpose",
  "task",
  "principal",
  "owner",
  "verb",
  "type",
  "resource",
  "resource_prefix",
  "decision",
  "reason",
  "severity",
  "proceed",
  "finding",
];

/** Returns true if a notice about an agent matches: it is no action of the agent. */
function fitsNotice(record: Record<string, unknown>, filter: RecordFilter): boolean {
  const ofActions: (keyof RecordFilter)[] = [
    ...(["task", "principal", "owner", "verb", "type", "resource", "resource_prefix", "decision", "proceed", "bundle"] as const),
  ];
  if (ofActions.some((name) => filter[name] !== undefined)) return false;
  if (filter.agent !== undefined && record["agent"] !== filter.agent) return false;
  if (filter.purpose !== undefined && record["purpose"] !== filter.purpose) return false;
  for (const code of [filter.reason, filter.key]) if (code !== undefined && record["code"] !== code) return false;
  const least = filter.severity === undefined ? 0 : SEVERITIES.indexOf(filter.severity);
  if (SEVERITIES.indexOf(record["severity"] as never) < least) return false;
  // That it opened none is only said of what was judged.
  return filter.finding === undefined || (filter.finding && record["finding"] !== undefined);
}

function keyOf(record: Record<string, unknown>): unknown {
  const fact = ["agent", "task", "revocation"].find((name) => record[name] !== undefined);
  if (record["kind"] === "facts" && fact !== undefined) return `${fact}/${(record[fact] as { id: string }).id}`;
  return record["kind"] === "outcome" ? record["outcome"] : (record["change"] ?? record["action"] ?? record["code"]);
}

/** A filter of one to four members, most of which find something. */
export function randomFilter({ below, of }: ReturnType<typeof drawing>, span_ms: number): RecordFilter {
  const members: (() => RecordFilter)[] = [
    () => ({ kind: [of(RECORD_KINDS), of(RECORD_KINDS)] }),
    () => ({ about: "policy" }),
    () => ({ caller: of(CALLERS) }),
    () => ({ agent: of([...AGENTS, "nobody"]) }),
    () => ({ purpose: of(PURPOSES) }),
    () => ({ task: `T-${below(32)}` }),
    () => ({ principal: of([...PRINCIPALS, "nobody"]) }),
    () => ({ owner: of([...OWNERS, "nobody"]) }),
    () => ({ verb: of(VERBS) }),
    () => ({ type: of(TYPES) }),
    () => ({ resource: of([...RESOURCES, "I-77"]) }),
    () => ({ resource_prefix: of(["I-", "I-1", "acme/", "acme/eu/", "\u{1F600}", "%", "zzz", "<b>"]) }),
    () => ({ decision: [of(["allow", "deny", "flag"] as const)] }),
    () => ({ reason: of([...RULES, "never"]) }),
    () => ({ severity: of(SEVERITIES) }),
    () => ({ bundle: of(BUNDLES) }),
    () => ({ proceed: below(2) === 0 }),
    () => ({ finding: below(2) === 0 }),
    () => ({ outcome: [of(OUTCOME_STATES)] }),
    () => ({ key: of(["activated", "token_expired", "export", "done", `agent/${of(AGENTS)}`, "task/T-3"]) }),
    () => ({ from: START_MS + below(span_ms) }),
    () => ({ to: START_MS + below(span_ms) }),
  ];
  return Array.from({ length: 1 + below(4) }, () => of(members)()).reduce((all, one) => ({ ...all, ...one }), {});
}
