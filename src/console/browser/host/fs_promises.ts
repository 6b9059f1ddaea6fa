/** `node:fs/promises`, over files in memory. A folder is there once a file is in it. */
import { Buffer } from "buffer";
import { FILES, contentOf, listFolder, removeBelow, writeText } from "./files.js";
import { readFileSync, readdirSync } from "./fs.js";

let folders = 0;

export const readFile = (path: string, encoding?: "utf8"): Promise<Uint8Array | string> =>
  new Promise((resolve) => {
    resolve(readFileSync(path, encoding));
  });

export function writeFile(path: string, content: string | Uint8Array): Promise<void> {
  if (typeof content === "string") writeText(path, content);
  else FILES.set(path, Buffer.from(content));
  return Promise.resolve();
}

export const readdir = (path: string): Promise<unknown[]> => Promise.resolve(readdirSync(path));

export function cp(from: string, to: string): Promise<void> {
  return writeFile(to, contentOf(from));
}

export const mkdir = (): Promise<void> => Promise.resolve();

export const mkdtemp = (prefix: string): Promise<string> => Promise.resolve(`${prefix}${folders++}`);

export function rm(path: string): Promise<void> {
  removeBelow(path);
  return Promise.resolve();
}

/** Rejects for what isn't there. */
export function stat(path: string): Promise<{ isFile: () => boolean; isDirectory: () => boolean }> {
  const isFile = FILES.has(path);
  if (!isFile && listFolder(path).size === 0) return Promise.reject(new Error(`there is no file ${path}`));
  return Promise.resolve({ isFile: () => isFile, isDirectory: () => !isFile });
}
