/**
 * Tools that take files by their paths. One file is one resource of one type, whichever tool takes it and however its path is spelled:
 * else what a policy says of a file would hold for one of them.
 */
import { isCanonicalPath } from "../../contract/index.js";
import { isObject } from "../../mapping/call_mapping.js";
import type { Schema } from "./tool_schemas.js";

/** Parts of a call that name files, in the words of a policy. */
export interface FileTool {
  /** Null: what its name says. */
  type: "file" | "folder" | null;
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
const SEVERAL = new Set("paths files file_paths filepaths".split(" "));
const FILES = new Set("file files path paths".split(" "));
const FOLDERS = new Set("directory directories folder folders dir dirs tree".split(" "));
/** Words that may stand behind "list files": anything else is listed instead of the files. */
const BESIDE = new Set("with in of by under recursive recursively tree contents entries".split(" "));
const WRITING = new Set("create write add make new".split(" "));
const CHANGES = new Set([...WRITING, "delete", "remove", "clear"]);
/** Ends of names of what a command runs or is set up by. */
const PROGRAM = /\.(?:[cm]?js|ts|py|rb|sh|jar|json|ya?ml|toml|db|sqlite)$/;
const OWNER = /(?:^|_)(?:ids?|owner|repo|repository|project|bucket|drive|workspace)$/;

/**
 * Returns how a tool takes a file; null: it takes none.
 * @param words of the tool's name
 * @param required parameters that every call has, with their schemas
 * @param spelled returns the words of a parameter's name, joined by `_`
 */
export function fileTool(words: readonly string[], required: Schema, spelled: (name: string) => string): FileTool | null {
  const [first = "", object = "", beside] = words;
  const texts = Object.keys(required).filter((name) => isObject(required[name]) && required[name]["type"] === "string");
  const named = (wanted: ReadonlySet<string>): string | undefined => texts.find((name) => wanted.has(spelled(name)));
  const isOfFolders = FOLDERS.has(object);
  const isOfFiles = isOfFolders || FILES.has(object);
  const moves = first === "move" || first === "rename" ? "move" : first === "copy" ? "copy" : null;
  const [from, to] = moves !== null && isOfFiles ? [named(SOURCES), named(TARGETS)] : [];
  const isPair = from !== undefined && to !== undefined;
  const hasFolders = words.some((word) => FOLDERS.has(word));
  const id = isPair ? from : (named(PATHS) ?? (hasFolders ? named(FOLDER_PATHS) : undefined));
  if (id === undefined) return null;
  const lists =
    (first === "list" && isOfFiles && (beside === undefined || BESIDE.has(beside))) ||
    (object === "tree" && FOLDERS.has(first)) ||
    (first === "get" && isOfFolders && beside === "tree") ||
    first === "ls";
  const isFolder = lists || (isOfFolders && (isPair || CHANGES.has(first)));
  // What has a noun of its own stays what it is, under one spelling of its path.
  const isFile = words.length === 1 || words.some((word) => FILES.has(word) || FOLDERS.has(word));
  return {
    type: isFolder ? "folder" : isFile ? "file" : null,
    verb: isPair ? moves : lists ? "list" : WRITING.has(first) && isFile && !isFolder ? "write" : null,
    id,
    to: isPair ? to : null,
    isWithin: isRelative(required[id]) || texts.some((name) => name !== id && name !== to && OWNER.test(spelled(name))),
  };
}

function isRelative(schema: unknown): boolean {
  const { description } = isObject(schema) ? schema : {};
  return typeof description === "string" && /\brelative to\b/i.test(description) && !/\babsolute\b/i.test(description);
}

/** Returns the parameter by which one call takes several files; null: none. */
export function severalFiles(words: readonly string[], parameters: Schema, spelled: (name: string) => string): string | null {
  if (!words.some((word) => FILES.has(word) || FOLDERS.has(word))) return null;
  return Object.keys(parameters).find((name) => SEVERAL.has(spelled(name)) && isListOfPaths(parameters[name], spelled)) ?? null;
}

/** Paths, or objects with one each. */
function isListOfPaths(schema: unknown, spelled: (name: string) => string): boolean {
  const { type, items } = isObject(schema) ? schema : {};
  if (type !== "array" || !isObject(items)) return false;
  const members = isObject(items["properties"]) ? Object.keys(items["properties"]) : [];
  return items["type"] === "string" || members.some((name) => PATHS.has(spelled(name)));
}

/**
 * Returns the folder in which a server most likely looks for relative paths: the one that its command names, or what it takes for its root; null
 * where it names several.
 * @param command its program and arguments; left out: it is reached by its address
 */
export function folderOf(command: readonly string[] = []): string | null {
  const places = command.slice(1).filter((one) => /^(?:\.{0,2}\/[^:=]*|\.{1,2})$/.test(one) && !PROGRAM.test(one));
  const [folder = "/", ...more] = places.map((one) => (one === "/" ? one : one.replace(/\/+$/, "")));
  return more.length === 0 && folder.startsWith("/") && isCanonicalPath(folder) ? folder : null;
}

/** Returns whether a tool without a path lists folders, such as those that may be used. */
export function listsFolders(words: readonly string[]): boolean {
  return words[0] === "list" && FOLDERS.has(words.at(-1) ?? "");
}

/** Writers of the fields of a folder's listing. The names of files are a service's, as its ids are. */
export const FOLDER_WRITES = { files: "service", name: "service", path: "service" } as const;
