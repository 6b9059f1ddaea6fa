/** `node:fs`, over files in memory. */
import { Buffer } from "buffer";
import { FILES, contentOf, listFolder } from "./files.js";

interface FolderEntry {
  name: string;
  isFile: () => boolean;
  isDirectory: () => boolean;
}

export function existsSync(path: string): boolean {
  return FILES.has(path) || listFolder(path).size > 0;
}

export function readFileSync(path: string, encoding?: "utf8"): Uint8Array | string {
  const content = Buffer.from(contentOf(path));
  return encoding === undefined ? content : content.toString(encoding);
}

export function readdirSync(path: string, options?: { withFileTypes: true }): (FolderEntry | string)[] {
  return [...listFolder(path)].map(([name, isFolder]) =>
    options === undefined ? name : { name, isFile: () => !isFolder, isDirectory: () => isFolder },
  );
}
