/** Questions that can be asked of the records, and each answer as JSON: the records in it go out as they stand in the log. */
import {
  HISTOGRAM_STEPS,
  NOVEL_FIELDS,
  type DecisionRecord,
  type Histogram,
  type HistogramCount,
  type HistogramField,
  type HistogramStep,
  type Novelty,
  type OutcomeState,
  type RecordFilter,
  type RecordOrder,
  type Summary,
  type SummaryField,
} from "../contract/index.js";
import { parse } from "../audit/log/record_numbers.js";
import { toCursor } from "./cursor.js";
import { Disagreement } from "./lines.js";
import { actionOf, matches, outcomeOf, outcomeState, rowOf, type MatchedRecord, type SaidOutcome } from "./row.js";
import { conditionOf, KNOWN, outcomeSql, saidSql, StatementValues } from "./select.js";
import type { Part, RecordTable, View } from "./table.js";

export interface PageAsk {
  kind: "page";
  filter: RecordFilter;
  order: RecordOrder;
  /** Record after which the page begins, in its order; null: the page begins with the first. */
  after: number | null;
  limit: number;
}

export type RecordQuestion =
  | PageAsk
  /** Page as a part of what several nodes have: `TimedPage`. */
  | { kind: "timed"; page: PageAsk }
  /** Record of a decision by its id, or any record by its number. */
  | { kind: "one"; id: string }
  /** Callers of these decisions, by their ids: an array of `DecidedBy`, null for an id that isn't there. */
  | { kind: "decided"; ids: readonly string[] }
  /** Whole records, in order: a tile of the log's entries. */
  | { kind: "entries"; from: number; to: number }
  | { kind: "summary"; filter: RecordFilter; by: readonly SummaryField[]; limit: number }
  | { kind: "histogram"; filter: RecordFilter; by: readonly HistogramField[]; step: HistogramStep }
  | { kind: "new"; from: number; to: number; limit: number };

/** Page of one node's records: each as JSON, with its number and time by which pages of several nodes become one. */
export interface TimedPage extends Pick<Some, "seqs" | "to" | "more"> {
  items: { time_ms: number; text: string }[];
  indexed_to: number;
}

/** `engine` where one in an application did. */
export type DecidedBy = { [K in "caller" | "engine"]: DecisionRecord[K] };

/** Records that match, each as JSON; `to` is how far was looked. */
export interface Some {
  items: string[];
  seqs: number[];
  to: number;
  more: boolean;
}

/** Groups are too many to count by at once. */
export class TooManyGroups extends Error {
  override readonly name = "TooManyGroups";
}

/** Way in which a question is answered: outcomes as they are seen now, and whether a record that isn't what it was found by ends it or is left out. */
export interface Asking {
  now_ms: number;
  overdue_ms: number;
  lenient: boolean;
}

/**
 * Asks a question of a table as it is now. What was derived of a segment in which a record isn't what it was found by is made again from the
 * log, and the question asked again; what still disagrees then is left out.
 * @throws TooManyGroups, TooDear
 */
export async function asked<T>(table: RecordTable, now: Omit<Asking, "lenient">, question: (query: RecordQuery) => Promise<T>): Promise<T> {
  for (let attempts = 0; ; attempts++) {
    try {
      return await table.ask((view) => question(new RecordQuery(table, view, { ...now, lenient: attempts >= FORGETTING_MAX })));
    } catch (cause) {
      if (!(cause instanceof Disagreement)) throw cause;
      await table.forget(cause.seq);
    }
  }
}

interface Place {
  seq: number;
  offset: number;
  length: number;
}

type Placed = Place & { decision_id: string | null };

/** A page ends after so much text, however many records were asked for. */
const PAGE_LENGTH_MAX = 4 * 1024 * 1024;
/** Segments that are made again for one question. */
const FORGETTING_MAX = 2;
export const GROUPS_MAX = 100_000;
/** Counts of one histogram. */
const HISTOGRAM_MAX = 10_000;
const SEQ = /^[1-9]\d{0,15}$/;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
/** Files that a page looks at in one statement: few at first, since the first mostly have enough. */
const PARTS_FIRST = 2;
const PARTS_MAX = 64;
const PARTS_WITH_OUTCOMES_MAX = 8;

/** Places of rows, in numbers that a client has. */
const PLACE = 'seq::DOUBLE AS seq, "offset"::DOUBLE AS "offset", length::DOUBLE AS length, decision_id::VARCHAR AS decision_id';

/** Questions to a table as it was at one time. */
export class RecordQuery {
  readonly #table: RecordTable;
  readonly #view: View;
  readonly #now: Asking;

