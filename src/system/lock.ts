/**
 * Exclusive locks for the folders that one process writes. The kernel holds a lock and releases it when its process ends, however that
 * ends: it is the lock of an SQLite transaction that is begun and never committed, on a file of its own (`<lock>.db`). The kernel sees
 * files and not their names, so a lock is seen through links and mounts, and from other PID namespaces (containers) of the same machine.
 * Beside it a file names the holder, for people.
 *
 * POSIX drops a process's locks on a file when the process closes any descriptor of it: nothing here but SQLite, which knows that, opens `<lock>.db`.
 */
import { linkSync, readlinkSync, rmSync, statSync, statfsSync, writeFileSync, type BigIntStats } from "node:fs";
import { hostname } from "node:os";
import { dirname } from "node:path";
import Sqlite from "better-sqlite3";
import { errorMessage } from "./error_message.js";
import { Locked, LockUnsafe, LockUnwritable, type Holder } from "./lock_errors.js";
import { readText } from "./read_file.js";

/**
 * File systems that another machine or kernel may mount as well, by their numbers in `statfs(2)`. Their locks are their server's at
 * best, and can be lost without a word; a sandbox with its own kernel (gVisor, Kata) sees its volumes as 9p or FUSE.
 */
const SHARED: ReadonlyMap<number, string> = new Map([
  [0x6969, "NFS"],
  [0x517b, "SMB"],
  [0xff534d42, "CIFS"],
  [0xfe534d42, "SMB2"],
  [0x65735546, "FUSE"],
  [0x01021997, "9p"],
  [0x00c36400, "Ceph"],
  [0x5346414f, "AFS"],
  [0x6b414653, "AFS"],
  [0x73757245, "Coda"],
  [0x0bd00bd0, "Lustre"],
  [0x47504653, "GPFS"],
]);

/** Connections that have a lock: one that is collected as garbage would release it. */
const held = new Set<Sqlite.Database>();
/** Inodes of the files whose locks this process has, by the paths that it took them by. */
const inodes = new Map<string, bigint | undefined>();

/** Name of the file system if other machines may mount it too, by its number in `statfs(2)`; null if it is this machine's alone. */
export function sharedFileSystem(type: number): string | null {
  return SHARED.get(type) ?? null;
}

/**
 * Takes a lock, without waiting for it.
 * @param what is locked, as a message names it
 * @param path of the file that names the holder; its folder exists
 * @returns releases the lock
 * @throws Locked if a process, this one included, has it; LockUnwritable; LockUnsafe
 */
export function lock(what: string, path: string): () => void {
  const file = `${path}.db`;
  const db = take(what, path, file);
  held.add(db);
  inodes.set(path, inodeAt(file));
  name(path);
  let released = false;
  return () => {
    // Once: by the second time another process may have it.
    if (released) return;
    released = true;
    // While it is held, so that nobody else's are removed.
    rmSync(path, { force: true });
    rmSync(file, { force: true });
    held.delete(db);
    inodes.delete(path);
    db.close();
  };
}

/**
 * Returns whether the file of a lock that this process has was removed or replaced: another process then finds nothing that keeps it
 * out. False for a path that nothing here has locked.
 */
export function isLockLost(path: string): boolean {
  const mine = inodes.get(path);
  return mine !== undefined && inodeAt(`${path}.db`) !== mine;
}

function inodeAt(file: string): bigint | undefined {
  return statAt(file)?.ino;
}

/** Undefined if there is no file, or none that can be looked at. */
function statAt(file: string): BigIntStats | undefined {
  try {
    return statSync(file, { bigint: true, throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}

function take(what: string, path: string, file: string): Sqlite.Database {
  for (;;) {
    make(what, file);
    const before = statAt(file);
    let db: Sqlite.Database;
    try {
      db = open(what, path, file);
    } catch (error) {
      // The holder removes the file as it ends, and so may a person: that one that is gone can't be opened says nothing of the lock.
      if (error instanceof LockUnwritable && !isSame(before, statAt(file))) continue;
      throw error;
    }
    // Nor would the lock of one that is gone keep anybody out.
    if (before !== undefined && inodeAt(file) === before.ino) return db;
    db.close();
  }
}

/** Returns whether both are one file, by its time of birth too: one that is made again is often given the inode of the one that was removed. */
function isSame(before: BigIntStats | undefined, after: BigIntStats | undefined): boolean {
  return before !== undefined && after !== undefined && before.ino === after.ino && before.birthtimeNs === after.birthtimeNs;
}

/** Makes the file if it is missing, under another name first: it must not be opened here. */
function make(what: string, file: string): void {
  const mine = `${file}.${process.pid}`;
  try {
    const shared = sharedFileSystem(statfsSync(dirname(file)).type);
    if (shared !== null)
      throw new LockUnsafe(
        `${what} is on a file system that other machines can mount too (${shared}): nothing keeps two services apart there`,
      );
    if (statSync(file, { throwIfNoEntry: false }) !== undefined) return;
    writeFileSync(mine, "", { mode: 0o600 });
    linkSync(mine, file);
  } catch (cause) {
    if (cause instanceof LockUnsafe) throw cause;
    if ((cause as NodeJS.ErrnoException).code !== "EEXIST") throw unwritable(what, cause);
  } finally {
    rmSync(mine, { force: true });
  }
}

function open(what: string, path: string, file: string): Sqlite.Database {
  let db: Sqlite.Database | null = null;
  try {
    db = new Sqlite(file, { timeout: 0, fileMustExist: true });
    // Nothing is ever written, to the file or beside it: a full disk is no reason to have no lock.
    db.pragma("journal_mode = MEMORY");
    db.exec("BEGIN EXCLUSIVE");
    return db;
  } catch (cause) {
    db?.close();
    if (!(cause instanceof Sqlite.SqliteError) || !cause.code.startsWith("SQLITE_BUSY")) throw unwritable(what, cause);
    const holder = read(path);
    throw new Locked(`${what} is ${heldBy(holder)}`, holder);
  }
}

function unwritable(what: string, cause: unknown): LockUnwritable {
  // The system names no file if a disk is full.
  return new LockUnwritable(`${what} can't be locked: ${errorMessage(cause)}`, { cause });
}

function heldBy(holder: Holder | null): string {
  if (holder === null) return "locked by another process";
  const { pid, host, space } = holder;
  if (space !== ownSpace()) return `locked by process ${pid} on \`${host}\`, in another container or on the host of this one`;
  return pid === process.pid ? "already open in this process" : `locked by process ${pid}`;
}

function name(path: string): void {
  const me: Holder = { pid: process.pid, host: hostname(), space: ownSpace() };
  try {
    // Whatever stands there is nobody's any more, and opened for writing a FIFO would wait for a reader.
    rmSync(path, { force: true });
    writeFileSync(path, JSON.stringify(me), { mode: 0o600, flag: "wx" });
  } catch {
    // The lock is had all the same; nobody must take an earlier holder for it.
    rmSync(path, { force: true });
  }
}

function read(path: string): Holder | null {
  try {
    const { pid, host, space } = JSON.parse(readText(path)) as Partial<Holder>;
    if (typeof pid !== "number" || typeof host !== "string") return null;
    return { pid, host, space: space ?? null };
  } catch {
    return null;
  }
}

function ownSpace(): string | null {
  try {
    return readlinkSync("/proc/self/ns/pid");
  } catch {
    return null;
  }
}
