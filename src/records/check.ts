/** Compares the Parquet files of a log's folder with what its records say: whoever asks a file that was edited learns what isn't so. */
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LineTooLong, segmentsOf } from "../audit/log/record_lines.js";
import type { Damage } from "../audit/tree/damage.js";
import type { Derived } from "../audit/tree/verify.js";
import { isSound, PARQUET_FOLDER, ParquetFolder, sealedSegment } from "./parquet.js";
import { RecordTable } from "./table.js";

/** Extent of the comparison of the files' content with the records. */
export type Compared = "compared" | "compared_in_part" | "not_compared";

export interface RecordsCheck extends Derived {
  /** Null if there are none. */
  compared: Compared | null;
}

const LIMITS = { memory_mb_max: 512, query_ms_max: 600_000 };

/**
 * Compares the files with the records; without a folder of them nothing is wrong. Throws nothing: whether the records are good is reported
 * anyway.
 */
export async function checkRecords(folder: string): Promise<RecordsCheck> {
  const kept = join(folder, PARQUET_FOLDER);
  const there = statSync(kept, { throwIfNoEntry: false });
  if (there === undefined) return { compared: null, damage: [], notes: [] };
  if (!there.isDirectory()) return { compared: "not_compared", damage: [damage(0, `\`${kept}\` is no folder`)], notes: [] };
  const named = readdirSync(kept).flatMap((name) => /^(\d{16})\.parquet$/.exec(name)?.[1] ?? []);
  if (named.length === 0) return { compared: null, damage: [], notes: [] };
  let temporary: string | null = null;
  try {
    temporary = mkdtempSync(join(tmpdir(), "remit-check-"));
    return await compare(folder, new Set(named.map(Number)), temporary);
  } catch (cause) {
    if (!(cause instanceof Error)) throw cause;
    return { compared: "not_compared", damage: [], notes: [`the index was not compared with the records: ${cause.message}`] };
  } finally {
    if (temporary !== null) rmSync(temporary, { recursive: true, force: true });
  }
}

async function compare(folder: string, named: ReadonlySet<number>, temporary: string): Promise<RecordsCheck> {
  const segments = segmentsOf(folder);
  const found = [...named]
    .filter((first) => !segments.some((segment) => segment.first === first))
    .map((first) => damage(first, `${nameOf(first)} is of a segment that the log hasn't`));
  // Every file is made again here; those of the folder are only looked at.
  const table = await RecordTable.open({ folder, parquet: join(temporary, "none"), made: join(temporary, "made") }, LIMITS);
  const notes: string[] = [];
  try {
    for (const [i, { first, name }] of segments.entries()) {
      const end = segments[i + 1]?.first;
      if (end === undefined) {
        if (named.has(first)) found.push(damage(first, `${nameOf(first)} is of a segment that isn't sealed`));
        break;
      }
      await table.advance(end - 1, Infinity);
      if (!named.has(first)) continue;
      const file = new ParquetFolder(join(folder, PARQUET_FOLDER)).read(sealedSegment(folder, { first, end }));
      if (file === null || !isSound(file)) found.push(damage(first, `${nameOf(first)} isn't the file that was made from ${name}`));
      else if (!(await table.isSame(file)))
        found.push(damage(first, `${nameOf(first)} says something else than records ${first} to ${end - 1}`));
    }
  } catch (cause) {
    if (!(cause instanceof LineTooLong)) throw cause;
    notes.push(`the index was compared with the records up to ${table.indexedTo}: ${cause.message}`);
  } finally {
    table.close();
  }
  return { compared: notes.length === 0 ? "compared" : "compared_in_part", damage: found, notes };
}

const nameOf = (first: number): string => join(PARQUET_FOLDER, `${String(first).padStart(16, "0")}.parquet`);

function damage(from: number, message: string): Damage {
  return { kind: "index_disagrees", from, to: from, message };
}
