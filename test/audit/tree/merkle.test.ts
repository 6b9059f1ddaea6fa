import { expect } from "chai";
import fc from "fast-check";
import { EMPTY_ROOT, fromBase64, hashBytes, hashOf, leafHash, nodeHash, toBase64, type Hash } from "../../../src/audit/tree/hash.js";
import { consistencyProof, includes, inclusionProof, isConsistent, rootAt, type HashAt } from "../../../src/audit/tree/merkle.js";
import { rootOf } from "../../../src/audit/tree/levels.js";
import { EdgeTree } from "./edge_tree.js";
import { hashFrom, vectors } from "./vectors.js";

interface InclusionVector {
  file: string;
  leafIdx: number;
  treeSize: number;
  root: string;
  leafHash: string;
  proof: string[] | null;
  wantErr: boolean;
}

interface ConsistencyVector {
  file: string;
  size1: number;
  size2: number;
  root1: string;
  root2: string;
  proof: string[] | null;
  wantErr: boolean;
}

interface CtLog {
  sth: { tree_size: number; sha256_root_hash: string };
  entries: { entries: { leaf_input: string }[] };
  proof: { leaf_index: number; audit_path: string[] };
  consistency: { consistency: string[] };
  oldSize: number;
  oldRoot: string;
}

/** Upstream takes any bytes for a root where no proof is needed; a root has 32. */
const NOT_A_HASH = "additional/sizes-are-equal-one-and-proof-is-empty";

const leaves = Array.from({ length: 70 }, (_, i) => leafHash(Buffer.from(`entry ${i}`)));
const hashAt: HashAt = (level, index) => rootOf(leaves.slice(index * 2 ** level, (index + 1) * 2 ** level));
const grown = (size: number): EdgeTree => {
  const tree = new EdgeTree();
  for (const leaf of leaves.slice(0, size)) tree.add(leaf);
  return tree;
};

/** The definition in RFC 9162, section 2.1.1, word by word. */
function definedRoot(of: readonly Hash[]): Hash {
  if (of.length === 0) return EMPTY_ROOT;
  if (of.length === 1) return of[0] as Hash;
  let k = 1;
  while (k * 2 < of.length) k *= 2;
  return nodeHash(definedRoot(of.slice(0, k)), definedRoot(of.slice(k)));
}

