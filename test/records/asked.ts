/** Asking the records of a folder as their process does, to the end. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { RecordFilter, RecordPage } from "../../src/contract/index.js";
import { asked, type RecordQuestion } from "../../src/records/ask.js";
import { fromCursor } from "../../src/records/cursor.js";
import { openTable } from "../../src/records/table_opening.js";
import type { RecordTable } from "../../src/records/table.js";
import { OVERDUE_MS } from "./brute.js";
import { RandomLog, type LogOptions } from "./random_log.js";

export interface Paging {
  order?: "newest" | "oldest";
  limit?: number;
  now_ms?: number;
}

export function text(table: RecordTable, ask: RecordQuestion, now_ms = 0): Promise<string | null> {
  return asked(table, { now_ms, overdue_ms: OVERDUE_MS }, (query) => query.answer(ask));
}

export async function page(
  table: RecordTable,
  filter: RecordFilter,
  after: number | null,
  { order = "oldest", limit = 1000, now_ms = 0 }: Paging,
): Promise<RecordPage> {
  return JSON.parse((await text(table, { kind: "page", filter, order, after, limit }, now_ms)) ?? "") as RecordPage;
}

/** Numbers of all that match, over as many pages as it takes. */
export async function all(table: RecordTable, filter: RecordFilter, paging: Paging = {}): Promise<number[]> {
  const seqs: number[] = [];
  for (let after: number | null = null; ;) {
    const { items, next }: RecordPage = await page(table, filter, after, paging);
    seqs.push(...items.map(({ seq }) => seq));
    if (next === null) return seqs;
    after = fromCursor(next);
  }
}

/** Folders with logs, and their tables, which are closed and deleted together. */
export class Folders {
  readonly #folders: string[] = [];
  readonly #opened = new Set<RecordTable>();

  make(): string {
    const folder = mkdtempSync(join(tmpdir(), "remit-records-"));
    this.#folders.push(folder);
    return folder;
  }

  with(records: number, options: LogOptions = {}): { folder: string; log: RandomLog } {
    const folder = this.make();
    return { folder, log: new RandomLog(folder, options).grow(records) };
  }

  async open(folder: string): Promise<RecordTable> {
    const { table } = await openTable(folder);
    this.#opened.add(table);
    return table;
  }

  async caughtUp(folder: string, to = Infinity): Promise<RecordTable> {
    const table = await this.open(folder);
    while (await table.advance(to, Infinity));
    return table;
  }

  close(table: RecordTable): void {
    if (this.#opened.delete(table)) table.close();
  }

  clear(): void {
    for (const table of [...this.#opened]) this.close(table);
    for (const folder of this.#folders.splice(0)) rmSync(folder, { recursive: true, force: true });
  }
}
