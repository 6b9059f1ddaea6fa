/** Paths of files: their normal form, and those that stand in a text. */
import { RETURNED } from "../contract/index.js";
import { plain } from "./values.js";

/** Lines of a text that are looked through for paths, and letters of one. */
const LINES_MAX = 2_000;
const LINE_LENGTH_MAX = 1_024;

const EXTENSION = /[^./\s]\.[A-Za-z][A-Za-z\d]{0,7}$/;
/** An entry of a listing: what it is, its name, and perhaps a column behind it. */
const ENTRY = /^[\s|`+*\u2500-\u257f-]*\[(?:FILE|DIR|F|D|LINK|DIRECTORY|FOLDER)\] +(\S.*)$/i;
const COLUMN = / {2}/;
/** Marks around a path in a sentence or a list. */
const AROUND = /[\s"'`<>()[\]{},;|]+/;
const BEHIND = /[.:!?]+$/;

/** Normal form of a file's path; null for what isn't one, or leads elsewhere than it says. Letter case tells files apart. */
export function pathOf(text: string): string | null {
  const path = plain(text).trim();
  const isLike = path.includes("/") || EXTENSION.test(path);
  if (!isLike || path.length > RETURNED.length_max || path.includes("//") || /[\\\p{Cc}]/u.test(path)) return null;
  const names = path.split("/").filter((name, i) => name !== "." && (name !== "" || i === 0));
  if (names.includes("..")) return null;
  return names.length === 1 && names[0] === "" ? "/" : names.join("/");
}

/** Returns the paths and names of files in a text, each once and in the order in which they stand there. */
export function pathsIn(text: string): string[] {
  const found = new Set<string>();
  const add = (said: string): void => {
    const path = pathOf(said);
    if (path !== null) found.add(path);
  };
  for (const line of text.split("\n", LINES_MAX)) {
    if (line.length > LINE_LENGTH_MAX) continue;
    const entry = ENTRY.exec(line)?.[1];
    // A folder's name has no mark of its own; here its place says that it is one.
    if (entry !== undefined) found.add(pathOf(entry.split(COLUMN, 1)[0] ?? "") ?? plain(entry.split(COLUMN, 1)[0] ?? "").trim());
    else if (/^\s*\/\S/.test(line) && !COLUMN.test(line.trim())) add(line);
    for (const word of entry === undefined ? line.split(AROUND) : []) {
      const bare = word.replace(BEHIND, "");
      // "and/or" is no path.
      if (/^(?:~|\.)?\//.test(bare) || EXTENSION.test(bare) || (bare.endsWith("/") && bare.length > 1)) add(bare);
    }
  }
  return [...found];
}

/** Value of what stands in a folder's listing. No path has two slashes in a row. */
export function below(folder: string, name: string): string {
  return `${folder}//${name}`;
}

/** Names in a path, in their order. */
export function namesOf(path: string): string[] {
  return path.split("/").filter((name) => name !== "");
}
