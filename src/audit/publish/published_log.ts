/**
 * A log as files that a static web server can serve (C2SP tlog-tiles): the checkpoint, tiles of hashes and bundles of records, in a
 * folder that holds nothing else of the log. All of it is derived: each record is compared with its tile, and the tiles with the
 * checkpoint, before anything is written, and the checkpoint is replaced last. So a reader finds every tile that the checkpoint needs.
 */
import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { errorMessage } from "../../system/error_message.js";
import { overlap } from "../../system/folder.js";
import { readBytes } from "../../system/read_file.js";
import { readLines, segmentsOf, type Line } from "../log/record_lines.js";
import { CHECKPOINT } from "../log/seal.js";
import { readUnverified, type Checkpoint } from "../tree/checkpoint.js";
import { leafHash } from "../tree/hash.js";
import { rootOf, TILE_WIDTH } from "../tree/levels.js";
import { entriesTile, hashesOf, nodeTiles, onlyRead, TiledTree, tileCounts, tilePath } from "../tree/tiles.js";

/** A refusal to publish: the records, or the folder, are not what they should be. */
export class PublishRefused extends Error {
  override readonly name = "PublishRefused";

  constructor(
    readonly code: "log_damaged" | "folder_refused",
    message: string,
  ) {
    super(message);
  }
}

export interface PublishedState {
  /** Records that the published checkpoint covers. */
  size: number;
  /** The first record that is published: records before it were dropped by retention, or share a bundle with one that was. */
  from: number;
}

const CHECKPOINT_BYTES_MAX = 1024 * 1024;
/** The web server's group may read them. */
const [FOLDER_MODE, FILE_MODE] = [0o750, 0o640];

/** Returns the first bundle that has no dropped record in it. */
export function firstBundle(dropped: number): number {
  return Math.ceil(dropped / TILE_WIDTH);
}

export class PublishedLog {
  readonly #log: string;
  readonly #folder: string;
  /** Tree of what was published last; null: not known. */
  #tree: TiledTree | null = null;
  /** Place of a record in the log from which on records are read. */
  #place: { seq: number; segment: string; offset: number } | null = null;
  #pruned = 0;

  /**
   * @param log the log's folder, which is only read
   * @throws PublishRefused `folder_refused` if one of the folders lies in the other
   */
  constructor(log: string, folder: string) {
    if (overlap(log, folder))
      throw new PublishRefused("folder_refused", `\`${folder}\` and the log's folder overlap: a web server would serve the log's keys`);
    this.#log = log;
    this.#folder = folder;
  }

