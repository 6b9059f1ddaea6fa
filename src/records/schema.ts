/** The table of records: its columns, from where in a record each comes, and the version of both. */
import { RECORD_BYTES_MAX, RECORD_KINDS, SEVERITIES } from "../contract/index.js";

/** Goes up when a column is added, dropped or made from something else: files of another version are made again. */
export const SCHEMA_VERSION = 2;

export type Shape =
  "VARCHAR" | "BIGINT" | "DOUBLE" | "BOOLEAN" | "JSON" | "MAP(VARCHAR, DOUBLE)" | readonly [Shape] | { readonly [name: string]: Shape };

const policy = { bundle: "VARCHAR", digest: "VARCHAR", revision: "VARCHAR", sequence: "BIGINT" } as const;
const behavior = { channels: "MAP(VARCHAR, DOUBLE)", risk: "DOUBLE" } as const;
const request = {
  agent: "VARCHAR",
  purpose: "VARCHAR",
  resource: { id: "VARCHAR", type: "VARCHAR" },
  task: "VARCHAR",
  verb: "VARCHAR",
} as const;

/** The members of a record that columns are made from; the engine reads no others. A fact's members are of several forms: they stay JSON. */
export const RECORD_SHAPE = {
  act: { behavior, class: "VARCHAR", relation: "VARCHAR", version: "VARCHAR" },
  action: "VARCHAR",
  adapter: "VARCHAR",
  agent: "JSON",
  answer: {
    action_digest: "VARCHAR",
    decision: "VARCHAR",
    decision_id: "VARCHAR",
    finding: "VARCHAR",
    policy,
    proceed: "BOOLEAN",
    reasons: [{ code: "VARCHAR", effect: "VARCHAR", severity: "VARCHAR" }],
    valid_for_ms: "DOUBLE",
    wait: { for: "VARCHAR" },
  },
  beside: { digest: "VARCHAR" },
  bundle: "JSON",
  caller: "VARCHAR",
  change: "VARCHAR",
  code: "VARCHAR",
  decision_id: "VARCHAR",
  engine: { origin: "VARCHAR" },
  finding: "JSON",
  floor: { task: { principal: "VARCHAR" } },
  grant: "JSON",
  import: "JSON",
  input: {
    facts: { agent: { owner: "VARCHAR", version: "VARCHAR" }, behavior, principal: "VARCHAR", task: { root: "VARCHAR" } },
    request,
  },
  kind: "VARCHAR",
  narrowing: "JSON",
  outcome: "VARCHAR",
  policy,
  previous: "VARCHAR",
  purpose: "VARCHAR",
  request,
  revocation: "JSON",
  seq: "BIGINT",
  severity: "VARCHAR",
  task: "JSON",
  time: "VARCHAR",
} as const satisfies Shape;

export const isList = (shape: Shape): shape is readonly [Shape] => Array.isArray(shape);

const list = (texts: readonly string[]): string => `['${texts.join("', '")}']`;
const JUDGED = "kind IN ('decision', 'observed')";
const text = (json: string): string => `CASE WHEN json_type(${json}) = 'VARCHAR' THEN json_extract_string(${json}, '$') END`;
const fact = (name: string, id = "id"): string => `WHEN "${name}" IS NOT NULL THEN '${name}/' || coalesce("${name}"->>'$.${id}', '')`;
const KEY = `CASE kind
    WHEN 'observed' THEN outcome WHEN 'outcome' THEN outcome WHEN 'notice' THEN code WHEN 'refusal' THEN code
    WHEN 'bundle' THEN change WHEN 'service' THEN change WHEN 'admin' THEN action
    WHEN 'facts' THEN CASE ${fact("agent")} ${fact("task")} ${fact("grant")} ${fact("narrowing", "agent")} ${fact("finding")}
      ${fact("revocation")} ${fact("import")} ${fact("bundle")} END END`;
const REASONS = `CASE kind WHEN 'notice' THEN [{code: code, effect: 'log', severity: severity}] ELSE answer.reasons END`;
const GRAVEST = `(${list(SEVERITIES)})[list_max(list_transform(${REASONS}, lambda one: list_position(${list(SEVERITIES)}, one.severity)))]`;
/** 49 days. */
const VALID_MS_MAX = 0xffff_ffff;

export interface ColumnOfRecords {
  name: string;
  type: string;
  /** Made from a line's members. */
  from: string;
  says: string;
}

const column = (name: string, type: string, from: string, says: string): ColumnOfRecords => ({ name, type, from, says });

