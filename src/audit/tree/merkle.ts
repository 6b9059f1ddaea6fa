/**
 * The log's Merkle tree (RFC 9162, section 2.1): roots and proofs made from stored hashes, and their verification. Indices and
 * sizes are safe integers.
 */
import { EMPTY_ROOT, nodeHash, type Hash } from "./hash.js";

/**
 * The root of the whole subtree of `2 ** level` leaves that begins at leaf `index * 2 ** level`.
 * Asked only for subtrees that are whole at the size that a proof is for.
 */
export type HashAt = (level: number, index: number) => Hash;

/** The root of the tree's first `size` leaves. */
export function rootAt(size: number, hashAt: HashAt): Hash {
  return size === 0 ? EMPTY_ROOT : subtree(0, size, hashAt);
}

/**
 * Returns the proof that leaf `index` is in the tree of `size` leaves.
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
 * Returns the proof that the tree of `size` leaves begins with the tree of `before` leaves.
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
