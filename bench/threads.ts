/** CPU of a process by kind of thread, from the kernel's accounting. */
import type { ChildProcess } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/**
 * Node gives its threads no names, and starts them in this order: those of V8 and one for signals before anything runs, and
 * libuv's pool with the first asynchronous access to a file. What comes later are workers.
 */
const V8_AND_SIGNALS = 6;
const POOL = 4;

export const INDEX = "lower priority (the index)";

/** Milliseconds of CPU so far. */
export function threadsMs({ pid }: ChildProcess): Map<string, number> {
  const folder = `/proc/${pid ?? 0}/task`;
  const ids = readdirSync(folder).sort((a, b) => Number(a) - Number(b));
  const own = nicenessOf(folder, String(pid));
  const found = new Map<string, number>();
  for (const [i, id] of ids.entries()) {
    try {
      const name = nicenessOf(folder, id) > own ? INDEX : nameOf(i);
      const ms = Number(readFileSync(join(folder, id, "schedstat"), "utf8").split(" ")[0]) / 1e6;
      found.set(name, (found.get(name) ?? 0) + ms);
    } catch {
      // It has ended meanwhile.
    }
  }
  return found;
}

function nameOf(place: number): string {
  if (place === 0) return "main";
  if (place <= V8_AND_SIGNALS) return "V8's helpers";
  if (place <= V8_AND_SIGNALS + POOL) return "libuv's pool";
  return `worker ${place - V8_AND_SIGNALS - POOL}`;
}

/** Field 19 of proc(5), `stat`. */
function nicenessOf(folder: string, id: string): number {
  const stat = readFileSync(join(folder, id, "stat"), "utf8");
  return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[16]);
}
