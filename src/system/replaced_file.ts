/** Replaces files so that a crash leaves the old one or the new one. */
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { open, rename, rm, type FileHandle } from "node:fs/promises";
import { dirname } from "node:path";

/**
 * Old or new whole, whenever the machine stops; new for good when this resolves. Each step is a turn of the loop, so those that need no other are
 * under way together.
 * @param mode of the new one, less the umask
 * @param before runs while the new one is written; only then it takes the old one's place
 * @throws the file system's error, or that of `before`
 */
export async function replaceFile(path: string, content: string | Uint8Array, mode: number, before = nothingFirst): Promise<void> {
  const temporary = `${path}.new`;
  const [file, directory] = await bothOpen(open(temporary, "w", mode), open(dirname(path), "r"));
  try {
    await together(before(), written(file, content));
    await rename(temporary, path);
    await directory.sync();
  } catch (cause) {
    // It isn't in place; or it is, and has another name.
    await rm(temporary, { force: true }).catch(() => undefined);
    throw cause;
  } finally {
    await together(file.close(), directory.close());
  }
}

/** Does what `replaceFile` does before it returns. @throws the file system's error */
export function replaceFileSync(path: string, content: string | Uint8Array, mode: number): void {
  const temporary = `${path}.new`;
  try {
    // Made here: one that is there may be a link, or open to others.
    rmSync(temporary, { force: true });
    writeFileSync(temporary, content, { mode, flag: "wx", flush: true });
    renameSync(temporary, path);
    flushSync(dirname(path));
  } catch (cause) {
    rmSync(temporary, { force: true });
    throw cause;
  }
}

/** Makes durable what a file holds, or which names are in a folder. */
export async function flush(path: string): Promise<void> {
  const opened = await open(path, "r");
  try {
    await opened.sync();
  } finally {
    await opened.close();
  }
}

/** Does what `flush` does before it returns. */
export function flushSync(path: string): void {
  const opened = openSync(path, "r");
  try {
    fsyncSync(opened);
  } finally {
    closeSync(opened);
  }
}

/** Default of what comes first. */
export function nothingFirst(): Promise<void> {
  return Promise.resolve();
}

async function written(file: FileHandle, content: string | Uint8Array): Promise<void> {
  await file.writeFile(content);
  await file.sync();
}

/** @throws the first one's error, and leaves neither open */
async function bothOpen(...opening: readonly [Promise<FileHandle>, Promise<FileHandle>]): Promise<[FileHandle, FileHandle]> {
  try {
    return await Promise.all(opening);
  } catch (cause) {
    for (const opened of await Promise.allSettled(opening)) if (opened.status === "fulfilled") await opened.value.close();
    throw cause;
  }
}

/** Resolves when all have; nothing is under way any more when it rejects. @throws the first one's error */
export async function together(...acts: Promise<void>[]): Promise<void> {
  for (const act of await Promise.allSettled(acts)) if (act.status === "rejected") throw act.reason as Error;
}
