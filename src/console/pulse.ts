/**
 * Coalesces records into pulses: counts are exact, every action that was stopped or flagged is shown as long as there is room, and of those that
 * were simply allowed a few. A page that got each record of a busy service would show nothing but allows.
 */
import type { FoundRecord } from "../contract/index.js";

/** A decision as a row shows it. */
export interface LiveRow {
  seq: number;
  id: string;
  time: string;
  decision: string;
  proceed: boolean;
  waits: boolean;
  observed: boolean;
  agent: string;
  purpose: string;
  task: string | null;
  verb: string;
  type: string;
  resource: string | null;
  code: string;
  severity: string;
  message: string;
  finding: string | null;
  ms: number | null;
}

export interface DecisionCounts {
  allow: number;
  flag: number;
  deny: number;
  /** Decisions among them that wait for a person. */
  wait: number;
}

export interface Pulse {
  counts: DecisionCounts;
  /** The newest last. */
  rows: LiveRow[];
  /** Decisions that have no row. */
  left_out: number;
}

/** Adds counts to others. */
export function addCounts(to: DecisionCounts, counts: DecisionCounts): void {
  for (const name of ["allow", "flag", "deny", "wait"] as const) to[name] += counts[name];
}

/** Filter of a page. All that is given has to hold. */
export interface LiveFilter {
  agent?: string;
  purpose?: string;
  task?: string;
  decision?: string;
}

export const LIVE_FILTERS = ["agent", "purpose", "task", "decision"] as const;

/** Rows of a pulse: for what was stopped or flagged, and for what was allowed. */
const STOPPED_MAX = 60;
const ALLOWED_MAX = 8;
/** UTF-16 units of a text in a row; the record has the whole. */
const TEXT_MAX = 400;

/** Returns the row of a record; null if it isn't of an action. */
export function rowOf({ seq, action, record }: FoundRecord): LiveRow | null {
  if (record.kind !== "decision" && record.kind !== "observed") return null;
  const { answer } = record;
  const [reason] = answer.reasons;
  const stages = "stages" in record ? Object.entries(record.stages) : [];
  const us = stages.reduce((sum, [name, took]) => sum + (name.endsWith("_us") && typeof took === "number" ? took : 0), 0);
  return {
    ...{ seq, id: answer.decision_id, time: record.time, decision: answer.decision, proceed: answer.proceed },
    ...{ waits: answer.wait !== undefined, observed: record.kind === "observed" },
    agent: clip(action?.agent ?? ""),
    purpose: clip(action?.purpose ?? ""),
    task: action?.task ?? null,
    verb: clip(action?.verb ?? ""),
    type: clip(action?.type ?? ""),
    resource: action?.id === null || action?.id === undefined ? null : clip(action.id),
    code: reason?.code ?? "",
    severity: reason?.severity ?? "info",
    message: clip(reason?.message ?? ""),
    finding: answer.finding ?? null,
    ms: us === 0 ? null : us / 1000,
  };
}

/** Returns words for a record that is of no action: what happened, and to what. */
export function eventText(record: FoundRecord["record"]): string {
  const { key, change, action, result, code, caller, policy } = record as Partial<Record<string, unknown>>;
  const { revision } = (typeof policy === "object" && policy !== null ? policy : {}) as { revision?: unknown };
  const subject = record.kind === "bundle" || record.kind === "service" ? [record.kind] : [];
  const happened = [change, action, result].filter(isText).map((one) => one.replaceAll("_", " "));
  const words = [...subject, ...happened, ...[key, revision, code].filter(isText)];
  const text = words.length === 0 ? record.kind : words.join(" ");
  return isText(caller) ? `${text} by ${caller}` : text;
}

const isText = (value: unknown): value is string => typeof value === "string";

/** Returns what a page with this filter is sent of rows that have come since the last pulse; null if there is nothing. */
export function pulseOf(all: readonly LiveRow[], filter: LiveFilter): Pulse | null {
  const rows = all.filter((row) => LIVE_FILTERS.every((name) => filter[name] === undefined || filter[name] === row[name]));
  if (rows.length === 0) return null;
  const counts: DecisionCounts = { allow: 0, flag: 0, deny: 0, wait: 0 };
  for (const { decision, waits } of rows) {
    if (decision === "allow" || decision === "flag" || decision === "deny") counts[decision]++;
    if (waits) counts.wait++;
  }
  const shown = new Set([
    ...rows.filter(({ decision }) => decision !== "allow").slice(-STOPPED_MAX),
    ...sampled(rows.filter(({ decision }) => decision === "allow")),
  ]);
  const kept = rows.filter((row) => shown.has(row));
  return { counts, rows: kept, left_out: rows.length - kept.length };
}

/** Returns some of these, evenly spread. */
function sampled(rows: readonly LiveRow[]): LiveRow[] {
  if (rows.length <= ALLOWED_MAX) return [...rows];
  return Array.from({ length: ALLOWED_MAX }, (_, i) => rows[Math.floor((i * rows.length) / ALLOWED_MAX)]).filter(
    (row) => row !== undefined,
  );
}

const clip = (text: string): string => (text.length > TEXT_MAX ? `${text.slice(0, TEXT_MAX)}…` : text);
