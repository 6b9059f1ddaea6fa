/** What a log in a test is signed by, and tiles that are kept in memory. */
import { signerPemOf } from "../../src/audit/tree/note.js";
import type { TileFiles } from "../../src/audit/tree/tiles.js";

export const SEALING = { keys: [signerPemOf(Buffer.alloc(32, 7))], origin: "remit/test", checkpoint_ms: 1000 };

export function memoryTiles(): TileFiles {
  const tiles = new Map<string, Buffer>();
  return {
    read: (path) => tiles.get(path) ?? null,
    size: (path) => tiles.get(path)?.length ?? null,
    write: (path, tile) => void tiles.set(path, tile),
    remove: (path) => void tiles.delete(path),
  };
}
