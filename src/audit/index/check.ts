/** Compares a folder's index with one made anew from its records: whoever asks an index that was edited is told what isn't so. */
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Sqlite from "better-sqlite3";
import { numberedIn } from "../numbered.js";
import { LineTooLong, segmentsOf } from "../reading.js";
import type { Damage } from "../tree/damage.js";
import type { Derived } from "../tree/verify.js";
import { blockOf, seqAt } from "./block.js";
import { digestOf, INDEX_FILE, IndexFile, PARTS_MAX, unfit } from "./file.js";
import { build } from "./offline.js";
import { IndexUnfit } from "./unfit.js";

/** What an index is asked for has no part in what it holds. */
const OPTIONS = { overdue_ms: 0, progress: (): void => undefined };

interface Table {
  name: string;
  order: string;
  /** Which rows an index has that goes up to a record: a condition on `:seq`, `:block` and `:part`. */
  upTo: string;
  /** The record from which on a row matters. */
  from: (row: Readonly<Record<string, unknown>>) => number;
}

const number = (value: unknown): number => (typeof value === "number" ? value : 0);

const TABLES: readonly Table[] = [
  { name: "terms", order: "id", upTo: "first <= :seq", from: ({ first }) => number(first) },
  { name: "blocks", order: "number", upTo: "number <= :block", from: (row) => seqAt(number(row["number"]), 0) },
  { name: "parts", order: "id", upTo: "id < :part", from: ({ id }) => seqAt(Math.floor(number(id) / PARTS_MAX), 0) },
  {
    name: "places",
    order: "stretch, term, block",
    upTo: "block <= :block",
    from: ({ block }) => seqAt(number(block), 0),
  },
  { name: "outcomes", order: "decision, seq", upTo: "seq <= :seq", from: ({ decision }) => number(decision) },
  { name: "besides", order: "seq", upTo: "seq <= :seq", from: ({ seq }) => number(seq) },
];

/** Whether all that an index says was compared with the records. */
export type Compared = "compared" | "compared_in_part" | "not_compared";

export interface IndexCheck extends Derived {
  /** Null where there is none. */
  compared: Compared | null;
}

/** Where there is none nothing is wrong. Nothing is thrown: whether the records are good is said all the same. */
export function checkIndex(folder: string): IndexCheck {
  const file = join(folder, INDEX_FILE);
  const there = statSync(file, { throwIfNoEntry: false });
  if (there === undefined) return { compared: null, damage: [], notes: [] };
  if (!there.isFile())
    return { compared: "not_compared", damage: [damage(0, `the index can't be read: \`${file}\` is no file`)], notes: [] };
  let temporary: string | null = null;
  try {
    temporary = mkdtempSync(join(tmpdir(), "remit-index-"));
    return compare(folder, file, join(temporary, INDEX_FILE));
  } catch (cause) {
    if (!(cause instanceof Error)) throw cause;
    return {
      compared: "not_compared",
      damage: [],
      notes: [`the index was not compared with the records: ${cause.message}`],
    };
  } finally {
    if (temporary !== null) rmSync(temporary, { recursive: true, force: true });
  }
}

function compare(folder: string, file: string, fresh: string): IndexCheck {
  const seq = upToWhich(file);
  if (seq instanceof IndexUnfit) return { compared: "not_compared", damage: [unreadable(seq)], notes: [] };
  const first = segmentsOf(folder)[0]?.first ?? 1;
  if (first > 1) {
    new IndexFile(fresh).close();
    const note = "the index was looked at by itself, and not compared with the records: those that it was made from were dropped in part";
    const found = comparing(file, fresh, (kept) => (seq < first ? [] : endDamage(folder, kept)));
    return { compared: "not_compared", damage: found, notes: [note] };
  }
  const stopped = makeAnew(folder, fresh);
  const notes: string[] = [];
  const found = comparing(file, fresh, (kept, made) => {
    const to = upTo(made);
    if (seq <= to) {
      const tables = tablesDamage(kept, made, seq);
      return tables.length > 0 ? tables : endDamage(folder, kept);
    }
    if (stopped === null) return [damage(to + 1, `the index goes up to record ${seq}, and the log to fewer`)];
    notes.push(`the index was compared with the records up to ${to}: ${stopped}`);
    return tablesDamage(kept, made, to);
  });
  return { compared: notes.length === 0 ? "compared" : "compared_in_part", damage: found, notes };
}

/** @returns why it goes no further than up to some record, which is no matter where the index doesn't either */
function makeAnew(folder: string, fresh: string): string | null {
  try {
    build(folder, fresh, OPTIONS).close();
    return null;
  } catch (cause) {
    if (!(cause instanceof LineTooLong)) throw cause;
    return cause.message;
  }
}

