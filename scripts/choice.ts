/** The choice of test files by path, room or title. */

export interface Choice {
  /** The long files too. */
  all?: true;
  /** Path in `test/` without its endings, or a part of paths. */
  file?: string;
  /** Folder of `test/`. */
  room?: string;
  /** Part of a test's title: any file may have it. */
  title?: string;
}

const LONG = ".long.test.ts";

const nameOf = (path: string): string => path.replace(/^test\//, "").replace(/(\.long)?(\.test)?\.[jt]s$/, "");

/**
 * Returns the files that a choice names, long ones first, so that parallel jobs end together. Without a choice these are the fast files.
 * @param paths of all files below `test/`
 */
export function chooseFiles(paths: readonly string[], { all, file, room, title }: Choice): string[] {
  const files = paths
    .filter((path) => path.endsWith(".test.ts"))
    .sort((a, b) => Number(b.endsWith(LONG)) - Number(a.endsWith(LONG)) || a.localeCompare(b));
  if (file === undefined && room === undefined && title === undefined) {
    return all === true ? files : files.filter((path) => !path.endsWith(LONG));
  }
  const inRoom = room === undefined ? files : files.filter((path) => path.startsWith(`${room}/`));
  if (file === undefined) return inRoom;
  const wanted = nameOf(file);
  const exact = inRoom.filter((path) => nameOf(path) === wanted);
  return exact.length > 0 ? exact : inRoom.filter((path) => path.includes(wanted));
}
