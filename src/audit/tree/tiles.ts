/**
 * The tree's hashes as files (C2SP tlog-tiles): `tile/<level>/<n>` has the 256 hashes of that tile, level 0 those of the
 * leaves, level l those of whole subtrees of 256^l leaves. Only full tiles are files, and all of them can be made again
 * from the records; what isn't full yet is in memory.
 */
import { mkdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { readBytes } from "../../system/read_file.js";
import { HASH_BYTES, hashOf, type Hash } from "./hash.js";
import { Levels, rootOf, TILE_WIDTH } from "./levels.js";
import { consistencyProof, includes, inclusionProof, rootAt, type HashAt } from "./merkle.js";

const TILE_HEIGHT = 8;
export const TILE_BYTES = TILE_WIDTH * HASH_BYTES;
const LEVEL_MAX = 63;
/** 8 KiB each. */
const CACHED_MAX = 64;

/** Name of a tile. With `level` null it is a tile of entries. A `width` below 256 is a partial tile. */
export interface TileName {
  level: number | null;
  n: number;
  width: number;
}

/** `tile/<level>/<n>[.p/<width>]`, with `n` in groups of three digits. */
export function tilePath({ level, n, width }: TileName): string {
  const digits = String(n).padStart(3, "0");
  const padded = digits.padStart(Math.ceil(digits.length / 3) * 3, "0");
  const groups = padded.match(/\d{3}/g) ?? [];
  const path = groups.map((group, i) => (i === groups.length - 1 ? group : `x${group}`)).join("/");
  return `tile/${level ?? "entries"}/${path}${width === TILE_WIDTH ? "" : `.p/${width}`}`;
}

/** @returns null for a path that `tilePath` wouldn't write */
export function parseTilePath(path: string): TileName | null {
  const [, place = "", groups = "", partial] = /^tile\/(entries|\d{1,2})\/((?:x\d{3}\/)*\d{3})(?:\.p\/(\d{1,3}))?$/.exec(path) ?? [];
  const name = {
    level: place === "entries" ? null : Number(place),
    n: Number(groups.replaceAll(/[x/]/g, "")),
    width: partial === undefined ? TILE_WIDTH : Number(partial),
  };
  const known = name.width >= 1 && (name.level ?? 0) <= LEVEL_MAX && Number.isSafeInteger(name.n);
  return known && tilePath(name) === path ? name : null;
}

/** Returns, for each level, how many tiles a tree of this size fills, and the width of the one behind them; 0: no partial tile. */
export function tileCounts(size: number): { full: number; partial: number }[] {
  const levels = [];
  for (let hashes = size; hashes > 0; hashes = Math.floor(hashes / TILE_WIDTH))
    levels.push({ full: Math.floor(hashes / TILE_WIDTH), partial: hashes % TILE_WIDTH });
  return levels;
}

/** A tile of entries: each entry behind its length, 16 bits big-endian. */
export function entriesTile(entries: readonly Uint8Array[]): Buffer {
  return Buffer.concat(
    entries.flatMap((entry) => {
      const length = Buffer.alloc(2);
      length.writeUInt16BE(entry.length);
      return [length, entry];
    }),
  );
}

/** @throws RangeError where the last entry is cut off */
export function entriesOf(tile: Buffer): Buffer[] {
  const entries = [];
  for (let at = 0; at < tile.length;) {
    const end = at + 2 + tile.readUInt16BE(at);
    if (end > tile.length) throw new RangeError("a tile of entries ends within an entry");
    entries.push(tile.subarray(at + 2, end));
    at = end;
  }
  return entries;
}

/** Storage of full tiles, by their paths. */
export interface TileFiles {
  /** @returns null where there is no such file */
  read(path: string): Buffer | null;
  /** Returns the size in bytes; null if there is no such file. */
  size(path: string): number | null;
  write(path: string, tile: Buffer): void;
  remove(path: string): void;
}

/** Whoever reads sees a whole tile or none. Nothing is synced: after a power cut a tile that isn't whole counts as none. */
export function nodeTiles(folder: string): TileFiles {
  const sizeOf = (path: string): number | null => statSync(join(folder, path), { throwIfNoEntry: false })?.size ?? null;
  return {
    read(path) {
      const size = sizeOf(path);
      // Of one that is larger it is enough to know that it isn't whole.
      return size === null ? null : size > TILE_BYTES ? Buffer.alloc(0) : readBytes(join(folder, path), TILE_BYTES);
    },
    size: sizeOf,
    write(path, tile) {
      const file = join(folder, path);
      mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
      writeFileSync(`${file}.new`, tile, { mode: 0o600 });
      renameSync(`${file}.new`, file);
    },
    remove: (path) => {
      rmSync(join(folder, path), { force: true });
    },
  };
}

/** Keeps writes in memory instead of on disk, unless another process has written the same there by now. */
export function onlyRead(files: TileFiles): TileFiles {
  const made = new Map<string, Buffer>();
  return {
    read: (path) => made.get(path) ?? files.read(path),
    size: (path) => made.get(path)?.length ?? files.size(path),
    write: (path, tile) => {
      if (files.read(path)?.equals(tile) !== true) made.set(path, tile);
    },
    remove: (path) => void made.delete(path),
  };
}

/** Tiles were altered, or a power cut left one that isn't what was written: they have to be made again. */
export class TilesDisagree extends Error {
  override readonly name = "TilesDisagree";

  constructor(readonly index: number) {
    super(`the tiles at leaf ${index} are missing, or disagree with one another`);
  }
}

/** A tree that keeps all its hashes: full tiles as files, the rest in memory. Grows by leaves, answers with proofs. */
export class TiledTree {
  readonly #files: TileFiles;
  readonly #levels: Levels;
  readonly #cache = new Map<string, Buffer>();

  private constructor(files: TileFiles, full: number) {
    this.#files = files;
    const rows: Hash[][] = [[]];
    // A level that lacks a tile is made again from the one below, which is whole up to here.
    for (let level = 1, below = full; below > 0; level++, below = Math.floor(below / TILE_WIDTH)) {
      for (let n = 0; n < Math.floor(below / TILE_WIDTH); n++) {
        const path = tilePath({ level, n, width: TILE_WIDTH });
        if (files.size(path) !== TILE_BYTES) files.write(path, tileOf(this.#roots(level - 1, n * TILE_WIDTH, TILE_WIDTH)));
      }
      const partial = below % TILE_WIDTH;
      rows[level] = this.#roots(level - 1, below - partial, partial);
    }
    this.#levels = new Levels(
      (level, n, hashes) => {
        files.write(tilePath({ level, n, width: TILE_WIDTH }), tileOf(hashes));
      },
      full * TILE_WIDTH,
      rows,
    );
  }

  /**
   * Resumes behind the last full tile of leaves up to which none is missing; the leaves behind it have to be added again.
   * What stands in the tiles is taken as it is: `root` says whether it is the log's.
   * @param sizeMax not further than this, in leaves
   */
  static open(files: TileFiles, sizeMax = Infinity): TiledTree {
    return new TiledTree(files, lastFull(files, Math.floor(sizeMax / TILE_WIDTH)));
  }

  get size(): number {
    return this.#levels.size;
  }

  /** Adds a leaf. @throws what `TileFiles.write` throws; the leaf is then not added */
  add(leaf: Hash): void {
    this.#levels.add(leaf);
  }

  /** Removes tiles of leaves that this tree doesn't have: of records that were written, and cut off again by a start. */
  removeBeyond(): void {
    for (let level = 0, full = this.size; ; level++) {
      full = Math.floor(full / TILE_WIDTH);
      let n = full;
      for (; this.#files.size(tilePath({ level, n, width: TILE_WIDTH })) !== null; n++)
        this.#files.remove(tilePath({ level, n, width: TILE_WIDTH }));
      if (n === 0) return;
    }
  }

  root(size = this.size): Hash {
    this.#checkSize(size);
    return rootAt(size, this.hashAt);
  }

  /**
   * @throws RangeError unless 0 ≤ index < size ≤ this tree's
   * @throws TilesDisagree where a tile says something else than the one above it
   */
  inclusion(index: number, size = this.size): Hash[] {
    this.#checkSize(size);
    const proof = inclusionProof(index, size, this.hashAt);
    if (!includes({ leaf: this.hashAt(0, index), index, size, proof, root: this.root(size) })) throw new TilesDisagree(index);
    return proof;
  }

  /** @throws RangeError unless 1 ≤ before ≤ size ≤ this tree's */
  consistency(before: number, size = this.size): Hash[] {
    this.#checkSize(size);
    return consistencyProof(before, size, this.hashAt);
  }

  readonly hashAt: HashAt = (level, index) => {
    const tileLevel = Math.floor(level / TILE_HEIGHT);
    const width = 2 ** (level % TILE_HEIGHT);
    const first = index * width;
    const n = Math.floor(first / TILE_WIDTH);
    const at = first % TILE_WIDTH;
    return rootOf(this.#hashes(tileLevel, n, at, at + width));
  };

  /** A tile of hashes at this tree's size or an earlier one; null where it has no such tile. */
  tile({ level, n, width }: { level: number; n: number; width: number }): Buffer | null {
    const held = this.#held(level, n);
    if (width > held) return null;
    return tileOf(this.#hashes(level, n, 0, width));
  }

  /** Number of hashes of a tile. */
  #held(level: number, n: number): number {
    const hashes = Math.floor(this.size / TILE_WIDTH ** level) - n * TILE_WIDTH;
    return Math.max(0, Math.min(TILE_WIDTH, hashes));
  }

  #hashes(level: number, n: number, from: number, to: number): Hash[] {
    if (this.#held(level, n) < TILE_WIDTH) return this.#levels.row(level).slice(from, to);
    const tile = this.#read(level, n);
    return hashesOf(tile.subarray(from * HASH_BYTES, to * HASH_BYTES));
  }

  #read(level: number, n: number): Buffer {
    const path = tilePath({ level, n, width: TILE_WIDTH });
    const cached = this.#cache.get(path);
    if (cached !== undefined) return cached;
    const tile = this.#files.read(path);
    if (!isWhole(tile)) throw new TilesDisagree(n * TILE_WIDTH ** (level + 1));
    const [oldest] = this.#cache.keys();
    if (oldest !== undefined && this.#cache.size >= CACHED_MAX) this.#cache.delete(oldest);
    this.#cache.set(path, tile);
    return tile;
  }

  /** Returns the roots of full tiles, as the level above has them. */
  #roots(level: number, n: number, count: number): Hash[] {
    return Array.from({ length: count }, (_, i) => rootOf(hashesOf(this.#read(level, n + i))));
  }

  #checkSize(size: number): void {
    if (!(size >= 0 && size <= this.size)) throw new RangeError(`the tree has ${this.size} leaves, not ${size}`);
  }
}

/** A tile of hashes, whole or partial. */
export function tileOf(hashes: readonly Hash[]): Buffer {
  return Buffer.from(hashes.join(""), "latin1");
}

export function hashesOf(tile: Buffer): Hash[] {
  return Array.from({ length: tile.length / HASH_BYTES }, (_, i) => hashOf(tile.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES)));
}

export function isWhole(tile: Buffer | null): tile is Buffer {
  return tile?.length === TILE_BYTES;
}

/** Number of full tiles of leaves in a row from the first on. */
function lastFull(files: TileFiles, most: number): number {
  let n = 0;
  while (n < most && files.size(tilePath({ level: 0, n, width: TILE_WIDTH })) === TILE_BYTES) n++;
  return n;
}
