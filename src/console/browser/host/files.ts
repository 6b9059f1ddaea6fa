/** A file system in memory: the compiler and the test runner read a policy set from it as they read one from a disk. */

/** Absolute path → content. */
export const FILES = new Map<string, Uint8Array>();

const encoder = new TextEncoder();

export function writeText(path: string, text: string): void {
  FILES.set(path, encoder.encode(text));
}

/** Removes a file, or all files below a folder. */
export function removeBelow(path: string): void {
  for (const name of [...FILES.keys()]) if (name === path || name.startsWith(`${path}/`)) FILES.delete(name);
}

/** Returns the names of what is directly in a folder; true for a folder. */
export function listFolder(path: string): Map<string, boolean> {
  const found = new Map<string, boolean>();
  for (const name of FILES.keys()) {
    if (!name.startsWith(`${path}/`)) continue;
    const [first = "", ...below] = name.slice(path.length + 1).split("/");
    found.set(first, found.get(first) === true || below.length > 0);
  }
  return found;
}

/** @throws Error with `code` `ENOENT` */
export function contentOf(path: string): Uint8Array {
  const content = FILES.get(path);
  if (content === undefined) throw Object.assign(new Error(`there is no file ${path}`), { code: "ENOENT" });
  return content;
}