  constructor(table: RecordTable, view: View, now: Asking) {
    this.#table = table;
    this.#view = view;
    this.#now = now;
  }

  /** The last record that it sees. */
  get until(): number {
    return this.#view.until;
  }

  /**
   * @returns JSON; null where there is no such record
   * @throws TooManyGroups, TooDear, Disagreement
   */
  answer(ask: RecordQuestion): Promise<string | null> {
    switch (ask.kind) {
      case "page":
        return this.#page(ask);
      case "timed":
        return this.#timed(ask.page);
      case "one":
        return this.#one(ask.id);
      case "decided":
        return this.#decided(ask.ids);
      case "entries":
        return this.#entries(ask.from, ask.to);
      case "summary":
        return this.#summary(ask);
      case "histogram":
        return this.#histogram(ask);
      case "new":
        return this.#novelty(ask);
    }
  }

  async #page(ask: PageAsk): Promise<string> {
    const { items, to, more } = await this.some(ask);
    const next = more ? JSON.stringify(toCursor(to)) : "null";
    return `{"items":[${items.join(",")}],"next":${next},"indexed_to":${this.until}}`;
  }

  async #timed(ask: PageAsk): Promise<string> {
    const { items, seqs, to, more } = await this.some(ask, timedText);
    return `{"items":[${items.join(",")}],"seqs":${JSON.stringify(seqs)},"to":${to},"more":${more},"indexed_to":${this.until}}`;
  }

  /** Records as a page has them, `limit` at most. @param textOf what is told of each, as JSON */
  async some({ filter, order, after, limit }: Omit<PageAsk, "kind">, textOf = itemText): Promise<Some> {
    const oldest = order === "oldest";
    const found: Some = { items: [], seqs: [], to: after ?? 0, more: false };
    const from = oldest && after !== null ? after + 1 : 1;
    const to = oldest || after === null ? this.until : Math.min(after - 1, this.until);
    const parts = this.#within(filter, from, to);
    if (!oldest) parts.reverse();
    let length = 0;
    const most = filter.outcome === undefined ? PARTS_MAX : PARTS_WITH_OUTCOMES_MAX;
    for (let at = 0, count = PARTS_FIRST; at < parts.length;) {
      const places = await this.#places(filter, parts.slice(at, at + count), from, to, oldest, limit + 1 - found.items.length);
      at += count;
      for (const read of await this.#read(places, filter)) {
        if (found.items.length === limit || length >= PAGE_LENGTH_MAX) return { ...found, more: true };
        const text = textOf(read);
        length += text.length;
        found.items.push(text);
        found.seqs.push(read.seq);
        found.to = read.seq;
      }
      // As many as it takes, by what those before had.
      const left = ((limit + 1 - found.items.length) * at) / found.items.length;
      count = Math.min(2 * count, Math.ceil(left), most);
    }
    return { ...found, to: oldest ? Math.max(this.until, found.to) : 0 };
  }

  async #one(id: string): Promise<string | null> {
    const [place] = SEQ.test(id) ? await this.#bySeq(Number(id), Number(id)) : await this.#byId([id]);
    if (place === undefined) return null;
    const [found] = await this.#read([place], {});
    if (found === undefined) return null;
    const reports = found.row.kind === "decision" || found.row.kind === "observed" ? await this.#reports([place]) : [];
    const outcomes = reports.map((report) => this.#line(report));
    const beside = `"beside":${found.beside ?? "null"},"beside_missing":${found.beside_missing}`;
    return `{${membersText(found)},"leaf":${found.seq - 1},${beside},"outcomes":[${outcomes.join(",")}],"indexed_to":${this.until}}`;
  }

  async #decided(ids: readonly string[]): Promise<string> {
    const wanted = [...new Set(ids)];
    const found = new Map<string, string>();
    if (wanted.length > 0)
      for (const { record } of await this.#read(await this.#byId(wanted), {})) {
        const { caller, engine, answer } = record as DecisionRecord;
        if (!found.has(answer.decision_id)) found.set(answer.decision_id, JSON.stringify({ caller, engine } satisfies DecidedBy));
      }
    return `[${ids.map((id) => found.get(id) ?? "null").join(",")}]`;
  }

  async #entries(from: number, to: number): Promise<string | null> {
    if (to > this.until) return null;
    const places = await this.#bySeq(from, to);
    if (places.length !== to - from + 1) return null;
    return `[${places.map((place) => this.#line(place)).join(",")}]`;
  }

  async #summary({ filter, by, limit }: Extract<RecordQuestion, { kind: "summary" }>): Promise<string> {
    const values = new StatementValues();
    const rule = by.includes("rule");
    const groups = by.map((field, i) => `${columnOf(field)} AS by_${i}`);
    if (rule) groups.push("rule.effect AS effect", "rule.severity AS rule_severity");
    const rows = this.#matching(rule ? "unnest(list_distinct(reasons)) AS rule, *" : "*", filter, values);
    const found = await this.#rows<Record<string, number | string | null>>(
      `SELECT *, (count(*) OVER ())::DOUBLE AS all_groups, sum(records) OVER () AS total FROM (
        SELECT ${[...groups, COUNTS].join(", ")}, epoch_ms(min("time"))::DOUBLE AS first, epoch_ms(max("time"))::DOUBLE AS last, max(seq)::DOUBLE AS last_seq
        FROM (${rows}) GROUP BY ALL)
      ORDER BY records DESC, last_seq DESC LIMIT ${limit}`,
      values,
    );
    const count = (name: string, row: Record<string, unknown> = {}): number => Number(row[name] ?? 0);
    const all = count("all_groups", found[0]);
    if (all > GROUPS_MAX) throw new TooManyGroups(`more than ${GROUPS_MAX} groups`);
    const told = found.map((row) => ({
      of: Object.assign(
        {},
        ...by.map((field, i) =>
          field === "rule" ? { rule: row[`by_${i}`], effect: row["effect"], severity: row["rule_severity"] } : { [field]: row[`by_${i}`] },
        ),
      ) as Record<string, string | null>,
      ...countsOf(row),
      first: new Date(count("first", row)).toISOString(),
      last: new Date(count("last", row)).toISOString(),
      last_seq: count("last_seq", row),
    }));
    // A record is in a group for each of its rules, or in none.
    const records = rule ? await this.#count(filter) : count("total", found[0]);
    return JSON.stringify({ by: [...by], records, groups: told, more: all > limit, indexed_to: this.until } satisfies Summary);
  }

  async #histogram({ filter, by, step }: Extract<RecordQuestion, { kind: "histogram" }>): Promise<string> {
    const values = new StatementValues();
    const step_ms = HISTOGRAM_STEPS[step];
    const columns = by.map((field, i) => `${columnOf(field)} AS by_${i}`);
    const order = ["step", "records DESC", ...by.map((_, i) => `by_${i}`)].join(", ");
    const found = await this.#rows<Record<string, number | string | null>>(
      `SELECT epoch_ms(time_bucket(to_milliseconds(${step_ms}), "time"))::DOUBLE AS step, ${[...columns, COUNTS].join(", ")}
        FROM (${this.#matching("*", filter, values)}) GROUP BY ALL ORDER BY ${order} LIMIT ${HISTOGRAM_MAX + 1}`,
      values,
    );
    if (found.length > HISTOGRAM_MAX) throw new TooManyGroups(`more than ${HISTOGRAM_MAX} counts`);
    const counts = found.map((row) => ({
      from: new Date(Number(row["step"])).toISOString(),
      of: Object.fromEntries(by.map((field, i) => [field, row[`by_${i}`] as string | null])),
      ...countsOf(row),
    }));
    return JSON.stringify({ by: [...by], step_ms, counts, indexed_to: this.until } satisfies Histogram);
  }

  async #novelty({ from, to, limit }: Extract<RecordQuestion, { kind: "new" }>): Promise<string> {
    const parts = this.#within({}, 1, this.until);
    this.#table.check(parts);
    const source = this.#table.sourceOf(parts);
    const values = new StatementValues();
    const until = values.add(this.until);
    const judged = "kind IN ('decision', 'observed')";
    const texts: Record<(typeof NOVEL_FIELDS)[number], [text: string, from: string]> = {
      agent: ["agent", source],
      purpose: ["purpose", source],
      verb: ["verb", source],
      type: ['"type"', source],
      caller: ["caller", source],
      bundle: ["digest", source],
      rule: ["code", `(SELECT unnest(reasons).code AS code, seq, "time" FROM ${source} WHERE ${judged})`],
      habit: ["agent || ' ' || verb || ' ' || \"type\"", `(SELECT * FROM ${source} WHERE ${judged})`],
    };
    const each = NOVEL_FIELDS.map((field) => {
      const [text, of] = texts[field];
      return `SELECT '${field}' AS field, ${text} AS value, min(seq) AS first, epoch_ms(arg_min("time", seq)) AS ms FROM ${of} WHERE ${text} IS NOT NULL AND seq <= ${until} GROUP BY ALL`;
    });
    const inRange = [
      ...(Number.isFinite(from) ? [`ms >= ${values.add(from)}`] : []),
      ...(Number.isFinite(to) ? [`ms < ${values.add(to)}`] : []),
      "true",
    ];
    const found = await this.#rows<{ field: Novelty["items"][number]["field"]; value: string; seq: number; ms: number }>(
      `SELECT field, value, first::DOUBLE AS seq, ms::DOUBLE AS ms FROM (${each.join(" UNION ALL ")}) WHERE ${inRange.join(" AND ")}
        ORDER BY first DESC, field, value LIMIT ${limit + 1}`,
      values,
    );
    const items = found.slice(0, limit).map(({ field, value, seq, ms }) => ({ field, value, seq, time: new Date(ms).toISOString() }));
    return JSON.stringify({ items, more: found.length > limit, indexed_to: this.until } satisfies Novelty);
  }

  /** Parts that can have what matches, the oldest first. */
  #within({ from = -Infinity, to = Infinity }: RecordFilter, low: number, high: number): Part[] {
    return this.#view.parts.filter((part) => part.end > low && part.first <= high && part.to_ms >= from && part.from_ms < to);
  }

  #rows<T>(sql: string, { all }: StatementValues): Promise<T[]> {
    return this.#table.engine.rows<T>(sql, all);
  }

  async #count(filter: RecordFilter): Promise<number> {
    const values = new StatementValues();
    const [row] = await this.#rows<{ n: number }>(this.#matching("count(*)::DOUBLE AS n", filter, values), values);
    return row?.n ?? 0;
  }

  #matching(columns: string, filter: RecordFilter, values: StatementValues): string {
    return this.#selected(columns, filter, this.#within(filter, 1, this.until), 1, this.until, values);
  }

  /** A statement for the rows of some parts that match. It names what it is asked for, since planning all columns takes as long as reading them. */
  #selected(columns: string, filter: RecordFilter, parts: readonly Part[], from: number, to: number, values: StatementValues): string {
    const reporting = filter.outcome === undefined ? [] : this.#reporting(parts);
    this.#table.check([...parts, ...reporting]);
    const source = `${this.#table.sourceOf(parts)} WHERE seq BETWEEN ${values.add(from)} AND ${values.add(to)} AND ${conditionOf(filter, values)}`;
    if (filter.outcome === undefined) return `SELECT ${columns} FROM ${source}`;
    const state = outcomeSql(this.#now.now_ms, this.#now.overdue_ms, values);
    const said = saidSql(this.#table.sourceOf(reporting), values.add(this.until));
    return `SELECT ${columns} FROM (SELECT * FROM ${source}) LEFT JOIN (${said}) USING (decision_id) WHERE ${state} IN ${values.in(filter.outcome)}`;
  }

  async #places(filter: RecordFilter, parts: readonly Part[], from: number, to: number, oldest: boolean, limit: number): Promise<Placed[]> {
    const values = new StatementValues();
    const rows = this.#selected(PLACE, filter, parts, from, to, values);
    return this.#rows<Placed>(`${rows} ORDER BY seq ${oldest ? "ASC" : "DESC"} LIMIT ${limit}`, values);
  }

  async #bySeq(from: number, to: number): Promise<Placed[]> {
    if (from > this.until) return [];
    return this.#places({}, this.#within({}, from, to), from, Math.min(to, this.until), true, to - from + 1);
  }

  /** The first record of each decision. */
  async #byId(ids: readonly string[]): Promise<Placed[]> {
    const known = ids.filter((id) => UUID.test(id));
    const rows = await this.#ofDecisions<Placed>(known, 1, "ids", PLACE, "decision IS NOT NULL");
    return [...new Map(rows.toReversed().map((row) => [row.decision_id, row])).values()].reverse();
  }

  /** Rows that name one of these decisions, in order. @param first record before which none is looked for */
  async #ofDecisions<T>(ids: readonly string[], first: number, range: "ids" | "outcomes", columns: string, where: string): Promise<T[]> {
    const parts = this.#within({}, first, this.until).filter(({ [range]: within }) =>
      ids.some((id) => within !== null && within[0] <= id && id <= within[1]),
    );
    if (parts.length === 0) return [];
    this.#table.check(parts);
    const values = new StatementValues();
    const wanted = ids.map((id) => `${values.add(id)}::UUID`).join(", ");
    return this.#rows<T>(
      `SELECT ${columns} FROM ${this.#table.sourceOf(parts)} WHERE decision_id IN (${wanted}) AND ${where} AND seq <= ${values.add(this.until)} ORDER BY seq`,
      values,
    );
  }

  /** Parts in which outcomes of the decisions of others can stand. */
  #reporting(of: readonly Part[]): Part[] {
    const ids = of.flatMap(({ ids }) => (ids === null ? [] : [ids]));
    const first = Math.min(...of.map((part) => part.first));
    return this.#view.parts.filter(
      ({ end, outcomes }) =>
        outcomes !== null && end > first && ids.some(([least, greatest]) => outcomes[0] <= greatest && outcomes[1] >= least),
    );
  }

  /** Records that report what became of decisions, in order. */
  #reports(decisions: readonly Placed[]): Promise<(Placed & { reported: SaidOutcome })[]> {
    const ids = decisions.flatMap(({ decision_id }) => decision_id ?? []);
    const first = Math.min(...decisions.map(({ seq }) => seq));
    return this.#ofDecisions(ids, first, "outcomes", `${PLACE}, reported`, `kind = 'outcome' AND reported IN ${KNOWN}`);
  }

  /**
   * The records themselves, each held against what it was found by.
   * @throws Disagreement; SegmentGone if retention dropped one meanwhile: the question is asked again
   */
  async #read(places: readonly Placed[], filter: RecordFilter): Promise<MatchedRecord[]> {
    const reports = new Map<string, Place>();
    for (const report of await this.#reports(places)) if (report.decision_id !== null) reports.set(report.decision_id, report);
    const found: MatchedRecord[] = [];
    for (const place of places) {
      const report = place.decision_id === null ? undefined : reports.get(place.decision_id);
      try {
        found.push(this.#found(place, report, filter));
      } catch (cause) {
        if (!(cause instanceof Disagreement && this.#now.lenient)) throw cause;
      }
    }
    return found;
  }

  #found(place: Placed, report: Place | undefined, filter: RecordFilter): MatchedRecord {
    const { seq } = place;
    const text = this.#line(place);
    const record = parse(text) as { seq?: unknown; beside?: unknown } | null;
    const beside = this.#table.besideOf(seq, record);
    const row = rowOf(record, beside === null ? null : parse(beside));
    const said = row.kind === "decision" && report !== undefined && report.seq > seq ? this.#said(report, row.decision_id) : null;
    const outcome: OutcomeState | null = outcomeState(row, said, this.#now.now_ms, this.#now.overdue_ms);
    if (record?.seq !== seq || !matches(row, outcome, filter)) throw new Disagreement(seq, `record ${seq} isn't what it was found by`);
    return { seq, row, outcome, text, record, beside, beside_missing: beside === null && record.beside !== undefined };
  }

  #said(report: Place, decision_id: string | null): SaidOutcome | null {
    const row = rowOf(parse(this.#line(report)));
    const said = outcomeOf(row);
    if (row.kind !== "outcome" || row.decision_id !== decision_id || said === null)
      throw new Disagreement(report.seq, `record ${report.seq} is no outcome of decision ${decision_id}`);
    return said;
  }

  #line({ seq, offset, length }: Place): string {
    return this.#table.lines.record(seq, { offset, length }).toString("utf8");
  }
}

/** The column that a field of a summary is counted by. */
function columnOf(field: SummaryField): string {
  if (field === "rule") return "rule.code";
  return field === "bundle" ? "digest" : `"${field}"`;
}

const COUNTED = ["records", "allow", "deny", "flag", "proceed"] as const;
type Counts = Pick<HistogramCount, (typeof COUNTED)[number]>;
const COUNTS = `count(*)::DOUBLE AS records, (count(*) FILTER (decision = 'allow'))::DOUBLE AS allow, (count(*) FILTER (decision = 'deny'))::DOUBLE AS deny,
  (count(*) FILTER (decision = 'flag'))::DOUBLE AS flag, (count(*) FILTER (proceed))::DOUBLE AS proceed`;

function countsOf(row: Readonly<Record<string, unknown>>): Counts {
  return Object.fromEntries(COUNTED.map((name) => [name, Number(row[name] ?? 0)])) as Counts;
}

function itemText(found: MatchedRecord): string {
  return `{${membersText(found)}}`;
}

function timedText(found: MatchedRecord): string {
  return JSON.stringify({ time_ms: found.row.time_ms, text: itemText(found) });
}

function membersText({ seq, row, outcome, text }: MatchedRecord): string {
  return `"seq":${seq},"action":${JSON.stringify(actionOf(row))},"outcome":${JSON.stringify(outcome)},"record":${text}`;
}
