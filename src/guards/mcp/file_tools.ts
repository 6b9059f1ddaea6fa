/**
 * Tools that take files by their paths. One file is one resource of one type, whichever tool takes it and however its path is spelled:
 * else what a policy says of a file would hold for one of them.
 */
import { isCanonicalPath } from "../../contract/index.js";
import { isObject } from "../../mapping/call_mapping.js";

/** Parts of a call that name files, in the words of a policy. */
export interface FileTool {
  type: "file" | "folder";
  /** Null: the usual verb. */
  verb: "list" | "write" | "move" | "copy" | null;
  id: string;
  /** Argument with the path at which the file is afterwards; null: it stays where it is. */
  to: string | null;
  /** True if relative paths begin at the root of something of the server's: it says that they are relative, or other arguments say in what. */
  isWithin: boolean;
}

const PATHS = new Set("path file_path filepath folder_path dir_path directory_path".split(" "));
/** The same of a tool for folders; elsewhere a folder has a name, as one of mails has. */
const FOLDER_PATHS = new Set("directory dir".split(" "));
const SOURCES = new Set("source src from old_path source_path src_path from_path path file_path".split(" "));
const TARGETS = new Set("destination dest dst target to new_path destination_path dest_path target_path to_path".split(" "));
const LISTS = new Set("paths file_paths filepaths".split(" "));
const FOLDERS = new Set("directory directories folder folders dir dirs tree".split(" "));
const LISTING = new Set("list ls tree".split(" "));
const MOVING = new Set("move rename copy".split(" "));
const OWNER = /(?:^|_)(?:ids?|owner|repo|repository|project|bucket|drive|site|workspace|host|server|container|url)$/;

/**
 * Returns how a tool takes a file; null: it takes none.
 * @param words of the tool's name
 * @param required parameters that every call has, with their schemas
 * @param spelled returns the words of a parameter's name, joined by `_`
 */
export function fileTool(words: readonly string[], required: Record<string, unknown>, spelled: (name: string) => string): FileTool | null {
  const texts = Object.keys(required).filter((name) => isObject(required[name]) && required[name]["type"] === "string");
  const named = (wanted: ReadonlySet<string>): string | undefined => texts.find((name) => wanted.has(spelled(name)));
  const isFolder = words.some((word) => FOLDERS.has(word));
  const isOfFiles = isFolder || words.some((word) => /^(?:file|path)s?$/.test(word));
  const moves = words.some((word) => MOVING.has(word)) && isOfFiles;
  const [from, to] = moves ? [named(SOURCES), named(TARGETS)] : [];
  const isPair = from !== undefined && to !== undefined;
  const id = isPair ? from : (named(PATHS) ?? (isFolder ? named(FOLDER_PATHS) : undefined));
  if (id === undefined) return null;
  const lists = words.some((word) => LISTING.has(word));
  const writes = ["create", "write", "add", "make", "new"].includes(words[0] ?? "");
  return {
    type: isFolder || lists ? "folder" : "file",
    verb: isPair ? (words.includes("copy") ? "copy" : "move") : lists ? "list" : writes && !isFolder ? "write" : null,
    id,
    to: isPair ? to : null,
    isWithin: isRelative(required[id]) || texts.some((name) => name !== id && name !== to && OWNER.test(spelled(name))),
  };
}

function isRelative(schema: unknown): boolean {
  const { description } = isObject(schema) ? schema : {};
  return typeof description === "string" && /\brelative\b/i.test(description) && !/\babsolute\b/i.test(description);
}

/** Returns the parameter by which one call takes several files; null: none. */
export function severalFiles(required: Record<string, unknown>, spelled: (name: string) => string): string | null {
  return Object.keys(required).find((name) => LISTS.has(spelled(name))) ?? null;
}

/**
 * Returns the folder in which a server most likely looks for relative paths: the one that its command names, or what it takes for its root; null
 * where it names several.
 * @param command its program and arguments; left out: it is reached by its address
 */
export function folderOf(command: readonly string[] = []): string | null {
  const [folder = "/", ...more] = command
    .slice(1)
    .filter((one) => /^\/[^:=]*$/.test(one) && !/\.\w{1,4}$/.test(one) && isCanonicalPath(one));
  return more.length === 0 ? folder : null;
}

/** Returns whether a tool without a path lists folders, such as those that may be used. */
export function listsFolders(words: readonly string[]): boolean {
  return LISTING.has(words[0] ?? "") && FOLDERS.has(words.at(-1) ?? "");
}

/** Writers of the fields of a folder's listing. The names of files are a service's, as its ids are. */
export const FOLDER_WRITES = { files: "service", name: "service", path: "service" } as const;
