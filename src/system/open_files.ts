/** Number of files that this process may have open at once. */
import { readFileSync } from "node:fs";

/** Fewer keep Node from loading a service's modules, of which it opens many at once. */
export const OPEN_FILES_LEAST = 256;
export const OPEN_FILES_HINT = "raise it (`ulimit -n`, `LimitNOFILE=`)";
const LIMIT = /^Max open files\s+(\d+)/m;

/** Infinity if the system doesn't say. */
export function openFilesMax(): number {
  try {
    return Number(LIMIT.exec(readFileSync("/proc/self/limits", "utf8"))?.[1] ?? Infinity);
  } catch {
    return Infinity;
  }
}
