/**
 * The log's Merkle tree (RFC 9162, section 2.1): a tree that grows and keeps no more than its right edge, proofs made from
 * stored hashes, and their verification. Indices and sizes are safe integers.
 */
import { EMPTY_ROOT, nodeHash, type Hash } from "./hash.js";

/**
 * The root of the whole subtree of `2 ** level` leaves that begins at leaf `index * 2 ** level`.
 * Asked only for subtrees that are whole at the size that a proof is for.
 */
export type HashAt = (level: number, index: number) => Hash;

/** Grows by one leaf at a time, in about two hashes each; holds at most 53 hashes. */
export class Tree {
  #size = 0;
  /** Roots of the whole subtrees that the leaves fall into, the largest first: one for each bit of the size. */
  readonly #edge: Hash[] = [];

  /** @throws RangeError where the edge isn't one of such a size */
  static resume(size: number, edge: readonly Hash[]): Tree {
    if (edge.length !== edgeOf(size).length) throw new RangeError(`the edge of ${size} leaves has another length`);
    const tree = new Tree();
    tree.#size = size;
    tree.#edge.push(...edge);
    return tree;
  }

  /** Resumes from stored hashes. */
  static from(size: number, hashAt: HashAt): Tree {
    return Tree.resume(
      size,
      edgeOf(size).map(({ level, index }) => hashAt(level, index)),
    );
  }

  get size(): number {
    return this.#size;
  }

  /** With `size`, all that `resume` needs. */
  get edge(): readonly Hash[] {
    return [...this.#edge];
  }

  add(leaf: Hash): void {
    let hash = leaf;
    for (let rest = this.#size; rest % 2 === 1; rest = (rest - 1) / 2) {
      const left = this.#edge.pop();
      if (left === undefined) throw new Error("the edge lost a hash");
      hash = nodeHash(left, hash);
    }
    this.#edge.push(hash);
    this.#size++;
  }

  root(): Hash {
    if (this.#size === 0) return EMPTY_ROOT;
    return this.#edge.reduceRight((right, left) => nodeHash(left, right));
  }
}

/** The whole subtrees that `size` leaves fall into, the largest first. */
export function edgeOf(size: number): { level: number; index: number }[] {
  if (!Number.isSafeInteger(size) || size < 0) throw new RangeError(`\`${size}\` is no size of a tree`);
  const edge = [];
  let begin = 0;
  for (let level = log2(size); begin < size; level--) {
    if (begin + 2 ** level > size) continue;
    edge.push({ level, index: begin / 2 ** level });
    begin += 2 ** level;
  }
  return edge;
}

/** The root of the tree's first `size` leaves. */
export function rootAt(size: number, hashAt: HashAt): Hash {
  return size === 0 ? EMPTY_ROOT : subtree(0, size, hashAt);
}

/**
 * What proves that leaf `index` is in the tree of `size` leaves.
 * @throws RangeError unless 0 ≤ index < size
 */
export function inclusionProof(index: number, size: number, hashAt: HashAt): Hash[] {
  if (!(index >= 0 && index < size)) throw new RangeError(`leaf ${index} is not in a tree of ${size}`);
  const proof: Hash[] = [];
  for (let begin = 0, end = size; end - begin > 1;) {
    const middle = begin + split(end - begin);
    if (index < middle) {
      proof.push(subtree(middle, end, hashAt));
      end = middle;
    } else {
      proof.push(subtree(begin, middle, hashAt));
      begin = middle;
    }
  }
  return proof.reverse();
}

/**
 * What proves that the tree of `size` leaves begins with the tree of `before` leaves.
 * @throws RangeError unless 1 ≤ before ≤ size
 */
export function consistencyProof(before: number, size: number, hashAt: HashAt): Hash[] {
  if (!(before >= 1 && before <= size)) throw new RangeError(`a tree of ${size} is not one of ${before}, grown`);
  const proof: Hash[] = [];
  let begin = 0;
  let end = size;
  while (before < end) {
    const middle = begin + split(end - begin);
    if (before <= middle) {
      proof.push(subtree(middle, end, hashAt));
      end = middle;
    } else {
      proof.push(subtree(begin, middle, hashAt));
      begin = middle;
    }
  }
  // The part that both have is the older tree itself, which its verifier has the root of, or a subtree at its right.
  if (begin > 0) proof.push(subtree(begin, end, hashAt));
  return proof.reverse();
}

export interface Inclusion {
  leaf: Hash;
  index: number;
  size: number;
  proof: readonly Hash[];
  root: Hash;
}

/** RFC 9162, section 2.1.3.2. Every value may be an attacker's. */
export function includes({ leaf, index, size, proof, root }: Inclusion): boolean {
  if (!isIndex(index) || !isIndex(size) || index >= size) return false;
  let fn = index;
  let sn = size - 1;
  let hash = leaf;
  for (const other of proof) {
    if (sn === 0) return false;
    if (fn % 2 === 1 || fn === sn) {
      hash = nodeHash(other, hash);
      while (fn % 2 === 0 && fn !== 0) [fn, sn] = [half(fn), half(sn)];
    } else {
      hash = nodeHash(hash, other);
    }
    [fn, sn] = [half(fn), half(sn)];
  }
  return sn === 0 && hash === root;
}

export interface Consistency {
  before: { size: number; root: Hash };
  after: { size: number; root: Hash };
  proof: readonly Hash[];
}

/** RFC 9162, section 2.1.4.2. False where `before` is empty: every tree begins with nothing, so that says nothing. */
export function isConsistent({ before, after, proof }: Consistency): boolean {
  if (!isIndex(before.size) || !isIndex(after.size) || before.size === 0 || before.size > after.size) return false;
  if (before.size === after.size) return proof.length === 0 && before.root === after.root;
  let fn = before.size - 1;
  let sn = after.size - 1;
  while (fn % 2 === 1) [fn, sn] = [half(fn), half(sn)];
  // Where the older tree is whole, its root is the first hash.
  const [first, ...rest] = fn === 0 ? [before.root, ...proof] : proof;
  if (first === undefined) return false;
  let [older, newer] = [first, first];
  for (const other of rest) {
    if (sn === 0) return false;
    if (fn % 2 === 1 || fn === sn) {
      older = nodeHash(other, older);
      newer = nodeHash(other, newer);
      while (fn % 2 === 0 && fn !== 0) [fn, sn] = [half(fn), half(sn)];
    } else {
      newer = nodeHash(newer, other);
    }
    [fn, sn] = [half(fn), half(sn)];
  }
  return sn === 0 && older === before.root && newer === after.root;
}

/** The root of leaves `begin` to `end`, where `begin` is where such a subtree begins. */
function subtree(begin: number, end: number, hashAt: HashAt): Hash {
  const leaves = end - begin;
  const level = log2(leaves);
  if (leaves === 2 ** level) return hashAt(level, begin / leaves);
  const middle = begin + 2 ** level;
  return nodeHash(hashAt(level, begin / 2 ** level), subtree(middle, end, hashAt));
}

/** The largest power of two below `leaves`. */
function split(leaves: number): number {
  return 2 ** log2(leaves - 1);
}

/** Whole part of the base-2 logarithm; 0 for 0. */
function log2(value: number): number {
  let level = 0;
  for (let rest = value; rest > 1; rest = half(rest)) level++;
  return level;
}

function half(value: number): number {
  return Math.floor(value / 2);
}

function isIndex(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}