describe("the Merkle tree", () => {
  const inclusion = vectors("merkle", "inclusion.json") as InclusionVector[];
  const consistency = vectors("merkle", "consistency.json") as ConsistencyVector[];

  it(`agrees with each of the ${inclusion.length} known proofs of inclusion`, () => {
    for (const { file, leafIdx, treeSize, root, leafHash: leaf, proof, wantErr } of inclusion) {
      const hashes = [leaf, root, ...(proof ?? [])].map(fromBase64);
      const [first, second, ...rest] = hashes.filter((hash) => hash !== null);
      const well = hashes.length === rest.length + 2 && first !== undefined && second !== undefined;
      const accepted = well && includes({ leaf: first, index: leafIdx, size: treeSize, root: second, proof: rest });
      expect(accepted, file).to.equal(!wantErr);
    }
  });

  it(`agrees with each of the ${consistency.length} known proofs of consistency`, () => {
    for (const { file, size1, size2, root1, root2, proof, wantErr } of consistency) {
      const hashes = [root1, root2, ...(proof ?? [])].map(fromBase64);
      const [first, second, ...rest] = hashes.filter((hash) => hash !== null);
      const well = hashes.length === rest.length + 2 && first !== undefined && second !== undefined;
      const [before, after] = [
        { size: size1, root: first as Hash },
        { size: size2, root: second as Hash },
      ];
      const accepted = well && isConsistent({ before, after, proof: rest });
      expect(accepted, file).to.equal(!wantErr && file !== NOT_A_HASH);
    }
  });

  it("verifies what a public log of 961,984,013 leaves has answered", () => {
    const { sth, entries, proof, consistency: path, oldSize, oldRoot } = vectors("merkle", "ct-argon2020.json") as CtLog;
    const root = hashFrom(sth.sha256_root_hash);
    const leaf = leafHash(Buffer.from(entries.entries[0]?.leaf_input ?? "", "base64"));
    const claim = { leaf, index: proof.leaf_index, size: sth.tree_size, proof: proof.audit_path.map(hashFrom), root };
    expect(includes(claim)).to.be.true;
    expect(includes({ ...claim, index: claim.index + 1 })).to.be.false;
    const before = { size: oldSize, root: hashFrom(oldRoot) };
    const after = { size: sth.tree_size, root };
    expect(isConsistent({ before, after, proof: path.consistency.map(hashFrom) })).to.be.true;
    expect(isConsistent({ before, after, proof: path.consistency.map(hashFrom).reverse() })).to.be.false;
  });

  it("has the root that its definition gives, at every size up to 70", () => {
    for (let size = 0; size <= leaves.length; size++) {
      const wanted = definedRoot(leaves.slice(0, size));
      expect(grown(size).root(), String(size)).to.equal(wanted);
      expect(rootAt(size, hashAt), String(size)).to.equal(wanted);
    }
  });

  it("proves every leaf at every size, and nothing else in its place", () => {
    for (let size = 1; size <= leaves.length; size++) {
      const root = grown(size).root();
      for (let index = 0; index < size; index++) {
        const claim = { leaf: leaves[index] as Hash, index, size, proof: inclusionProof(index, size, hashAt), root };
        expect(includes(claim), `${index} of ${size}`).to.be.true;
        expect(includes({ ...claim, leaf: leafHash(Buffer.from("another")) })).to.be.false;
        expect(includes({ ...claim, index: index === 0 ? 1 : index - 1 })).to.be.false;
        expect(includes({ ...claim, proof: [...claim.proof, root] })).to.be.false;
        if (claim.proof.length > 0) expect(includes({ ...claim, proof: claim.proof.slice(1) })).to.be.false;
      }
    }
  });

  it("proves that it has only grown, between every two sizes", () => {
    for (let size = 1; size <= leaves.length; size++) {
      const after = { size, root: grown(size).root() };
      for (let old = 1; old <= size; old++) {
        const before = { size: old, root: grown(old).root() };
        const proof = consistencyProof(old, size, hashAt);
        expect(isConsistent({ before, after, proof }), `${old} to ${size}`).to.be.true;
        expect(isConsistent({ before: { size: old, root: EMPTY_ROOT }, after, proof })).to.be.false;
        expect(isConsistent({ before, after: { size, root: EMPTY_ROOT }, proof })).to.be.false;
        expect(isConsistent({ before, after, proof: [...proof, after.root] })).to.be.false;
      }
    }
  });

  it("refuses to prove what it doesn't have", () => {
    for (const [index, size] of [
      [-1, 5],
      [5, 5],
      [0, 0],
      [Number.NaN, 5],
    ] as const)
      expect(() => inclusionProof(index, size, hashAt), `${index} of ${size}`).to.throw(RangeError);
    for (const [before, size] of [
      [0, 5],
      [6, 5],
      [Number.NaN, 5],
    ] as const)
      expect(() => consistencyProof(before, size, hashAt), `${before} to ${size}`).to.throw(RangeError);
  });

  it("takes no sizes and indices that aren't whole numbers", () => {
    const root = grown(2).root();
    const proof = inclusionProof(0, 2, hashAt);
    for (const odd of [0.5, -1, Number.NaN, Infinity, 2 ** 53]) {
      expect(includes({ leaf: leaves[0] as Hash, index: odd, size: 2, proof, root }), String(odd)).to.be.false;
      expect(includes({ leaf: leaves[0] as Hash, index: 0, size: odd, proof, root }), String(odd)).to.be.false;
    }
  });

  it("never takes a node for a leaf", () => {
    const [a, b] = leaves as [Hash, Hash];
    expect(leafHash(Buffer.concat([hashBytes(a), hashBytes(b)]))).not.to.equal(nodeHash(a, b));
  });
});

describe("a hash", () => {
  it("is 32 bytes, through every form", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (bytes) => {
        const hash = hashOf(bytes);
        expect(hashBytes(hash)).to.deep.equal(Buffer.from(bytes));
        expect(fromBase64(toBase64(hash))).to.equal(hash);
      }),
    );
  });

  const good = toBase64(EMPTY_ROOT);
  for (const [what, text] of [
    ["nothing", ""],
    ["31 bytes", Buffer.alloc(31).toString("base64")],
    ["33 bytes", Buffer.alloc(33).toString("base64")],
    ["64 bytes", Buffer.alloc(64).toString("base64")],
    ["a text that other bits could be behind", `${good.slice(0, -2)}V=`],
    ["the alphabet of URLs", good.replace("/", "_")],
    ["white space", ` ${good.slice(1)}`],
    ["no padding", good.slice(0, -1)],
    ["something else", "!".repeat(44)],
  ] as const) {
    it(`is not read from ${what}`, () => {
      expect(fromBase64(text)).to.be.null;
    });
  }

  it("refuses an entry that no tile could hold", () => {
    expect(() => leafHash(Buffer.alloc(65_536))).to.throw(RangeError);
    expect(leafHash(Buffer.alloc(65_535))).to.have.lengthOf(32);
  });
});
