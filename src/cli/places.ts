/** Files and folders that a command line names, looked at before anything is done with them. */
import { existsSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { storeFile } from "../store/folder.js";
import { CliError } from "./exit.js";

/** Returns the file of the store in `folder`. @throws CliError if it is missing */
export function storeIn(folder: string): string {
  const file = storeFile(folder);
  if (existsSync(file)) return file;
  throw new CliError("invalid", `there is no store in \`${folder}\``, "it is the folder that `facts.store` names in remit.yaml");
}

/** `file`, to be read as it comes: of a folder the system names no path. @throws CliError where it is one */
export function readable(file: string): string {
  if (statSync(file, { throwIfNoEntry: false })?.isDirectory() !== true) return file;
  throw new CliError("failed", `\`${file}\` is a folder`, "name a file in it");
}

/** `file`, to be written. @throws CliError where its folder isn't there, or it is one */
export function writable(file: string): string {
  const folder = dirname(file);
  if (statSync(file, { throwIfNoEntry: false })?.isDirectory() === true)
    throw new CliError("failed", `\`${file}\` is a folder`, "name a file in it");
  if (existsSync(folder)) return file;
  throw new CliError("failed", `the folder \`${folder}\` does not exist`, "make it, or name another");
}