  /**
   * Publishes the log up to its checkpoint, and removes what retention has dropped. Whatever happens meanwhile, the folder is a whole log
   * of the old size or of the new one.
   * @throws PublishRefused, and what the disk reports
   */
  publish(): PublishedState {
    const dropped = (segmentsOf(this.#log)[0]?.first ?? 1) - 1;
    this.#prune(firstBundle(dropped));
    const note = readBytes(join(this.#log, CHECKPOINT), CHECKPOINT_BYTES_MAX);
    const checkpoint = readUnverified(note);
    const before = publishedCheckpoint(this.#folder);
    const state = { size: checkpoint.size, from: firstBundle(dropped) * TILE_WIDTH + 1 };
    if (before?.note.equals(note) === true) return state;
    const tree = this.#grown(checkpoint, dropped);
    if (before !== null) checkBefore(this.#folder, before, checkpoint, tree);
    this.#bundles(tree, before?.size ?? 0, dropped);
    this.#upper(tree, before?.size ?? 0);
    this.#write(CHECKPOINT, note);
    return state;
  }

  /** Returns the tree that the checkpoint signs. @throws PublishRefused if records and tiles don't lead to it */
  #grown({ size, root }: Checkpoint, dropped: number): TiledTree {
    const isBehind = this.#tree !== null && this.#tree.size <= size;
    const tree = this.#tree !== null && isBehind ? this.#tree : TiledTree.open(onlyRead(nodeTiles(this.#log)), size);
    // With leaves of another history it would be of no use.
    this.#tree = null;
    if (tree.size < dropped) throw new PublishRefused("log_damaged", `tiles of records up to ${dropped} are missing`);
    for (const { bytes } of this.#lines(tree.size + 1, size)) tree.add(leafHash(bytes));
    if (tree.size !== size || tree.root() !== root)
      throw new PublishRefused(
        "log_damaged",
        `records and tiles don't lead to the checkpoint: \`remit audit verify ${this.#log}\` says where`,
      );
    this.#tree = tree;
    return tree;
  }

  /** Publishes bundles and tiles of leaves. A bundle is there before its tile of hashes is. */
  #bundles(tree: TiledTree, from: number, dropped: number): void {
    const first = Math.floor(from / TILE_WIDTH);
    const records = this.#lines(Math.max(first, firstBundle(dropped)) * TILE_WIDTH + 1, tree.size);
    for (let n = first; n * TILE_WIDTH < tree.size; n++) {
      const width = Math.min(TILE_WIDTH, tree.size - n * TILE_WIDTH);
      const tile = verified(tree, 0, n, width);
      if (n >= firstBundle(dropped)) this.#write(tilePath({ level: null, n, width }), this.#bundle(records, tile, n));
      this.#write(tilePath({ level: 0, n, width }), tile);
      if (width === TILE_WIDTH) for (const level of [null, 0]) this.#removePartial(level, n);
    }
  }

  /** Returns a bundle of the next records, each of which is the one that the tile has. */
  #bundle(records: Generator<Line, void, undefined>, tile: Buffer, n: number): Buffer {
    const entries: Buffer[] = [];
    for (const [i, hash] of hashesOf(tile).entries()) {
      const { value: line, done } = records.next();
      const seq = n * TILE_WIDTH + i + 1;
      if (done === true || line.seq !== seq || leafHash(line.bytes) !== hash)
        throw new PublishRefused("log_damaged", `record ${seq} isn't what was signed: \`remit audit verify ${this.#log}\` says more`);
      if (i === 0) this.#place = { seq, segment: line.segment, offset: line.offset };
      entries.push(Buffer.from(line.bytes));
    }
    return entriesTile(entries);
  }

  #upper(tree: TiledTree, from: number): void {
    for (const [level, { full, partial }] of tileCounts(tree.size).entries()) {
      if (level === 0) continue;
      for (let n = Math.floor(from / TILE_WIDTH ** (level + 1)); n < full; n++) {
        this.#write(tilePath({ level, n, width: TILE_WIDTH }), verified(tree, level, n, TILE_WIDTH));
        this.#removePartial(level, n);
      }
      if (partial > 0) this.#write(tilePath({ level, n: full, width: partial }), verified(tree, level, full, partial));
    }
  }

  /** Removes partial tiles that have become a full one; until then each is needed by readers of an earlier checkpoint. */
  #removePartial(level: number | null, n: number): void {
    rmSync(join(this.#folder, `${tilePath({ level, n, width: TILE_WIDTH })}.p`), { recursive: true, force: true });
  }

  /** Removes bundles with a dropped record in them, and partial ones of the same place. Tiles of hashes stay: proofs need them. */
  #prune(first: number): void {
    for (; this.#pruned < first; this.#pruned++) {
      rmSync(join(this.#folder, tilePath({ level: null, n: this.#pruned, width: TILE_WIDTH })), { force: true });
      this.#removePartial(null, this.#pruned);
    }
  }

  *#lines(from: number, to: number): Generator<Line, void, undefined> {
    const place = this.#place !== null && this.#place.seq <= from ? this.#place : undefined;
    for (const line of readLines(this.#log, place?.seq ?? from, to, place)) if (line.seq >= from) yield line;
  }

  #write(path: string, bytes: Buffer): void {
    const file = join(this.#folder, path);
    mkdirSync(dirname(file), { recursive: true, mode: FOLDER_MODE });
    // Made here, never followed: a link that somebody laid there would lead the write to any file of this user.
    rmSync(`${file}.new`, { force: true });
    writeFileSync(`${file}.new`, bytes, { mode: FILE_MODE, flush: true, flag: "wx" });
    renameSync(`${file}.new`, file);
  }
}

/** Returns the published checkpoint, whoever signed it; null if it is missing. @throws PublishRefused `folder_refused` if the file is not a checkpoint */
export function publishedCheckpoint(folder: string): (Checkpoint & { note: Buffer }) | null {
  const file = join(folder, CHECKPOINT);
  try {
    const note = readBytes(file, CHECKPOINT_BYTES_MAX);
    return { note, ...readUnverified(note) };
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw new PublishRefused("folder_refused", `\`${file}\` is no checkpoint: ${errorMessage(cause)}`);
  }
}

/** Returns a tile's bytes. @throws PublishRefused if a full tile isn't the one that the tree above it has */
function verified(tree: TiledTree, level: number, n: number, width: number): Buffer {
  const tile = tree.tile({ level, n, width });
  const isSigned = tile !== null && (width < TILE_WIDTH || rootOf(hashesOf(tile)) === tree.hashAt(8 * (level + 1), n));
  if (!isSigned) throw new PublishRefused("log_damaged", `\`${tilePath({ level, n, width })}\` isn't what was signed`);
  return tile;
}

function checkBefore(folder: string, before: Checkpoint, now: Checkpoint, tree: TiledTree): void {
  const refused = (why: string): PublishRefused => new PublishRefused("folder_refused", `\`${folder}\` ${why}`);
  if (before.origin !== now.origin) throw refused(`has log \`${before.origin}\`, not \`${now.origin}\``);
  if (before.size > now.size) throw refused(`has ${before.size} records of this log, which has ${now.size}: the log was put back`);
  if (tree.root(before.size) !== before.root) throw refused(`has another history of this log in its ${before.size} records`);
}
