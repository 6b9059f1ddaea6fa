/** A filter of records as a condition in SQL; every value is a parameter. */
import { OUTCOMES, POLICY_ACTIONS, SEVERITIES, type RecordFilter } from "../contract/index.js";
import type { SqlValue } from "./engine.js";

/** Values of a statement, by their number. */
export class StatementValues {
  readonly all: SqlValue[] = [];

  /** @returns its name in the statement */
  add(value: string | number | boolean): string {
    // A number of the client is a double, or what fits: the statement says which.
    if (typeof value !== "number") return `$${this.all.push(value)}`;
    return Number.isSafeInteger(value) ? `$${this.all.push(BigInt(value))}::BIGINT` : `$${this.all.push(value)}::DOUBLE`;
  }

  in(texts: readonly string[]): string {
    return texts.length === 0 ? "(NULL)" : `(${texts.map((text) => this.add(text)).join(", ")})`;
  }
}

/** Columns that a filter compares with one value. */
const EQUAL = {
  caller: "caller",
  agent: "agent",
  purpose: "purpose",
  task: "task",
  principal: "principal",
  owner: "owner",
  verb: "verb",
  type: "type",
  resource: "resource",
  bundle: "digest",
  key: "key",
} as const;

/** Records that match, but for what became of them. */
export function conditionOf(filter: RecordFilter, values: StatementValues): string {
  const { kind, decision, reason, severity, proceed, finding, resource_prefix, about, from, to } = filter;
  const all: string[] = [];
  if (kind !== undefined) all.push(`kind IN ${values.in(kind)}`);
  for (const [name, column] of Object.entries(EQUAL)) {
    const wanted = filter[name as keyof typeof EQUAL];
    if (wanted !== undefined) all.push(`"${column}" = ${values.add(wanted)}`);
  }
  if (decision !== undefined) all.push(`decision IN ${values.in(decision)}`);
  if (reason !== undefined) all.push(`list_contains(list_transform(reasons, lambda one: one.code), ${values.add(reason)})`);
  if (severity !== undefined) all.push(`severity IN ${values.in(SEVERITIES.slice(SEVERITIES.indexOf(severity)))}`);
  if (proceed !== undefined) all.push(`decision IS NOT NULL AND proceed = ${values.add(proceed)}`);
  if (finding !== undefined) all.push(finding ? "finding IS NOT NULL" : "finding IS NULL AND decision IS NOT NULL");
  if (resource_prefix !== undefined) all.push(`starts_with(resource, ${values.add(resource_prefix)})`);
  if (about === "policy") all.push(`(kind = 'bundle' OR (kind = 'admin' AND "key" IN ${values.in(POLICY_ACTIONS)}))`);
  if (from !== undefined && Number.isFinite(from)) all.push(`"time" >= ${timeValue(from, values)}`);
  if (to !== undefined && Number.isFinite(to)) all.push(`"time" < ${timeValue(to, values)}`);
  return all.length === 0 ? "true" : all.join(" AND ");
}

const timeValue = (ms: number, values: StatementValues): string => `make_timestamptz(${values.add(Math.ceil(ms))} * 1000)`;

/** Returns SQL for the state of the outcome of a record's action; `said` is the outcome that was reported for its decision. */
export function outcomeSql(now_ms: number, overdue_ms: number, values: StatementValues): string {
  const late = `epoch_ms("time") + valid_for_ms + ${values.add(overdue_ms)} < ${values.add(Math.floor(now_ms))}`;
  return `CASE kind WHEN 'observed' THEN CASE WHEN reported IN ${KNOWN} THEN reported END
    WHEN 'decision' THEN coalesce(said, CASE WHEN proceed THEN CASE WHEN ${late} THEN 'missing' ELSE 'pending' END END) END`;
}

/** Outcomes as they are reported, for `IN`. */
export const KNOWN = `('${OUTCOMES.join("', '")}')`;

/** Returns SQL for the last outcome reported for each decision, in the records of a source. @param more columns beside it */
export function saidSql(source: string, until: string, more = ""): string {
  return `SELECT decision_id, arg_max(reported, seq) AS said${more} FROM ${source}
    WHERE kind = 'outcome' AND reported IN ${KNOWN} AND decision_id IS NOT NULL AND seq <= ${until} GROUP BY decision_id`;
}
