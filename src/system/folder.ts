/** Folders that a start makes. */
import { mkdirSync, realpathSync } from "node:fs";
import { basename, dirname, join, relative, resolve, sep } from "node:path";
import { flushSync } from "./replaced_file.js";

/** Makes a folder, and those above it that are missing; each is durable in the one above when this returns. */
export function makeFolder(folder: string): void {
  const first = mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (first === undefined) return;
  for (let made = folder; ; made = dirname(made)) {
    flushSync(dirname(made));
    if (made === first || made === dirname(made)) return;
  }
}

/** Returns true if one of two folders is the other, or lies in it, by whatever links. */
export function overlap(a: string, b: string): boolean {
  return contains(a, b) || contains(b, a);
}

/** Returns true if a path is the folder, or lies in it, by whatever links. */
export function contains(folder: string, path: string): boolean {
  return relative(withoutLinks(resolve(folder)), withoutLinks(resolve(path))).split(sep)[0] !== "..";
}

/** Follows links as far as the path exists. */
function withoutLinks(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return dirname(path) === path ? path : join(withoutLinks(dirname(path)), basename(path));
  }
}
