/** Reads the archive that this page's own compiler wrote: nobody else's reaches it. */
import { Buffer } from "buffer";

const BLOCK = 512;

/** Returns the files of a tar archive in gzip. */
export async function readArchive(bytes: Uint8Array): Promise<Map<string, Buffer>> {
  const unzipped = new Blob([bytes as Uint8Array<ArrayBuffer>]).stream().pipeThrough(new DecompressionStream("gzip"));
  const tar = Buffer.from(await new Response(unzipped as unknown as null).arrayBuffer());
  const files = new Map<string, Buffer>();
  for (let at = 0; at + BLOCK <= tar.length && tar[at] !== 0;) {
    const [name = ""] = tar.toString("utf8", at, at + 100).split("\0");
    const size = parseInt(tar.toString("latin1", at + 124, at + 136), 8);
    files.set(name.replace(/^\//, ""), tar.subarray(at + BLOCK, at + BLOCK + size));
    at += BLOCK + Math.ceil(size / BLOCK) * BLOCK;
  }
  return files;
}
