/** Paths of files: their normal form, and those that stand in a text. */
import { RETURNED } from "../contract/index.js";

/** Lines of a text that are looked through for paths, and letters of one. */
const LINES_MAX = 2_000;
const LINE_LENGTH_MAX = 1_024;

const EXTENSION = /[^./\s]\.[A-Za-z][A-Za-z\d]{0,7}$/;
/** An entry of a folder's listing: what it is, its name, and perhaps a column behind it. */
const ENTRY = /^\[(?:FILE|DIR|F|D|LINK|DIRECTORY|FOLDER)\] +(\S.*)$/i;
const COLUMN = / {2}/;
/** Begins a line of a tree, whose names are in other folders than the one that is listed. */
const BRANCH = /^[\s|`+\u2500-\u257f]/;
/** Marks around a path in a sentence or a list. */
const AROUND = /[\s"'`<>()[\]{},;|]+/;
const BEHIND = /[.:!?]+$/;

/**
 * Normal form of a file's path; null for what isn't one, or leads elsewhere than it says. Letter case, spaces and compatible letters tell files
 * apart: trust in one says nothing of another.
 */
export function pathOf(text: string): string | null {
  const path = text.normalize("NFC").trim();
  const isLike = path.includes("/") || EXTENSION.test(path);
  if (!isLike || path.length > RETURNED.length_max || path.includes("//") || /[\\\p{Cc}]/u.test(path)) return null;
  const names = path.split("/").filter((name, i) => name !== "." && (name !== "" || i === 0));
  if (names.includes("..") || names.length === 0) return null;
  return names.length === 1 && names[0] === "" ? "/" : names.join("/");
}

/**
 * Returns the paths and names of files in a text, each once and in the order in which they stand there.
 * @returns `isWhole` false: it has more lines, or longer ones, than are looked through
 */
export function pathsIn(text: string): { paths: string[]; isWhole: boolean } {
  const found = new Set<string>();
  const add = (path: string | null): void => {
    if (path !== null) found.add(path);
  };
  const lines = text.split("\n", LINES_MAX + 1);
  let isWhole = lines.length <= LINES_MAX;
  for (const line of lines.slice(0, LINES_MAX)) {
    if (line.length > LINE_LENGTH_MAX) {
      isWhole = false;
      continue;
    }
    const [entry] = ENTRY.exec(line)?.[1]?.split(COLUMN) ?? [];
    if (entry !== undefined) {
      add(pathOf(entry) ?? nameOnly(entry));
      continue;
    }
    if (/^\s*\/\S/.test(line) && !COLUMN.test(line.trim())) add(pathOf(line));
    const isBranch = BRANCH.test(line);
    for (const word of line.split(AROUND)) {
      const bare = word.replace(BEHIND, "");
      const isRooted = /^~?\//.test(bare);
      // "and/or" is no path.
      if (isRooted || (!isBranch && (bare.startsWith("./") || EXTENSION.test(bare) || (bare.endsWith("/") && bare.length > 1))))
        add(pathOf(bare));
    }
  }
  return { paths: [...found], isWhole };
}

/** A name without a mark of a file's, in a place that says that it is one. */
function nameOnly(text: string): string | null {
  const name = text.normalize("NFC").trim();
  return /[/\\\p{C}]/u.test(name) || /^\.{0,2}$/.test(name) || name.length > RETURNED.length_max ? null : name;
}

/** Value of what stands in a folder's listing. No path has two slashes in a row. */
export function below(folder: string, name: string): string {
  return `${folder}//${name}`;
}

/** Names in a path, in their order. */
export function namesOf(path: string): string[] {
  return path.split("/").filter((name) => name !== "");
}

/** The folders that a path leads through, from the root on, and itself: of `/a/b` `/`, `/a` and `/a/b`. */
export function waysOf(path: string): string[] {
  const names = namesOf(path);
  const root = path.startsWith("/") ? "/" : "";
  return [root, ...names.map((_, i) => root + names.slice(0, i + 1).join("/"))];
}
