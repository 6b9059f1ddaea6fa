/** Finds where a file's path comes from that stands nowhere as a whole: a folder was listed, and its path joined with names of the list. */
import type { ValueSource, ValueWriter } from "../contract/index.js";
import { namesOf } from "./file_paths.js";
import { rank, worst } from "./seen_memory.js";

/** Names of a path that is put together; a longer one has to stand somewhere whole. */
const DEPTH_MAX = 16;

/** Source of a folder, of a name below it, or of a path that is put together of these. */
export interface PathSource {
  source: ValueSource;
  /** Marks of a plan's steps that returned it; null: none has to. */
  marks: { all: number; sure: number } | null;
  /** The worst of those who gave the names in a path that is put together; null: it isn't. */
  names: ValueWriter | null;
}

const ROOT: PathSource = { source: { writer: "user", record: null, path: "", named: false, alone: false }, marks: null, names: null };

/**
 * Returns where a path comes from that is put together of a folder and names below it; null if one of them stands nowhere.
 * @param folderAt looks a folder's path up, as it stands somewhere
 * @param nameIn looks up a name in what was listed of a folder
 */
export function joined(
  path: string,
  folderAt: (path: string) => PathSource | null,
  nameIn: (folder: string, name: string) => PathSource | null,
): PathSource | null {
  const names = namesOf(path);
  if (names.length > DEPTH_MAX) return null;
  const root = path.startsWith("/") ? "/" : "";
  const at = (depth: number): string => root + names.slice(0, depth).join("/");
  const folders: (PathSource | null)[] = [];
  for (let depth = 0; depth <= names.length; depth++) {
    // All paths begin at the root. The path itself stands nowhere, or isn't trusted where it does.
    let best = depth === 0 ? ROOT : depth === names.length ? null : folderAt(at(depth));
    for (const [from, folder] of folders.entries()) {
      if (folder === null) continue;
      const parts = names.slice(from, depth).map((name) => nameIn(at(from), name));
      const one = parts.every((part) => part !== null) ? join(folder, parts) : null;
      if (one !== null && (best === null || rank(one.source.writer) < rank(best.source.writer))) best = one;
    }
    folders.push(best);
  }
  return names.length === 0 ? null : (folders.at(-1) ?? null);
}

function join(folder: PathSource, names: readonly PathSource[]): PathSource {
  const last = names.at(-1)?.source ?? folder.source;
  const writer = names.map(({ source }) => source.writer).reduce(worst);
  // A folder that stands somewhere whole needs no mark: its listing is a step's only if the folder was as planned.
  const marks = [folder, ...names].flatMap((one) => one.marks ?? []);
  return {
    source: { ...last, writer: worst(folder.source.writer, writer), alone: names.every(({ source }) => source.alone) },
    marks: marks.length === 0 ? null : marks.reduce((one, other) => ({ all: one.all & other.all, sure: one.sure & other.sure })),
    names: folder.names === null ? writer : worst(folder.names, writer),
  };
}
