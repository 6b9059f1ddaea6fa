import { EMPTY_ROOT, nodeHash, type Hash } from "../../../src/audit/tree/hash.js";

/** A tree made in another way than the one that is tested: leaf by leaf, keeping nothing but its right edge. */
export class EdgeTree {
  size = 0;
  /** Roots of the whole subtrees that the leaves fall into, the largest first: one for each bit of the size. */
  readonly #edge: Hash[] = [];

  add(leaf: Hash): void {
    let hash = leaf;
    for (let rest = this.size; rest % 2 === 1; rest = (rest - 1) / 2) hash = nodeHash(this.#edge.pop() as Hash, hash);
    this.#edge.push(hash);
    this.size++;
  }

  root(): Hash {
    if (this.size === 0) return EMPTY_ROOT;
    return this.#edge.reduceRight((right, left) => nodeHash(left, right));
  }
}
