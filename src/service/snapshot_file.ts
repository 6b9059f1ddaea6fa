/** A profile on disk: written beside and a few agents at a time, and in its place only when it is whole. */
import { mkdir, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { nullIfMissing, readBytes } from "../system/read_file.js";
import { flush } from "../system/replaced_file.js";

/** A profile of one moment, piece by piece. */
export interface SnapshotPieces {
  /** The record up to which it has learned. */
  readonly seq: number;
  /** Returns the next part of the file, valid until the next call; null at the end. */
  slice(agents: number): Uint8Array | null;
}

/** Reads the snapshot; null if the file doesn't exist. */
export function readSnapshot(file: string): Uint8Array | null {
  try {
    return readBytes(file);
  } catch (cause) {
    return nullIfMissing(cause);
  }
}

/**
 * @param turn lets others have their turn
 * @param isGood asked when all is written; where it isn't, what was there before stays
 * @returns how many bytes are in its place; null: none of these
 */
export async function writeSnapshot(
  file: string,
  snapshot: SnapshotPieces,
  agents: number,
  turn: () => Promise<void>,
  isGood: () => Promise<boolean>,
): Promise<number | null> {
  const partial = `${file}.new`;
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const writing = await open(partial, "w", 0o600);
  let bytes = 0;
  try {
    for (let piece = snapshot.slice(agents); piece !== null; piece = snapshot.slice(agents)) {
      await writing.writeFile(piece);
      bytes += piece.length;
      await turn();
    }
    await writing.sync();
  } finally {
    await writing.close();
  }
  if (!(await isGood())) {
    await rm(partial, { force: true });
    return null;
  }
  await rename(partial, file);
  await flush(dirname(file));
  return bytes;
}
