/** Compares what is published as static files with the log: made again from the records, and from tiles where records were dropped. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { readLines, segmentsOf } from "../log/record_lines.js";
import type { Damage } from "../tree/damage.js";
import { leafHash, type Hash } from "../tree/hash.js";
import { Levels, TILE_WIDTH } from "../tree/levels.js";
import { entriesTile, hashesOf, isWhole, nodeTiles, TILE_BYTES, tileCounts, tileOf, tilePath } from "../tree/tiles.js";
import { readBytes } from "../../system/read_file.js";
import type { Derived } from "../tree/verify.js";
import { firstBundle, publishedCheckpoint, PublishRefused } from "./published_log.js";

/** Each record behind its length of two bytes. */
const BUNDLE_BYTES_MAX = TILE_WIDTH * (2 + 65_535);

/** @param log the log's folder @param folder what is published of it */
export function checkPublished(log: string, folder: string): Derived {
  const damage: Damage[] = [];
  const wrong = (from: number, to: number, message: string): void => {
    damage.push({ kind: "published_disagrees", from, to, message });
  };
  let checkpoint: ReturnType<typeof publishedCheckpoint>;
  try {
    checkpoint = publishedCheckpoint(folder);
  } catch (cause) {
    if (!(cause instanceof PublishRefused)) throw cause;
    wrong(0, 0, cause.message);
    return { damage, notes: [] };
  }
  if (checkpoint === null) return { damage, notes: [`nothing is published in \`${folder}\``] };
  const { size, root } = checkpoint;
  const compare = (level: number | null, n: number, width: number, bytes: Buffer): void => {
    const path = tilePath({ level, n, width });
    const found = published(join(folder, path), level === null ? BUNDLE_BYTES_MAX : TILE_BYTES);
    if (found?.equals(bytes) === true) return;
    const leaves = TILE_WIDTH ** (level ?? 0);
    const message = `\`${join(folder, path)}\` ${found === null ? "is not there" : "is another than the records make"}`;
    wrong(n * TILE_WIDTH * leaves + 1, (n * TILE_WIDTH + width) * leaves, message);
  };
  const levels = new Levels((level, n, hashes) => {
    compare(level, n, TILE_WIDTH, tileOf(hashes));
  });
  const dropped = (segmentsOf(log)[0]?.first ?? 1) - 1;
  checkDropped(folder, dropped, wrong);
  let entries: Buffer[] = [];
  const take = (n: number): void => {
    if (n >= firstBundle(dropped)) compare(null, n, entries.length, entriesTile(entries));
    entries = [];
  };
  for (const { leaf, bytes } of leavesOf(log, dropped, size)) {
    if (bytes !== null) entries.push(bytes);
    levels.add(leaf);
    if (levels.size % TILE_WIDTH === 0) take(levels.size / TILE_WIDTH - 1);
  }
  if (levels.size !== size) {
    wrong(levels.size + 1, size, `\`${folder}\` has a checkpoint of ${size} records, and the log leads to ${levels.size}`);
    return { damage, notes: [] };
  }
  if (entries.length > 0) take(Math.floor(size / TILE_WIDTH));
  for (const [level, { full, partial }] of tileCounts(size).entries())
    if (partial > 0) compare(level, full, partial, tileOf(levels.row(level)));
  if (levels.root() !== root) wrong(1, size, `the checkpoint in \`${folder}\` is of another history than the records`);
  return { damage, notes: [`published in \`${folder}\`: ${size} records, compared file by file`] };
}

/** Yields what is published in a log's order; of what was dropped, the hashes in its tiles are left. */
function* leavesOf(log: string, dropped: number, size: number): Generator<{ leaf: Hash; bytes: Buffer | null }, void, undefined> {
  const tiles = nodeTiles(log);
  let seq = 0;
  while (seq < Math.min(dropped, size)) {
    const tile = tiles.read(tilePath({ level: 0, n: Math.floor(seq / TILE_WIDTH), width: TILE_WIDTH }));
    if (!isWhole(tile)) return;
    for (const leaf of hashesOf(tile).slice(0, Math.min(dropped, size) - seq)) {
      yield { leaf, bytes: null };
      seq++;
    }
  }
  for (const line of readLines(log, dropped + 1, size)) {
    if (line.seq !== ++seq || line.bytes.length > 65_535) return;
    yield { leaf: leafHash(line.bytes), bytes: Buffer.from(line.bytes) };
  }
}

function checkDropped(folder: string, dropped: number, wrong: (from: number, to: number, message: string) => void): void {
  for (let n = 0; n < firstBundle(dropped); n++) {
    const path = join(folder, tilePath({ level: null, n, width: TILE_WIDTH }));
    if (existsSync(path) || existsSync(`${path}.p`))
      wrong(n * TILE_WIDTH + 1, (n + 1) * TILE_WIDTH, `\`${path}\` still has records that retention has dropped`);
  }
}

/** Returns a file's bytes; null if it isn't there. Of one that is too large nothing. */
function published(file: string, bytesMax: number): Buffer | null {
  try {
    return readBytes(file, bytesMax);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return null;
    return Buffer.alloc(0);
  }
}
