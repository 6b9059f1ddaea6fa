/** Finds where a file's path comes from that stands nowhere as a whole: a folder was listed, and its path joined with names of the list. */
import type { ValueSource, ValueWriter } from "../contract/index.js";
import { namesOf, waysOf } from "./file_paths.js";
import { NO_MARKS, rank, worst, type Marks } from "./seen_memory.js";

/** Names of a path that is put together; a longer one has to stand somewhere whole. */
const DEPTH_MAX = 16;

/** Source of a folder, of a name below it, or of a path that is put together of these. */
export interface PathSource {
  source: ValueSource;
  marks: Marks;
  /** The worst of those who gave the names in a path that is put together; null: it isn't. */
  names: ValueWriter | null;
}

const ROOT: PathSource = {
  source: { writer: "user", record: null, path: "", named: false, alone: false },
  marks: NO_MARKS,
  names: null,
};

/**
 * Returns where each folder on a path's way from the root, and the path itself, comes from if it is put together of the folder that it is in and
 * its name there; null where one of these stands nowhere.
 * @param folderAt looks a folder's path up, as it stands somewhere
 * @param nameIn looks up a name in what was listed of a folder
 */
export function waysTo(
  path: string,
  folderAt: (path: string) => PathSource | null,
  nameIn: (folder: string, name: string) => PathSource | null,
): (PathSource | null)[] {
  const names = namesOf(path);
  const ways = waysOf(path);
  if (names.length > DEPTH_MAX) return ways.map(() => null);
  const found: (PathSource | null)[] = [null];
  let folder: PathSource | null = ROOT;
  for (const [i, name] of names.entries()) {
    const named: PathSource | null = folder === null ? null : nameIn(ways[i] ?? "", name);
    const put: PathSource | null = folder === null || named === null ? null : joined(folder, named);
    found.push(put);
    const standing: PathSource | null = folderAt(ways[i + 1] ?? "");
    folder = standing === null || (put !== null && rank(put.source.writer) < rank(standing.source.writer)) ? put : standing;
  }
  return found;
}

function joined(folder: PathSource, { source, marks }: PathSource): PathSource {
  return {
    source: { ...source, writer: worst(folder.source.writer, source.writer) },
    // A folder that stands somewhere whole needs no mark: its listing is a step's only if the folder was as planned.
    marks: folder.names === null ? marks : { all: folder.marks.all & marks.all, sure: folder.marks.sure & marks.sure },
    names: folder.names === null ? source.writer : worst(folder.names, source.writer),
  };
}
