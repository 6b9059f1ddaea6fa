/**
 * The store's SQLite file. Every call is synchronous and belongs in a worker. After an error the file is closed and opened
 * again rather than used on: a failed sync may succeed when repeated, without the pages being on the disk.
 */
import { closeSync, constants, existsSync, linkSync, openSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import Sqlite from "better-sqlite3";
import { flushSync } from "../system/replaced_file.js";
import { checksum, type NewRow, type NewRows, type StoreRow } from "./rows.js";
import type { ChangeFilter } from "./store.js";

/** Each call's revisions, or what it met instead. */
export type CallOutcome = number[] | { key: string; expected: number; found: number };

export interface Page {
  rows: StoreRow[];
  /** Revision after which the next page begins; null on the last page. */
  next: number | null;
}

/** The file is not a store that this version reads, or is damaged. */
export class StoreUnreadable extends Error {
  override readonly name = "StoreUnreadable";
}

/** File operations that the keeper needs; tests replace them by failing ones. */
export interface StoreOperations {
  readonly revision: number;
  write(calls: readonly NewRows[]): CallOutcome[];
  /** Rows after a revision. `latest`: none that a later change of its key has replaced. */
  page(after: number, limit: number, filter: ChangeFilter, latest: boolean): Page;
  backup(file: string): Promise<void>;
  /** Makes the state of `durable` the file's again, whatever an error left behind, and sees that it can be written. */
  recover(durable: number): void;
  close(): void;
}

/** "RMIT": tells a store from any other SQLite database. */
const APPLICATION_ID = 0x524d4954;

/** The schema's version is how many of these were applied. They are never changed, only added to. */
const MIGRATIONS = [
  `CREATE TABLE changes (
     revision INTEGER PRIMARY KEY,
     key TEXT NOT NULL,
     value TEXT NOT NULL,
     by TEXT NOT NULL,
     time TEXT NOT NULL,
     reason TEXT,
     change TEXT NOT NULL,
     checksum INTEGER NOT NULL
   ) STRICT;
   CREATE INDEX changes_by_key ON changes (key, revision);
   -- What a probe writes, so that a disk with next to no room isn't taken for a working one.
   CREATE TABLE probe (id INTEGER PRIMARY KEY CHECK (id = 1), pad BLOB NOT NULL) STRICT;
   INSERT INTO probe VALUES (1, zeroblob(65536));`,
];

const BUSY_MS = 5000;
/** A page ends after so much of either, so that no write waits for a long read. */
const PAGE_SPAN = 4000;
const PAGE_LENGTH_MAX = 1024 * 1024;

interface StoredRow extends StoreRow {
  checksum: number;
}

export class StoreFile implements StoreOperations {
  readonly #db: Sqlite.Database;
  readonly #lastOf: Sqlite.Statement<[string], { revision: number }>;
  readonly #insert: Sqlite.Statement<[StoredRow]>;
  #revision: number;

  /**
   * Makes the file where it is missing, brings an older schema up to date.
   * @throws StoreUnreadable
   */
  constructor(file: string) {
    if (!existsSync(file)) closeSync(openSync(file, constants.O_CREAT | constants.O_WRONLY, 0o600));
    this.#db = new Sqlite(file, { timeout: BUSY_MS });
    try {
      const version = isEmpty(this.#db) ? 0 : checkReadable(this.#db, file);
      durably(this.#db);
      migrate(this.#db, version);
      flushSync(dirname(file));
      this.#lastOf = this.#db.prepare("SELECT coalesce(max(revision), 0) AS revision FROM changes WHERE key = ?");
      this.#insert = this.#db.prepare("INSERT INTO changes VALUES (@revision, @key, @value, @by, @time, @reason, @change, @checksum)");
      this.#revision = lastRevision(this.#db);
    } catch (cause) {
      this.#db.close();
      throw unreadable(cause, file);
    }
  }

  get revision(): number {
    return this.#revision;
  }

  write(calls: readonly NewRows[]): CallOutcome[] {
    this.#db.exec("BEGIN IMMEDIATE");
    const outcomes: CallOutcome[] = [];
    let revision = this.#revision;
    for (const { rows, guard } of calls) {
      // All is looked at before any is written: a call in conflict leaves nothing to undo, and the others none the wiser.
      const guarded = guard === null ? 0 : this.#lastBelow(guard.prefix);
      if (guard !== null && guarded > guard.since) {
        outcomes.push({ key: guard.prefix, expected: guard.since, found: guarded });
        continue;
      }
      const conflict = rows
        .map(({ key, expected }) => ({ key, expected, found: this.#lastOf.get(key)?.revision ?? 0 }))
        .find(({ expected, found }) => expected !== found);
      outcomes.push(conflict ?? rows.map((row) => this.#add(row, ++revision)));
    }
    this.#db.exec("COMMIT");
    this.#revision = revision;
    return outcomes;
  }

  /** Returns the revision of the last change of keys that begin so. */
  #lastBelow(prefix: string): number {
    const sql = "SELECT revision FROM changes WHERE substr(key, 1, length(?)) = ? ORDER BY revision DESC LIMIT 1";
    return this.#db.prepare<[string, string], { revision: number }>(sql).get(prefix, prefix)?.revision ?? 0;
  }

  #add({ expected: _, ...given }: NewRow, revision: number): number {
    const row = { revision, ...given };
    this.#insert.run({ ...row, checksum: checksum(row) });
    return revision;
  }

  page(after: number, limit: number, filter: ChangeFilter, latest: boolean): Page {
    const { key = null, prefix = "" } = filter;
    // An index finds a key's few changes at once. Else only so many rows are looked at, whatever the filter leaves of them.
    const to = key === null ? Math.min(after + PAGE_SPAN, this.#revision) : this.#revision;
    const statement = this.#db.prepare<[object], StoredRow>(
      `SELECT * FROM changes AS c WHERE revision > @after AND revision <= @to
       ${key === null ? "AND substr(key, 1, length(@prefix)) = @prefix" : "AND key = @key"}
       ${latest ? "AND NOT EXISTS (SELECT 1 FROM changes AS d WHERE d.key = c.key AND d.revision > c.revision)" : ""}
       ORDER BY revision LIMIT @limit`,
    );
    const rows: StoreRow[] = [];
    let length = 0;
    for (const stored of statement.iterate({ after, to, limit, key, prefix })) {
      rows.push(sound(stored));
      length += stored.value.length;
      if (rows.length === limit || length >= PAGE_LENGTH_MAX) return { rows, next: stored.revision };
    }
    return { rows, next: to < this.#revision ? to : null };
  }

  async backup(file: string): Promise<void> {
    if (existsSync(file)) throw new Error(`${file} exists`);
    const partial = `${file}.partial`;
    rmSync(partial, { force: true });
    try {
      await copy(this.#db, partial);
      // Fails where the file has come to be meanwhile, as a rename would not.
      linkSync(partial, file);
    } finally {
      rmSync(partial, { force: true });
    }
    flushSync(dirname(file));
  }

  recover(durable: number): void {
    // First of all out of the write-ahead log: what follows a part of it that never reached the disk is lost with that part.
    const [checkpoint] = this.#db.pragma("wal_checkpoint(TRUNCATE)") as { busy: number }[];
    if (checkpoint?.busy !== 0) throw new Error("the write-ahead log is in use by another process");
    if (this.#revision < durable) {
      throw new StoreUnreadable(`the file ends at revision ${this.#revision}, ${durable} was acknowledged`);
    }
    this.#db.exec("BEGIN IMMEDIATE");
    // A commit that failed may have reached the file all the same; it was refused.
    this.#db.prepare("DELETE FROM changes WHERE revision > ?").run(durable);
    this.#db.exec("UPDATE probe SET pad = randomblob(65536)");
    this.#db.exec("COMMIT");
    this.#revision = durable;
  }

  close(): void {
    this.#db.close();
  }
}

/**
 * Reads the whole of a file that nobody writes.
 * @throws StoreUnreadable where it is no store, of a newer version, or damaged in any bit that counts
 */
export function verify(file: string): { revision: number; schema: number } {
  if (!existsSync(file)) throw new StoreUnreadable(`${file} doesn't exist`);
  try {
    const db = new Sqlite(file, { readonly: true, timeout: BUSY_MS });
    try {
      const schema = checkReadable(db, file);
      let revision = 0;
      for (const row of db.prepare<[], StoredRow>("SELECT * FROM changes ORDER BY revision").iterate()) {
        revision = sound(row).revision;
      }
      return { revision, schema };
    } finally {
      db.close();
    }
  } catch (cause) {
    throw unreadable(cause, file);
  }
}

/**
 * Copies a file that nobody writes.
 * @throws StoreUnreadable where it is missing, or so damaged that it can't be copied; `verify` the copy for the rest
 */
export async function copyFile(from: string, to: string): Promise<void> {
  if (!existsSync(from)) throw new StoreUnreadable(`${from} doesn't exist`);
  try {
    const source = new Sqlite(from, { readonly: true, timeout: BUSY_MS });
    try {
      await copy(source, to);
    } finally {
      source.close();
    }
  } catch (cause) {
    throw unreadable(cause, from);
  }
}

/** Into one file without a write-ahead log, and onto the disk. */
async function copy(db: Sqlite.Database, to: string): Promise<void> {
  closeSync(openSync(to, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY, 0o600));
  await db.backup(to);
  const written = new Sqlite(to);
  try {
    written.pragma("synchronous = FULL");
    written.pragma("journal_mode = DELETE");
  } finally {
    written.close();
  }
}

function isEmpty(db: Sqlite.Database): boolean {
  return db.prepare("SELECT 1 FROM sqlite_schema LIMIT 1").get() === undefined && applicationId(db) === 0;
}

/** @returns the schema's version */
function checkReadable(db: Sqlite.Database, file: string): number {
  if (applicationId(db) !== APPLICATION_ID) throw new StoreUnreadable(`${file} is not a store`);
  const version = db.pragma("user_version", { simple: true }) as number;
  if (version > MIGRATIONS.length) {
    throw new StoreUnreadable(`${file} has schema version ${version}, this version of Remit reads ${MIGRATIONS.length}`);
  }
  const found = db.pragma("integrity_check(1)", { simple: true }) as string;
  if (found !== "ok") throw new StoreUnreadable(`${file} is damaged: ${found}`);
  return version;
}

function durably(db: Sqlite.Database): void {
  const mode = db.pragma("journal_mode = WAL", { simple: true });
  if (mode !== "wal") throw new Error(`the file system gives no write-ahead log (journal mode ${String(mode)})`);
  // This build of SQLite would not sync a commit to the write-ahead log by default.
  db.pragma("synchronous = FULL");
  db.pragma("trusted_schema = OFF");
}

function migrate(db: Sqlite.Database, version: number): void {
  if (version === MIGRATIONS.length) return;
  db.exec("BEGIN IMMEDIATE");
  for (const migration of MIGRATIONS.slice(version)) db.exec(migration);
  db.pragma(`application_id = ${APPLICATION_ID}`);
  db.pragma(`user_version = ${MIGRATIONS.length}`);
  db.exec("COMMIT");
}

const applicationId = (db: Sqlite.Database): number => db.pragma("application_id", { simple: true }) as number;

function lastRevision(db: Sqlite.Database): number {
  const sql = "SELECT coalesce(max(revision), 0) AS revision FROM changes";
  return db.prepare<[], { revision: number }>(sql).get()?.revision ?? 0;
}

function sound({ checksum: found, ...row }: StoredRow): StoreRow {
  if (checksum(row) !== found) throw new StoreUnreadable(`the change at revision ${row.revision} is damaged`);
  return row;
}

/** SQLite's own words for a file that it can't make sense of. */
function unreadable(cause: unknown, file: string): unknown {
  const damaged = cause instanceof Sqlite.SqliteError && /^SQLITE_(CORRUPT|NOTADB)/.test(cause.code);
  return damaged ? new StoreUnreadable(`${file} is damaged: ${cause.message}`, { cause }) : cause;
}
