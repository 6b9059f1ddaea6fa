/** Asking an index as a service does, to the end. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { RecordFilter, RecordPage } from "../../../src/contract/index.js";
import { answer, type Ask } from "../../../src/audit/index/ask.js";
import { fromCursor } from "../../../src/audit/index/cursor.js";
import type { RecordIndex } from "../../../src/audit/index/record_index.js";
import { openIndex } from "../../../src/audit/index/serve.js";
import { OVERDUE_MS } from "./brute.js";
import { RandomLog, type LogOptions } from "./random_log.js";

export interface Paging {
  order?: "newest" | "oldest";
  limit?: number;
  now_ms?: number;
}

export function text(index: RecordIndex, ask: Ask, now_ms = 0): string | null {
  const steps = answer(index, ask, index.indexedTo, now_ms);
  for (;;) {
    const { value, done } = steps.next();
    if (done === true) return value;
  }
}

export function page(
  index: RecordIndex,
  filter: RecordFilter,
  after: number | null,
  { order = "oldest", limit = 1000, now_ms = 0 }: Paging,
): RecordPage {
  return JSON.parse(text(index, { kind: "page", filter, order, after, limit }, now_ms) ?? "") as RecordPage;
}

/** Over as many pages as it takes. */
export function all(index: RecordIndex, filter: RecordFilter, paging: Paging = {}): number[] {
  const seqs: number[] = [];
  for (let after: number | null = null; ;) {
    const { items, next }: RecordPage = page(index, filter, after, paging);
    seqs.push(...items.map(({ seq }) => seq));
    if (next === null) return seqs;
    after = fromCursor(next);
  }
}

/** Folders with logs, and their indexes, which are closed and deleted together. */
export class Folders {
  readonly #folders: string[] = [];
  readonly #opened = new Set<RecordIndex>();

  make(): string {
    const folder = mkdtempSync(join(tmpdir(), "remit-index-"));
    this.#folders.push(folder);
    return folder;
  }

  with(records: number, options: LogOptions = {}): { folder: string; log: RandomLog } {
    const folder = this.make();
    return { folder, log: new RandomLog(folder, options).grow(records) };
  }

  /** @param to the last record that is durable */
  open(folder: string, to = Infinity): { index: RecordIndex; unfit: string | null } {
    const { opened: index, unfit } = openIndex({ folder, file: join(folder, "index.db"), overdue_ms: OVERDUE_MS }, to);
    this.#opened.add(index);
    return { index, unfit };
  }

  caughtUp(folder: string, to = Infinity): RecordIndex {
    const { index } = this.open(folder);
    index.advance(to, Infinity);
    return index;
  }

  close(index: RecordIndex): void {
    this.#opened.delete(index);
    index.close();
  }

  clear(): void {
    for (const index of this.#opened) this.close(index);
    for (const folder of this.#folders.splice(0)) rmSync(folder, { recursive: true, force: true });
  }
}
