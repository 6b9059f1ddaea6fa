/** Replaces files so that a crash leaves the old one or the new one. */
import { open, rename, rm, type FileHandle } from "node:fs/promises";
import { join } from "node:path";

/**
 * Old or new whole, whenever the machine stops; new for good when this resolves. Each step is a turn of the loop, so those that need no other are
 * under way together.
 * @param before runs while the new one is written; only then it takes the old one's place
 * @throws the file system's error, or that of `before`
 */
export async function replaceFile(folder: string, name: string, content: Uint8Array, before = nothingFirst): Promise<void> {
  const path = join(folder, name);
  const temporary = `${path}.new`;
  const [file, directory] = await bothOpen(open(temporary, "w"), open(folder, "r"));
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

/** Default of what comes first. */
export function nothingFirst(): Promise<void> {
  return Promise.resolve();
}

async function written(file: FileHandle, content: Uint8Array): Promise<void> {
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
