/** What a log in a test is signed by, and tiles that are kept in memory. */
import { createPrivateKey } from "node:crypto";
import type { TileFiles } from "../../src/audit/tree/tiles.js";

const PKCS8 = Buffer.from("302e020100300506032b657004220420", "hex");

/** Returns the private key of a seed of 32 bytes: the same each time. */
export function signerPemOf(seed: Buffer): string {
  const key = createPrivateKey({ key: Buffer.concat([PKCS8, seed]), format: "der", type: "pkcs8" });
  return key.export({ type: "pkcs8", format: "pem" }).toString();
}

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
