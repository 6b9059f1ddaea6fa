/**
 * The tree made again from the records, held against the tiles. Where a record isn't what its tile has, a second tree goes on
 * with what the tile has: whichever of the two leads to a signed checkpoint says which of them was altered.
 */
import { Ranges } from "./damage.js";
import type { Hash } from "./hash.js";
import { Levels, TILE_WIDTH, type Filled } from "./levels.js";
import { hashesOf, isWhole, tilePath, type TileFiles } from "./tiles.js";

/** Roots of the tree's first leaves; null if not all of them are known. */
export interface Roots {
  records: Hash | null;
  tiles: Hash | null;
}

interface Way {
  levels: Levels;
  /** Tiles above the leaves' that have something else. */
  altered: string[];
}

export class Recomputed {
  readonly #tiles: TileFiles;
  /** Sizes that a root is wanted at, the smallest first. */
  readonly #wanted: number[];
  readonly #roots = new Map<number, Roots>();
  #records: Way | null;
  /** Second tree, which goes its own way from the first difference on; null if there is no difference, or it can't go on. */
  #tilesWay: Way | null = null;
  #parted = false;
  #size = 0;
  #leaves: (Hash | null)[] = [];
  #tilesRead = 0;
  #tilesMissing = 0;
  /** Records that differ from their tile. */
  readonly differing = new Ranges();
  /** Records that no tile has. */
  readonly uncovered = new Ranges();

  /** @param sizes at which roots are wanted */
  constructor(tiles: TileFiles, sizes: readonly number[]) {
    this.#tiles = tiles;
    this.#wanted = [...new Set(sizes)].sort((a, b) => a - b);
    this.#records = this.#way((filled) => new Levels(filled));
    if (this.#wanted[0] === 0) this.#rootsIn(null);
  }

  /** Records, whole or missing, from `from` on in order. @param leaf null: all of them are missing */
  take(from: number, to: number, leaf: Hash | null): void {
    for (let seq = from; seq <= to; seq++) {
      // Of what neither records nor tiles have, nothing can be said, however far it reaches.
      if (leaf === null && this.#leaves.length === 0 && this.#isLost) {
        this.#size += Math.floor((to - seq + 1) / TILE_WIDTH) * TILE_WIDTH;
        seq = this.#size + 1;
        if (seq > to) return;
      }
      this.#leaves.push(leaf);
      if (this.#leaves.length === TILE_WIDTH) this.#settle();
    }
  }

  /** Once all records were taken. */
  finish(): void {
    if (this.#leaves.length > 0) this.#settle();
  }

  /** Null for a size that wasn't reached. */
  rootsAt(size: number): Roots | null {
    return this.#roots.get(size) ?? null;
  }

  /** Tiles above the leaves' that disagree with the tree that the records lead to, or the one that the tiles do. */
  altered(side: keyof Roots): readonly string[] {
    return (side === "records" || !this.#parted ? this.#records : this.#tilesWay)?.altered ?? [];
  }

  get tiles(): { read: number; missing: number } {
    return { read: this.#tilesRead, missing: this.#tilesMissing };
  }

  get #isLost(): boolean {
    return this.#parted && this.#tilesWay === null && this.#records === null;
  }

  #settle(): void {
    const mine = this.#leaves;
    const first = this.#size + 1;
    const n = this.#size / TILE_WIDTH;
    const tile = this.#readTile(0, n, mine.length === TILE_WIDTH);
    const theirs =
      tile === null ? null : tile.toString("latin1") === mine.join("") ? (mine as Hash[]) : hashesOf(tile).slice(0, mine.length);
    if (theirs === null) this.uncovered.add(first, first + mine.length - 1);
    else for (const [i, leaf] of mine.entries()) if (leaf !== null && leaf !== theirs[i]) this.differing.add(first + i);
    const known = mine.every((leaf) => leaf !== null) ? mine : null;
    if (!this.#parted && (known === null || (theirs !== null && known.some((leaf, i) => leaf !== theirs[i])))) this.#part();
    this.#rootsIn(theirs);
    this.#records = goOn(this.#records, known);
    if (this.#parted) this.#tilesWay = goOn(this.#tilesWay, theirs ?? known);
    this.#size += mine.length;
    this.#leaves = [];
  }

  #part(): void {
    this.#parted = true;
    const from = this.#records;
    if (from !== null) this.#tilesWay = this.#way((filled) => from.levels.fork(filled));
  }

  /** The roots wanted up to the end of the leaves at hand. */
  #rootsIn(theirs: readonly Hash[] | null): void {
    const end = this.#size + this.#leaves.length;
    for (let [size] = this.#wanted; size !== undefined && size <= end; [size] = this.#wanted) {
      const mine = this.#leaves.slice(0, size - this.#size);
      const known = mine.every((leaf) => leaf !== null) ? mine : null;
      const records = known === null ? null : (this.#records?.levels.root(known) ?? null);
      const there = theirs?.slice(0, mine.length) ?? known;
      const tiles = there === null || !this.#parted ? null : (this.#tilesWay?.levels.root(there) ?? null);
      this.#roots.set(size, { records, tiles });
      this.#wanted.shift();
    }
  }

  #way(make: (filled: Filled) => Levels): Way {
    const altered: string[] = [];
    const levels = make((level, n, hashes) => {
      if (level === 0) return;
      const tile = this.#readTile(level, n, true);
      if (tile !== null && tile.toString("latin1") !== hashes.join("")) altered.push(tilePath({ level, n, width: TILE_WIDTH }));
    });
    return { levels, altered };
  }

  /** @param due whether it should be there */
  #readTile(level: number, n: number, due: boolean): Buffer | null {
    const tile = this.#tiles.read(tilePath({ level, n, width: TILE_WIDTH }));
    if (isWhole(tile)) {
      this.#tilesRead++;
      return tile;
    }
    if (due) this.#tilesMissing++;
    return null;
  }
}

function goOn(way: Way | null, leaves: readonly Hash[] | null): Way | null {
  if (leaves === null) return null;
  for (const leaf of leaves) way?.levels.add(leaf);
  return way;
}
