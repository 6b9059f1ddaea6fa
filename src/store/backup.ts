/** A copy of a store that a service may be writing meanwhile, made by another process. */
import { existsSync, linkSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import Sqlite from "better-sqlite3";
import { flushSync } from "../system/replaced_file.js";
import { StoreUnreadable, verify } from "./file.js";

const BUSY_MS = 5000;

/**
 * Copies the store as of one moment, in one read transaction, which changes neither wait for nor disturb.
 * @param to must not exist yet
 * @returns the revision that the copy ends at
 * @throws StoreUnreadable if the store is missing or damaged
 */
export function backUp(file: string, to: string): { revision: number } {
  if (!existsSync(file)) throw new StoreUnreadable(`${file} doesn't exist`);
  if (existsSync(to)) throw new Error(`${to} exists`);
  const partial = `${to}.partial`;
  rmSync(partial, { force: true });
  try {
    const db = new Sqlite(file, { readonly: true, timeout: BUSY_MS });
    try {
      db.prepare("VACUUM INTO ?").run(partial);
    } finally {
      db.close();
    }
    const { revision } = verify(partial);
    flushSync(partial);
    // Fails where the file has come to be meanwhile, as a rename would not.
    linkSync(partial, to);
    flushSync(dirname(to));
    return { revision };
  } finally {
    rmSync(partial, { force: true });
  }
}
