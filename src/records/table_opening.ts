/** Opens the table of a log's records, as its service has it or as somebody from outside does. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { lock } from "../system/lock.js";
import { PARQUET_FOLDER } from "./parquet.js";
import { RecordTable, type Lacking } from "./table.js";

/** The open segment takes 62 MB of it at most. With what is beside it the process has 200 MB at its peak. */
const INSIDE = { memory_mb_max: 112, query_ms_max: 10_000 };
/** Limits for questions from outside the service: a caller there waits longer, and has the machine's memory. */
const OUTSIDE = { memory_mb_max: 512, query_ms_max: 120_000 };
/** Files of the index that earlier versions kept. */
const EARLIER = ["index.db", "index.db-wal", "index.db-shm", "index.db.partial", "index.db.partial-wal", "index.db.partial-shm"];

/** Whoever calls this has the log's lock. */
export async function openTable(folder: string, limits = INSIDE): Promise<{ table: RecordTable; removed: boolean }> {
  const removed = removeEarlier(folder);
  return { table: await RecordTable.open({ folder, parquet: join(folder, PARQUET_FOLDER), made: null }, limits), removed };
}

/** Opens what is in a folder and changes nothing there: files that are missing are made elsewhere, until it is closed. */
export async function openOutside(
  folder: string,
  progress: (seq: number, share: number) => void,
): Promise<{ table: RecordTable; close: () => void }> {
  const made = mkdtempSync(join(tmpdir(), "remit-records-"));
  const remove = (): void => {
    rmSync(made, { recursive: true, force: true });
  };
  try {
    const table = await RecordTable.open({ folder, parquet: join(folder, PARQUET_FOLDER), made: join(made, "parquet") }, OUTSIDE);
    await takeAll(table, progress);
    const close = (): void => {
      table.close();
      remove();
    };
    return { table, close };
  } catch (cause) {
    remove();
    throw cause;
  }
}

/**
 * Makes the files of a folder again.
 * @returns the last record in them, and what the log lacks of those up to there
 * @throws Locked if a service has the folder
 */
export async function rebuildRecords(
  folder: string,
  progress: (seq: number, share: number) => void,
): Promise<{ seq: number; lacking: Lacking | null }> {
  const unlock = lock(folder, join(folder, "lock"));
  try {
    rmSync(join(folder, PARQUET_FOLDER), { recursive: true, force: true });
    // Earlier versions wrote segments of more records than a service has room for.
    const { table } = await openTable(folder, OUTSIDE);
    try {
      await takeAll(table, progress);
      return { seq: table.indexedTo, lacking: table.lacking() };
    } finally {
      table.close();
    }
  } finally {
    unlock();
  }
}

/** Takes in all that is there. */
export async function takeAll(table: RecordTable, progress: (seq: number, share: number) => void): Promise<void> {
  for (let more = true; more;) {
    more = await table.advance(Infinity, 1);
    progress(table.indexedTo, table.share);
  }
}

/** Removes the files of an earlier version. @returns true if one was there */
function removeEarlier(folder: string): boolean {
  let removed = false;
  for (const name of EARLIER) {
    try {
      rmSync(join(folder, name));
      removed = true;
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== "ENOENT") throw cause;
    }
  }
  return removed;
}
