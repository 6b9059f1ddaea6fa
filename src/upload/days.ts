/** Splits a segment's file into one file for each day (UTC) of its records. */
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { SearchEngine } from "../records/engine.js";
import { INSERT_MS_MAX, quoted } from "../records/schema.js";
import { readRegularFile } from "../system/read_file.js";

/** Megabytes that the engine may use; with 8,192 rows at a time it needs a small part of it. */
const MEMORY_MB_MAX = 112;

/**
 * Returns the files of the days, one after another: each is gone from the disk when the next is asked for.
 * @param path the segment's file
 * @param temporary folder for the files; nothing is left in it
 * @throws what the disk or the engine reports
 */
export async function* filesByDay(path: string, temporary: string): AsyncGenerator<{ day: string; bytes: Buffer }> {
  const engine = await SearchEngine.open({ memory_mb_max: MEMORY_MB_MAX, query_ms_max: INSERT_MS_MAX });
  const rows = `read_parquet('${quoted(path)}')`;
  const day = `strftime("time", '%Y-%m-%d')`;
  const made = join(temporary, "day.parquet");
  try {
    const days = await engine.rows<{ day: string }>(`SELECT DISTINCT ${day} AS day FROM ${rows} ORDER BY day`);
    for (const { day: one } of days) {
      mkdirSync(temporary, { recursive: true, mode: 0o700 });
      await engine.rows(
        `COPY (SELECT * FROM ${rows} WHERE ${day} = '${quoted(one)}') TO '${quoted(made)}' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 8192)`,
      );
      const bytes = await readRegularFile(made);
      rmSync(made);
      yield { day: one, bytes };
    }
  } finally {
    rmSync(temporary, { recursive: true, force: true });
    engine.close();
  }
}
