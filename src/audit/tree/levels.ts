/** The hashes that a growing tree has in tiles which aren't full yet: at each level the last 255 at most. */
import { EMPTY_ROOT, nodeHash, type Hash } from "./hash.js";

export const TILE_WIDTH = 256;

/** Receives each tile that is filled: level, number, and its 256 hashes. If it throws, so does `add`. */
export type Filled = (level: number, n: number, hashes: readonly Hash[]) => void;

export class Levels {
  readonly #filled: Filled;
  readonly #rows: Hash[][];
  #size: number;

  /** @param rows by level, the hashes behind the last full tile, of so many leaves */
  constructor(filled: Filled, size = 0, rows: readonly (readonly Hash[])[] = []) {
    this.#filled = filled;
    this.#size = size;
    this.#rows = rows.map((row) => [...row]);
  }

  get size(): number {
    return this.#size;
  }

  /** The hashes of a level that stand behind its last full tile. */
  row(level: number): readonly Hash[] {
    return this.#rows[level] ?? [];
  }

  /** Adds a leaf. If `filled` throws, nothing has changed, and the same leaf can be added again. */
  add(leaf: Hash): void {
    this.#push(0, leaf);
    this.#size++;
  }

  /** The root, were these leaves added. */
  root(further: readonly Hash[] = []): Hash {
    const leaves = [...this.row(0), ...further];
    const edge = this.#rows.slice(1).reverse().concat([leaves]).flatMap(wholeSubtrees);
    return edge.length === 0 ? EMPTY_ROOT : edge.reduceRight((right, left) => nodeHash(left, right));
  }

  /** Another that goes its own way from here. */
  fork(filled: Filled): Levels {
    return new Levels(filled, this.#size, this.#rows);
  }

  #push(level: number, hash: Hash): void {
    const row = (this.#rows[level] ??= []);
    if (row.length < TILE_WIDTH - 1) {
      row.push(hash);
      return;
    }
    const hashes = [...row, hash];
    this.#filled(level, Math.floor(this.#size / TILE_WIDTH ** (level + 1)), hashes);
    this.#push(level + 1, rootOf(hashes));
    this.#rows[level] = [];
  }
}

/** The root of a whole subtree, of hashes of one level: as many as a power of two. */
export function rootOf(hashes: readonly Hash[]): Hash {
  let row = hashes;
  while (row.length > 1) {
    const above: Hash[] = [];
    for (let i = 0; i + 1 < row.length; i += 2) above.push(nodeHash(row[i] as Hash, row[i + 1] as Hash));
    row = above;
  }
  const [root] = row;
  if (root === undefined) throw new RangeError("no hashes have no root");
  return root;
}

/** The roots of the whole subtrees that a row falls into, the largest first. */
function wholeSubtrees(row: readonly Hash[]): Hash[] {
  const roots: Hash[] = [];
  let at = 0;
  for (let width = TILE_WIDTH; width >= 1; width /= 2) {
    if (at + width > row.length) continue;
    roots.push(rootOf(row.slice(at, at + width)));
    at += width;
  }
  return roots;
}