/** Columns in the order of the table. */
export const RECORD_COLUMNS: readonly ColumnOfRecords[] = [
  column("seq", "BIGINT", "seq", "Number of the record, from 1 and without gaps"),
  column(
    "time",
    "TIMESTAMPTZ",
    "coalesce(try_cast(time AS TIMESTAMPTZ), to_timestamp(0))",
    "When it was recorded; of a decision, when it was decided",
  ),
  column("kind", "VARCHAR", "kind", `Kind of record: ${RECORD_KINDS.map((kind) => `\`${kind}\``).join(", ")}`),
  column(
    "agent",
    "VARCHAR",
    `CASE kind WHEN 'notice' THEN ${text("agent")} WHEN 'facts' THEN NULL ELSE coalesce(input.request.agent, request.agent) END`,
    "Agent that acted, or that a notice is about",
  ),
  column("version", "VARCHAR", "coalesce(input.facts.agent.version, act.version)", "Version of the agent"),
  column("owner", "VARCHAR", "input.facts.agent.owner", "Owner of the agent"),
  column(
    "principal",
    "VARCHAR",
    "coalesce(input.facts.principal, floor.task.principal)",
    "Person for whom it acted, or would have; masked as in the record",
  ),
  column(
    "purpose",
    "VARCHAR",
    "CASE kind WHEN 'notice' THEN purpose ELSE coalesce(input.request.purpose, request.purpose) END",
    "Purpose that it acted for",
  ),
  column("task", "VARCHAR", "coalesce(input.request.task, request.task)", "Task that it worked on"),
  column("root", "VARCHAR", "input.facts.task.root", "First task of the chain that the task belongs to"),
  column("verb", "VARCHAR", "coalesce(input.request.verb, request.verb)", "Verb of the action"),
  column("class", "VARCHAR", "act.class", "Class of the verb"),
  column("type", "VARCHAR", "coalesce(input.request.resource.type, request.resource.type)", "Type of the resource"),
  column(
    "resource",
    "VARCHAR",
    "coalesce(input.request.resource.id, request.resource.id)",
    "Id of the resource; null: the verb acts on the collection",
  ),
  column("relation", "VARCHAR", "act.relation", "Whether the resource belongs to what the task is about"),
  column(
    "decision",
    "VARCHAR",
    `CASE WHEN ${JUDGED} AND answer.decision IN ('allow', 'deny', 'flag') THEN answer.decision END`,
    "`allow`, `deny` or `flag`",
  ),
  column("proceed", "BOOLEAN", `CASE WHEN ${JUDGED} THEN coalesce(answer.proceed, false) END`, "Whether the action could go on"),
  column("wait", "VARCHAR", "answer.wait.for", "What a flagged action waited for: `approval` or `context`"),
  column("severity", "VARCHAR", GRAVEST, "Highest severity of its reasons"),
  column("reasons", "STRUCT(code VARCHAR, effect VARCHAR, severity VARCHAR)[]", REASONS, "Why it was decided so"),
  column("risk", "DOUBLE", "coalesce(input.facts.behavior.risk, act.behavior.risk)", "How unusual the action was, 0 to 100"),
  column(
    "channels",
    "MAP(VARCHAR, DOUBLE)",
    "coalesce(input.facts.behavior.channels, act.behavior.channels)",
    "How unusual it was by channel",
  ),
  column(
    "finding",
    "VARCHAR",
    `CASE kind WHEN 'notice' THEN ${text("finding")} WHEN 'facts' THEN NULL ELSE answer.finding END`,
    "Finding that it belongs to",
  ),
  column("caller", "VARCHAR", "caller", "Caller that asked, reported or changed it, as its token names it"),
  column("adapter", "VARCHAR", "adapter", "Adapter by which it was asked for; null: `POST /decide`"),
  column("engine", "VARCHAR", "engine.origin", "Engine in an application that decided; null: the service itself"),
  column("bundle", "VARCHAR", "coalesce(answer.policy.bundle, policy.bundle)", "Name of the bundle"),
  column("sequence", "BIGINT", "coalesce(answer.policy.sequence, policy.sequence)", "Sequence of the bundle"),
  column("digest", "VARCHAR", "coalesce(answer.policy.digest, policy.digest)", "Digest of the bundle"),
  column("revision", "VARCHAR", "coalesce(answer.policy.revision, policy.revision)", "Revision of the bundle"),
  column("action_digest", "VARCHAR", "answer.action_digest", "Digest of the action"),
  column(
    "decision_id",
    "UUID",
    `try_cast(CASE WHEN ${JUDGED} THEN answer.decision_id WHEN kind = 'outcome' THEN decision_id END AS UUID)`,
    "Id of the decision; of an outcome, of the decision that it is the outcome of",
  ),
  column("previous", "UUID", "try_cast(previous AS UUID)", "Decision before on the same task"),
  column(
    "valid_for_ms",
    "BIGINT",
    `greatest(least(coalesce(trunc(answer.valid_for_ms), 0), ${VALID_MS_MAX}), 0)`,
    "Milliseconds for which the answer was valid",
  ),
  column("reported", "VARCHAR", "outcome", "What this record says became of an action, of kind `outcome` or `observed`"),
  column("key", "VARCHAR", KEY, "What a record of another kind is about: a fact's key, a change, a refusal's code"),
  column("beside", "BOOLEAN", "beside.digest IS NOT NULL", "Whether a part of it stands beside the log's line"),
  column("segment", "VARCHAR", "segment", "File of the log in which the record stands"),
  column("offset", "BIGINT", '"offset"', "First byte of its line"),
  column("length", "BIGINT", '"length"', "Bytes of its line, without the newline"),
];

export function createTableSql(table: string): string {
  return `CREATE TABLE ${table} (${RECORD_COLUMNS.map(({ name, type }) => `"${name}" ${type}`).join(", ")})`;
}

/** Milliseconds that a statement may take which takes records in, or writes their file. */
export const INSERT_MS_MAX = 600_000;
/** No record's line is as long. */
export const LINE_BYTES_MAX = 4 * RECORD_BYTES_MAX;
/** Bytes of a record with what stands beside it; nothing is found by one that is larger. */
export const FITTED_BYTES_MAX = 512 * 1024;

/** Rows of a file of records as they stand in the log. @param base offset in the segment at which the file begins */
export function lineRows(file: string, segment: string, base: number): string {
  const offset = `${base} + sum(strlen(line) + 1) OVER (ROWS UNBOUNDED PRECEDING) - strlen(line) - 1`;
  return selected(rowsOf(file, LINE_BYTES_MAX, RECORD_SHAPE, `'${segment}' AS segment, ${offset} AS "offset", strlen(line) AS length`));
}

/** Rows of a file of records that were made to fit (`fit.ts`), each with its `at`: offset and length. */
export function fittedRows(file: string, segment: string): string {
  const lines = rowsOf(file, FITTED_BYTES_MAX, { at: ["BIGINT"], ...RECORD_SHAPE }, `'${segment}' AS segment`);
  return selected(`(SELECT *, "at"[1] AS "offset", "at"[2] AS length FROM ${lines})`);
}

/** The lines are read as texts, since the engine's own reader of JSON takes 32 MB for each statement and doesn't say where a line stands. */
function rowsOf(file: string, line_bytes_max: number, shape: Readonly<Record<string, Shape>>, more: string): string {
  const read = `json_transform(line, '${JSON.stringify(structureOf(shape))}')`;
  return `(SELECT unnest(${read}), ${more} FROM read_csv('${quoted(file)}', columns = {line: 'VARCHAR'},
    auto_detect = false, header = false, delim = '\x01', quote = '', escape = '', comment = '', new_line = '\\n',
    max_line_size = ${line_bytes_max}, buffer_size = ${2 * FITTED_BYTES_MAX}))`;
}

function selected(lines: string): string {
  return `SELECT ${RECORD_COLUMNS.map(({ name, type, from }) => `CAST(${from} AS ${type}) AS "${name}"`).join(", ")} FROM ${lines}`;
}

function structureOf(shape: Shape): unknown {
  if (typeof shape === "string") return shape;
  if (isList(shape)) return [structureOf(shape[0])];
  return Object.fromEntries(Object.entries(shape).map(([name, member]) => [name, structureOf(member)]));
}

/** Figures about rows together, as `CHECKS` and `STATISTICS` select them. */
export interface FoundChecks {
  records: number;
  distinct: number;
  known: number;
  beside: number;
  least: number | null;
  greatest: number | null;
}

/** Ids of decisions, the least and the greatest as text. */
export type IdRange = readonly [least: string, greatest: string];

/** Statistics of a segment's records: a query looks at no file that they rule out. */
export interface Statistics {
  records: number;
  from_ms: number;
  to_ms: number;
  /** Ids of its decisions, and of those that its outcomes are of. */
  ids: IdRange | null;
  outcomes: IdRange | null;
}

const IS_KNOWN = `list_contains(${list(RECORD_KINDS)}, kind)`;
const number = (sql: string, name: string): string => `(${sql})::DOUBLE AS "${name}"`;

/** Selects the figures that show if rows are what they should be. */
export const CHECKS = [
  number("count(*)", "records"),
  number("count(DISTINCT seq)", "distinct"),
  number(`count(*) FILTER (${IS_KNOWN})`, "known"),
  number("count(*) FILTER (beside)", "beside"),
  number("min(seq)", "least"),
  number("max(seq)", "greatest"),
].join(", ");

const idRange = (where: string, name: string): string => {
  const [least, greatest] = ["min", "max"].map((of) => `(${of}(decision_id) FILTER (${where}))::VARCHAR`);
  return `CASE WHEN count(decision_id) FILTER (${where}) > 0 THEN [${least}, ${greatest}] END AS ${name}`;
};

export const STATISTICS = [
  CHECKS,
  number('coalesce(epoch_ms(min("time")), 0)', "from_ms"),
  number('coalesce(epoch_ms(max("time")), 0)', "to_ms"),
  idRange("decision IS NOT NULL", "ids"),
  idRange("kind = 'outcome'", "outcomes"),
].join(", ");

export const quoted = (text: string): string => text.replaceAll("'", "''");
