/** Files that several paths name. */
import { resolve } from "node:path";
import { statSync } from "node:fs";

/** Returns true if both paths lead to one file, be it by a symbolic or a hard link. What can't be looked at is the same only by its path. */
export function isSameFile(one: string, other: string): boolean {
  if (resolve(one) === resolve(other)) return true;
  const [first, second] = [identityOf(one), identityOf(other)];
  return first !== null && first === second;
}

function identityOf(path: string): string | null {
  try {
    const { dev, ino } = statSync(path, { bigint: true });
    return `${dev} ${ino}`;
  } catch {
    return null;
  }
}
