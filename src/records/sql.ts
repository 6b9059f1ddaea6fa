/** Questions in SQL about a log's folder: read-only, without any other file, the network, or extensions. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openOutside } from "./table_opening.js";
import { quoted } from "./schema.js";
import { saidSql } from "./select.js";

export interface SqlAnswer {
  columns: string[];
  rows: unknown[][];
  /** True if there are more rows than were asked for. */
  more: boolean;
}

export interface SqlTables {
  /** Answers one SELECT. @throws NotAQuestion, TooDear; what the engine reports */
  ask(sql: string, rows_max: number): Promise<SqlAnswer>;
  /**
   * Writes the answer of one SELECT as Parquet: a file, or with `byDay` a folder that has one in `date=2026-11-29/` for each day of its `time`.
   * @returns the path, which is gone once this is closed
   * @throws NotAQuestion, TooDear; what the engine reports
   */
  parquet(sql: string, byDay: boolean): Promise<string>;
  close(): void;
}

/**
 * Opens the records of a folder as two tables: `records`, with the columns of docs/reference/records-table.md, and `decisions`, those that were
 * judged, with `outcome` and `outcome_at`.
 */
export async function openSql(folder: string, progress: (seq: number, share: number) => void): Promise<SqlTables> {
  const { table, close: closeTable } = await openOutside(folder, progress);
  const { engine } = table;
  const temporary = mkdtempSync(join(tmpdir(), "remit-sql-"));
  const written = join(temporary, "answer");
  const close = (): void => {
    closeTable();
    rmSync(temporary, { recursive: true, force: true });
  };
  try {
    const source = await table.source();
    await engine.rows(`CREATE VIEW records AS SELECT * FROM ${source}`);
    await engine.rows(`CREATE VIEW decisions AS SELECT r.*, CASE kind WHEN 'observed' THEN reported ELSE said END AS outcome, said_at AS outcome_at
      FROM records AS r LEFT JOIN (${saidSql("records", String(table.indexedTo), ', arg_max("time", seq) AS said_at')}) USING (decision_id)
      WHERE kind IN ('decision', 'observed')`);
    await engine.lock(table.files, temporary);
    return {
      async ask(sql, rows_max) {
        await engine.checkQuestion(sql);
        return engine.question(sql, rows_max);
      },
      async parquet(sql, byDay) {
        await engine.checkQuestion(sql);
        const question = `(${sql.trim().replace(/;$/, "")}\n)`;
        const rows = byDay ? `(SELECT *, strftime("time", '%Y-%m-%d') AS date FROM ${question})` : question;
        const parts = byDay ? ", PARTITION_BY (date), FILENAME_PATTERN 'records_{i}'" : "";
        await engine.rows(`COPY ${rows} TO '${quoted(written)}' (FORMAT parquet, COMPRESSION zstd${parts})`);
        return written;
      },
      close,
    };
  } catch (cause) {
    close();
    throw cause;
  }
}
