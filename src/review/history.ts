/**
 * History of facts and policy, from records that aren't decisions: agents, grants, stops, by whom and why, and what the service did. Memory
 * grows with agents and grants, up to a bound, not with tasks or the log.
 */
import { JUDGED, clip } from "../contract/index.js";

export type RecordMembers = Readonly<Record<string, unknown>>;

export interface AgentKnown {
  id: string;
  name: string | null;
  version: string;
  owner: string;
  purposes: string[];
  status: string;
  /** RFC 3339. */
  registered: string;
}

export interface GrantKnown {
  id: string;
  agent: string | null;
  task: string | null;
  /** Entry as it was written; null for an approval, which permits a single action by its digest. */
  entry: RecordMembers | null;
  reason: string;
  requested_by: string;
  approved_by: string;
  /** Caller whose token created the grant; `created` says when. */
  by: string;
  created: string;
  not_before: string;
  expires: string;
  uses: number | null;
  ended: { at: string; reason: string | null } | null;
  /** Decisions in the period that rested on it. */
  used: number;
}

/** A change of facts within the period. */
export interface FactsChange {
  seq: number;
  time: string;
  change: string;
  /** `agent/support-7`. */
  key: string;
  by: string;
  reason: string | null;
  /** False: it held in memory, and the store couldn't take it. */
  durable: boolean;
}

export interface BundleEvent {
  seq: number;
  time: string;
  change: string;
  digest: string | null;
  bundle: string | null;
  revision: string | null;
  sequence: number | null;
  code: string | null;
}

/** Latest narrowing or suspension of an agent. */
export interface AgentStop {
  time: string;
  by: string;
  reason: string | null;
  /** True if it happened within the period. */
  within: boolean;
}

export const BOUNDS = { agents: 100_000, grants: 20_000, changes: 2_000, bundles: 500 };

/** Changes of tasks are counted: there is one for each piece of work. */
const ROUTINE = /^task_/;

export class History {
  readonly agents = new Map<string, AgentKnown>();
  readonly grants = new Map<string, GrantKnown>();
  /** Agents that are left with less than they were registered for. */
  readonly narrowed = new Set<string>();
  /** Latest stop by agent. */
  readonly stops = new Map<string, AgentStop>();
  readonly changes: FactsChange[] = [];
  readonly bundles: BundleEvent[] = [];
  /** Changes in the period, by their names. */
  readonly counts = new Map<string, number>();
  /** Number of items that weren't kept, because of the bounds. */
  left_off = 0;

  /** @param within whether it is of the period: what was before only says how things stood */
  take(record: RecordMembers, seq: number, within: boolean, beside: RecordMembers | null = null): void {
    const { kind, time } = record;
    if (typeof time !== "string" || JUDGED.includes(kind as never)) return;
    if (kind === "facts") this.#fact({ ...record, ...beside }, seq, time, within);
    else if (kind === "bundle") this.#bundle(record, seq, time);
  }

  #fact(record: RecordMembers, seq: number, time: string, within: boolean): void {
    const change = text(record["change"]);
    const by = text(record["caller"]);
    const reason = textOrNull(record["reason"]);
    const found = factIn(record);
    if (found === null) return;
    const { kind, value } = found;
    const id = kind === "narrowing" ? text(value["agent"]) : text(value["id"]);
    if (kind === "narrowing") this.#narrow(id, value);
    if (kind === "agent" && id !== "") this.#put(this.agents, BOUNDS.agents, id, agentOf(id, value));
    if (kind === "grant" && id !== "") {
      const known = this.grants.get(id);
      this.#put(this.grants, BOUNDS.grants, id, {
        ...grantOf(id, value),
        by: known?.by ?? by,
        created: known?.created ?? time,
        used: known?.used ?? 0,
      });
    }
    if (change === "agent_narrowed" || change === "agent_suspended") this.#put(this.stops, BOUNDS.agents, id, { time, by, reason, within });
    if (!within) return;
    this.counts.set(change, (this.counts.get(change) ?? 0) + 1);
    if (ROUTINE.test(change)) return;
    const durable = record["facts_revision"] !== null;
    if (this.changes.length < BOUNDS.changes) this.changes.push({ seq, time, change, key: `${kind}/${id}`, by, reason, durable });
    else this.left_off++;
  }

  #narrow(agent: string, { lifted }: RecordMembers): void {
    if (lifted !== null && lifted !== undefined) this.narrowed.delete(agent);
    else if (this.narrowed.size < BOUNDS.agents) this.narrowed.add(agent);
    else this.left_off++;
  }

  #bundle(record: RecordMembers, seq: number, time: string): void {
    if (this.bundles.length >= BOUNDS.bundles) {
      this.left_off++;
      return;
    }
    const policy = members(record["policy"]);
    this.bundles.push({
      ...{ seq, time, change: text(record["change"]) },
      digest: textOrNull(policy["digest"]),
      bundle: textOrNull(policy["bundle"]),
      revision: textOrNull(policy["revision"]),
      sequence: typeof policy["sequence"] === "number" ? policy["sequence"] : null,
      code: textOrNull(record["code"]),
    });
  }

  #put<T>(into: Map<string, T>, max: number, id: string, value: T): void {
    if (into.size < max || into.has(id)) into.set(id, value);
    else this.left_off++;
  }
}

const FACT_KINDS = ["agent", "task", "grant", "revocation", "narrowing", "finding", "import", "bundle"] as const;

/** Returns the fact that a record is about, with its kind. */
function factIn(record: RecordMembers): { kind: (typeof FACT_KINDS)[number]; value: RecordMembers } | null {
  const kind = FACT_KINDS.find((name) => record[name] !== undefined);
  return kind === undefined ? null : { kind, value: members(record[kind]) };
}

function agentOf(id: string, value: RecordMembers): AgentKnown {
  const purposes = Array.isArray(value["purposes"])
    ? value["purposes"]
        .slice(0, 256)
        .filter((one) => typeof one === "string")
        .map(text)
    : [];
  return {
    ...{ id, purposes },
    name: textOrNull(value["name"]),
    version: text(value["version"]),
    owner: text(value["owner"]),
    status: text(value["status"]),
    registered: text(value["registered"]),
  };
}

function grantOf(id: string, value: RecordMembers): Omit<GrantKnown, "by" | "created" | "used"> {
  const ended = value["ended"];
  return {
    id,
    agent: textOrNull(value["agent"]),
    task: textOrNull(value["task"]),
    entry: value["entry"] === null || value["entry"] === undefined ? null : members(value["entry"]),
    reason: text(value["reason"]),
    requested_by: text(value["requested_by"]),
    approved_by: text(value["approved_by"]),
    not_before: text(value["not_before"]),
    expires: text(value["expires"]),
    uses: typeof value["uses"] === "number" ? value["uses"] : null,
    ended: ended === null || ended === undefined ? null : { at: text(members(ended)["at"]), reason: textOrNull(members(ended)["reason"]) },
  };
}

export function members(value: unknown): RecordMembers {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as RecordMembers) : {};
}

/** No name or reason that a service writes is longer; a log that somebody wrote may have anything. */
const TEXT_LENGTH_MAX = 512;

export function text(value: unknown): string {
  return textOrNull(value) ?? "";
}

export function textOrNull(value: unknown): string | null {
  return typeof value === "string" ? clip(value, TEXT_LENGTH_MAX) : null;
}
