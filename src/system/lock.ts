/** One process writes a log or a store. The lock is a file that names it; a dead process's lock is taken over. */
import { linkSync, readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs";

export class Locked extends Error {
  override readonly name = "Locked";
}

/** A lock needs a file, and that can't be written. */
export class LockUnwritable extends Error {
  override readonly name = "LockUnwritable";
}

interface Holder {
  pid: number;
  /** When it started, in the kernel's ticks; null where the kernel doesn't say. Tells a reused pid from its first owner. */
  started: string | null;
  /** Within which processes are numbered, as Linux names it; null where the kernel doesn't say. */
  space: string | null;
}

/** Who has a lock. */
export interface Held {
  pid: number;
  /** The lock's own file. */
  lock: string;
  /** False: it may live where processes are numbered apart from ours, as in another container, and can't be looked for. */
  visible: boolean;
}

const held = new Set<string>();

/**
 * @param what is locked, as a message names it
 * @param path of the lock's own file; its folder exists
 * @returns releases the lock
 * @throws Locked where a living process, this one included, has it; LockUnwritable
 */
export function lock(what: string, path: string): () => void {
  const me: Holder = { pid: process.pid, started: processOf(process.pid)?.started ?? null, space: ownSpace() };
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
  let released = false;
  return () => {
    // Once: by the second time somebody else may have it.
    if (released) return;
    released = true;
    held.delete(path);
    rmSync(path, { force: true });
  };
}

/** Who has a lock now; null where it could be had. It is looked at, and nothing else. */
export function holderOf(path: string): Held | null {
  const holder = read(path);
  if (holder === null) return null;
  const { pid, space } = holder;
  const visible = space === null || space === ownSpace();
  return !visible || isAlive(holder) ? { pid, lock: path, visible } : null;
}

function write(what: string, path: string, me: Holder): void {
  try {
    writeFileSync(path, JSON.stringify(me));
  } catch (cause) {
    // The system names no file where a disk is full.
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new LockUnwritable(`${what} can't be locked: ${why}`, { cause });
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
  refuseLiving(what, path);
  // Who else finds the same dead holder must not remove the lock that came after it: one at a time looks again and removes.
  const done = lock(what, `${path}.evict`);
  try {
    refuseLiving(what, path);
    rmSync(path, { force: true });
  } finally {
    done();
  }
}

function refuseLiving(what: string, path: string): void {
  const holder = read(path);
  if (holder !== null && isAlive(holder)) throw new Locked(`${what} is locked by process ${holder.pid}`);
}

function read(path: string): Holder | null {
  try {
    const holder = JSON.parse(readFileSync(path, "utf8")) as Partial<Holder> | null;
    if (typeof holder?.pid !== "number") return null;
    return { pid: holder.pid, started: holder.started ?? null, space: holder.space ?? null };
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
  const now = processOf(pid);
  if (now === null) return true;
  return !now.over && (started === null || now.started === started);
}

interface Process {
  started: string;
  /** It has ended, all its threads with it, and nobody has asked how: it holds no file any more. */
  over: boolean;
}

function processOf(pid: number): Process | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // proc(5): fields 3, 20 and 22, counted after the command's closing parenthesis, which may itself hold spaces.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const [state, threads, started] = [fields[0], fields[17], fields[19]];
    if (started === undefined) return null;
    return { started, over: (state === "Z" || state === "X") && Number(threads) <= 1 };
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
