/** Compares a folder's index with one made anew from its records: whoever asks an index that was edited is told what isn't so. */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Sqlite from "better-sqlite3";
import { segmentsOf } from "../reading.js";
import type { Damage } from "../tree/damage.js";
import { blockOf, seqAt } from "./block.js";
import { INDEX_FILE, IndexFile, PARTS_MAX } from "./file.js";
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

/** Where there is none nothing is wrong, and nothing is compared where the log's beginning was dropped. */
export function indexDamage(folder: string): Damage[] {
  const file = join(folder, INDEX_FILE);
  if (!existsSync(file) || segmentsOf(folder)[0]?.first !== 1) return [];
  const temporary = mkdtempSync(join(tmpdir(), "remit-index-"));
  try {
    const kept = upToWhich(file);
    if (kept instanceof IndexUnfit) return [damage(0, `the index can't be read: ${kept.message}`)];
    const fresh = join(temporary, INDEX_FILE);
    build(folder, fresh, OPTIONS).close();
    return compared(file, fresh, kept);
  } finally {
    rmSync(temporary, { recursive: true, force: true });
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

function compared(path: string, freshPath: string, seq: number): Damage[] {
  const kept = new Sqlite(path, { readonly: true });
  const fresh = new Sqlite(freshPath, { readonly: true });
  try {
    kept.exec("BEGIN");
    const beyond = boundsOf(kept.prepare<[], { seq: number }>("SELECT seq FROM log").get()?.seq ?? 0);
    const bounds = boundsOf(seq);
    const made = fresh.prepare<[], { seq: number }>("SELECT seq FROM log").get()?.seq ?? 0;
    if (seq > made) return [damage(made + 1, `the index goes up to record ${seq}, and the log to fewer`)];
    return TABLES.flatMap((table) => {
      const [row] = rowsOf(kept, { ...table, upTo: `NOT (${table.upTo})` }, beyond);
      const from =
        row !== undefined
          ? table.from(row)
          : firstDifference(table, rowsOf(kept, table, bounds), rowsOf(fresh, table, bounds));
      return from === null ? [] : [damage(from, `the index's ${table.name} are not what records from ${from} on say`)];
    });
  } finally {
    kept.close();
    fresh.close();
  }
}

function boundsOf(seq: number): Record<string, number> {
  const block = seq === 0 ? -1 : blockOf(seq);
  return { seq, block, part: (block + 1) * PARTS_MAX };
}

type Row = Record<string, unknown>;

function rowsOf(
  db: Sqlite.Database,
  { name, order, upTo }: Table,
  bounds: Readonly<Record<string, number>>,
): IterableIterator<Row> {
  const named = Object.fromEntries(Object.entries(bounds).filter(([bound]) => upTo.includes(`:${bound}`)));
  return db
    .prepare<[Record<string, number>], Row>(`SELECT * FROM ${name} WHERE ${upTo} ORDER BY ${order}`)
    .iterate(named);
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

function damage(from: number, message: string): Damage {
  return {
    kind: "index_disagrees",
    from,
    to: from,
    message: `${message}; \`remit audit rebuild-index\` makes it anew`,
  };
}
