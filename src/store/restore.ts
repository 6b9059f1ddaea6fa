/** Puts a backup in a store's place. At every moment the store's name leads to the whole of the old one or of the new one. */
import { existsSync, realpathSync, renameSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { makeFolder } from "../system/folder.js";
import { lock } from "../system/lock.js";
import { flushSync } from "../system/replaced_file.js";
import { copyFile, verify } from "./file.js";

/** Beside the file itself, wherever a link to it is: whoever opens the store by another path meets the same lock. */
export function lockOf(file: string): string {
  return `${existsSync(file) ? realpathSync(file) : file}.lock`;
}

/**
 * Restores a store from a backup.
 * @param overwrite permits replacing an existing store, which is lost
 * @returns the revision that the store is back at
 * @throws StoreUnreadable if the backup isn't a store or is damaged; the store is untouched
 * @throws Locked while a service has the store
 */
export async function restore(backup: string, file: string, overwrite = false): Promise<{ revision: number }> {
  // On another machine there may be no folder yet.
  makeFolder(dirname(file));
  const unlock = lock(file, lockOf(file));
  try {
    finishRestore(file);
    if (existsSync(file) && !overwrite) throw new Error(`${file} exists`);
    const partial = `${file}.partial`;
    rmSync(partial, { force: true });
    try {
      await copyFile(backup, partial);
      // The copy is what counts, and shows what is wrong with the backup as well.
      const { revision } = verify(partial);
      renameSync(partial, pendingOf(file));
      flushSync(dirname(file));
      finishRestore(file);
      return { revision };
    } finally {
      rmSync(partial, { force: true });
    }
  } finally {
    unlock();
  }
}

/** Goes on where a restore was interrupted; whoever opens a store calls it first, with the lock held. */
export function finishRestore(file: string): void {
  const pending = pendingOf(file);
  if (!existsSync(pending)) return;
  // Of the old store: SQLite would take it for the new one's.
  rmSync(`${file}-wal`, { force: true });
  rmSync(`${file}-shm`, { force: true });
  renameSync(pending, file);
  flushSync(dirname(file));
}

const pendingOf = (file: string): string => `${file}.restored`;
