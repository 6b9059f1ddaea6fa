/** One process writes a log or a store. The lock is a file that names it; a dead process's lock is taken over. */
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";

export class Locked extends Error {
  override readonly name = "Locked";
}

interface Holder {
  pid: number;
  /** When it started, in the kernel's ticks; null where the kernel doesn't say. Tells a reused pid from its first owner. */
  started: string | null;
}

const held = new Set<string>();

/**
 * @param what is locked, as a message names it
 * @param path of the lock's own file; its folder exists
 * @returns releases the lock
 * @throws Locked where a living process, this one included, has it
 */
export function lock(what: string, path: string): () => void {
  const me: Holder = { pid: process.pid, started: startOf(process.pid) };
  const mine = `${path}.${me.pid}`;
  if (held.has(path)) throw new Locked(`${what} is already open in this process`);
  try {
    // Linked into place, so that nobody ever reads half a lock.
    write(what, mine, me);
    while (!linked(mine, path)) evict(what, path);
  } finally {
    rmSync(mine, { force: true });
  }
  held.add(path);
  return () => {
    held.delete(path);
    rmSync(path, { force: true });
  };
}

function write(what: string, path: string, me: Holder): void {
  try {
    writeFileSync(path, JSON.stringify(me));
  } catch (cause) {
    // The system names no file where a disk is full.
    throw new Error(`${what} can't be locked: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}

function linked(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw cause;
  }
}

function evict(what: string, path: string): void {
  const holder = read(path);
  if (holder !== null && isAlive(holder)) throw new Locked(`${what} is locked by process ${holder.pid}`);
  const stale = `${path}.stale.${process.pid}`;
  try {
    renameSync(path, stale);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return;
    throw cause;
  }
  // Another process may have evicted the same dead holder first; what was moved away then is its living lock.
  const moved = read(stale);
  if (moved !== null && isAlive(moved)) linked(stale, path);
  rmSync(stale, { force: true });
}

function read(path: string): Holder | null {
  try {
    const holder = JSON.parse(readFileSync(path, "utf8")) as Partial<Holder> | null;
    return typeof holder?.pid === "number" ? { pid: holder.pid, started: holder.started ?? null } : null;
  } catch {
    return null;
  }
}

/** A lock with our own pid that we don't hold is an earlier process's: in a container every one has the same. */
function isAlive({ pid, started }: Holder): boolean {
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
  } catch (cause) {
    return (cause as NodeJS.ErrnoException).code === "EPERM";
  }
  const now = startOf(pid);
  return started === null || now === null || now === started;
}

function startOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // proc(5): field 22, counted after the command's closing parenthesis, which may itself hold spaces.
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? null;
  } catch {
    return null;
  }
}