function upToWhich(path: string): number | IndexUnfit {
  try {
    const file = new IndexFile(path, { readonly: true });
    try {
      return file.seq;
    } finally {
      file.close();
    }
  } catch (cause) {
    if (cause instanceof IndexUnfit) return cause;
    throw cause;
  }
}

type Compare = (kept: Sqlite.Database, fresh: Sqlite.Database) => Damage[];

/** Its file comes first: a look-up can pass over a row that a scan finds. */
function comparing(path: string, freshPath: string, compare: Compare): Damage[] {
  const kept = new Sqlite(path, { readonly: true });
  const fresh = new Sqlite(freshPath, { readonly: true });
  try {
    kept.exec("BEGIN");
    if (schemaOf(kept) !== schemaOf(fresh)) return [damage(0, "the index's tables are not those that an index has")];
    const sound = String(kept.pragma("integrity_check(1)", { simple: true }));
    if (sound !== "ok") return [damage(0, `the index's file isn't sound: ${sound.replaceAll("\n", " ")}`)];
    return compare(kept, fresh);
  } catch (cause) {
    const why = unfit(cause);
    if (why instanceof IndexUnfit) return [unreadable(why)];
    throw cause;
  } finally {
    kept.close();
    fresh.close();
  }
}

function schemaOf(db: Sqlite.Database): string {
  return JSON.stringify(db.prepare("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name").all());
}

interface End {
  seq: number;
  digest: string;
  number: number;
  end_position: number;
}

/** An index is gone on with where it says that it ends: what it has beyond that would be passed over. */
function endDamage(folder: string, kept: Sqlite.Database): Damage[] {
  const last = kept.prepare<[], End>("SELECT * FROM log, blocks ORDER BY number DESC LIMIT 1").get();
  if (last === undefined) return [];
  const { seq } = last;
  if (last.digest === digestIn(folder, seq) && seqAt(last.number, last.end_position - 1) === seq) return [];
  return [damage(seq, `the index ends with another record ${seq} than the log has`)];
}

/** Of a record, as its own number says which it is; null where it isn't there. */
function digestIn(folder: string, seq: number): string | null {
  for (const record of numberedIn({ folder, from: seq })) return record.seq === seq ? digestOf(record.bytes) : null;
  return null;
}

function upTo(db: Sqlite.Database): number {
  return db.prepare<[], { seq: number }>("SELECT seq FROM log").get()?.seq ?? 0;
}

function tablesDamage(kept: Sqlite.Database, fresh: Sqlite.Database, seq: number): Damage[] {
  const beyond = boundsOf(upTo(kept));
  const bounds = boundsOf(seq);
  return TABLES.flatMap((table) => {
    const [row] = rowsOf(kept, { ...table, upTo: `NOT (${table.upTo})` }, beyond);
    const from = row !== undefined ? table.from(row) : firstDifference(table, rowsOf(kept, table, bounds), rowsOf(fresh, table, bounds));
    return from === null ? [] : [damage(from, `the index's ${table.name} are not what records from ${from} on say`)];
  });
}

function boundsOf(seq: number): Record<string, number> {
  const block = seq === 0 ? -1 : blockOf(seq);
  return { seq, block, part: (block + 1) * PARTS_MAX };
}

type Row = Record<string, unknown>;

function rowsOf(db: Sqlite.Database, { name, order, upTo }: Table, bounds: Readonly<Record<string, number>>): IterableIterator<Row> {
  const named = Object.fromEntries(Object.entries(bounds).filter(([bound]) => upTo.includes(`:${bound}`)));
  return db.prepare<[Record<string, number>], Row>(`SELECT * FROM ${name} WHERE ${upTo} ORDER BY ${order}`).iterate(named);
}

/** The record from which on the first row that differs matters. */
function firstDifference({ from }: Table, kept: IterableIterator<Row>, fresh: IterableIterator<Row>): number | null {
  for (;;) {
    const [a, b] = [kept.next(), fresh.next()];
    if (a.done === true && b.done === true) return null;
    if (a.done !== true && b.done !== true && isSame(a.value, b.value)) continue;
    kept.return?.();
    fresh.return?.();
    return Math.min(...[a, b].flatMap(({ done, value }) => (done === true ? [] : [from(value)])));
  }
}

function isSame(a: Row, b: Row): boolean {
  return Object.keys(a).every((key) => {
    const [x, y] = [a[key], b[key]];
    return Buffer.isBuffer(x) && Buffer.isBuffer(y) ? x.equals(y) : x === y;
  });
}

function unreadable({ message }: IndexUnfit): Damage {
  return damage(0, `the index can't be read: ${message}`);
}

function damage(from: number, message: string): Damage {
  return { kind: "index_disagrees", from, to: from, message };
}
