import { readdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import fc from "fast-check";
import { openCheckpoint } from "../../../src/audit/tree/checkpoint.js";
import { hashBytes, leafHash, toBase64, type Hash } from "../../../src/audit/tree/hash.js";
import { TILE_WIDTH } from "../../../src/audit/tree/levels.js";
import { includes, isConsistent } from "../../../src/audit/tree/merkle.js";
import { openNote, readVerifier } from "../../../src/audit/tree/note.js";
import {
  entriesOf,
  entriesTile,
  nodeTiles,
  parseTilePath,
  tileCounts,
  TiledTree,
  tilePath,
  TilesDisagree,
  type TileFiles,
} from "../../../src/audit/tree/tiles.js";
import { temporaryDirectory } from "../temporary.js";
import { EdgeTree } from "./edge_tree.js";
import { hashFrom, vectorBytes, vectors } from "./vectors.js";

interface Tree600 {
  origin: string;
  logVkey: string;
  witnessVkey: string;
  checkpoints: Record<string, { checkpoint: string; root: string }>;
  inclusion: { index: number; treeSize: number; leafHash: string; proof: string[] }[];
  consistency: { oldSize: number; newSize: number; proof: string[] }[];
  tileIndexPaths: Record<string, string>;
}

function memoryTiles(): TileFiles & { kept: Map<string, Buffer>; failing: boolean } {
  const kept = new Map<string, Buffer>();
  return {
    kept,
    failing: false,
    read: (path) => kept.get(path) ?? null,
    size: (path) => kept.get(path)?.length ?? null,
    write(path, tile) {
      if (this.failing) throw new Error("ENOSPC");
      kept.set(path, tile);
    },
    remove: (path) => void kept.delete(path),
  };
}

describe("tiles", () => {
  const layout = vectors("c2sp", "tile-layout.json") as {
    sizes: { size: number; levels: { full: number; partial: number }[] }[];
    paths: Record<string, string>;
  };
  const known = vectors("c2sp", "tree-600", "vectors.json") as Tree600;

  it("are as many and as wide as the specification counts", () => {
    for (const { size, levels } of layout.sizes) expect(tileCounts(size)).to.deep.equal(levels);
    expect(tileCounts(0)).to.deep.equal([]);
  });

  it("have the paths of the specification", () => {
    for (const [n, path] of Object.entries({ ...layout.paths, ...known.tileIndexPaths }))
      expect(tilePath({ level: 3, n: Number(n), width: TILE_WIDTH })).to.equal(`tile/3/${path}`);
    expect(tilePath({ level: 0, n: 2, width: 88 })).to.equal("tile/0/002.p/88");
    expect(tilePath({ level: null, n: 1234, width: 256 })).to.equal("tile/entries/x001/234");
  });

  it("are found by the paths they have", () => {
    const level = fc.option(fc.integer({ min: 0, max: 63 }), { nil: null });
    fc.assert(
      fc.property(fc.record({ level, n: fc.maxSafeNat(), width: fc.integer({ min: 1, max: TILE_WIDTH }) }), (name) => {
        expect(parseTilePath(tilePath(name))).to.deep.equal(name);
      }),
    );
  });

  for (const path of [
    "",
    "tile/0/1",
    "tile/0/0001",
    "tile/0/x000/001",
    "tile/0/001/002",
    "tile/0/x001",
    "tile/00/001",
    "tile/64/001",
    "tile/-1/001",
    "tile/0/001.p/0",
    "tile/0/001.p/256",
    "tile/0/001.p/01",
    "tile/0/001.p",
    "tile/0/001.p/",
    "tile/data/001",
    "tile/0/../001",
    "/tile/0/001",
    "tile/0/001/",
    "tile/0/x999/x999/x999/x999/x999/x999/999",
  ]) {
    it(`are not found by \`${path}\``, () => {
      expect(parseTilePath(path)).to.be.null;
    });
  }

  it("of entries are read as they were made", () => {
    const entry = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes));
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 20 }), (entries) => {
        expect(entriesOf(entriesTile(entries))).to.deep.equal(entries);
      }),
    );
    const [whole] = [entriesTile([Buffer.from("an entry")])];
    for (let length = 1; length < whole.length; length++)
      expect(() => entriesOf(whole.subarray(0, length)), String(length)).to.throw(RangeError);
  });

  describe("of the reference's log of 600 entries", () => {
    const tiles = memoryTiles();
    const tree = TiledTree.open(tiles);
    const entries = ["000", "001", "002.p/88"].flatMap((path) => entriesOf(vectorBytes("c2sp", "tree-600", "tile", "entries", path)));
    for (const entry of entries) tree.add(leafHash(entry));
    const keys = [readVerifier(known.logVkey), readVerifier(known.witnessVkey)];

    it("are its own, to the byte", () => {
      expect(tree.size).to.equal(600);
      for (const [level, n, width] of [
        [0, 0, 256],
        [0, 1, 256],
        [0, 2, 88],
        [1, 0, 2],
      ] as const) {
        const path = tilePath({ level, n, width });
        expect(tree.tile({ level, n, width }), path).to.deep.equal(vectorBytes("c2sp", "tree-600", path));
        if (width === TILE_WIDTH) expect(tiles.kept.get(path)).to.deep.equal(vectorBytes("c2sp", "tree-600", path));
      }
      expect([...tiles.kept.keys()]).to.deep.equal(["tile/0/000", "tile/0/001"]);
      expect(entriesTile(entries.slice(0, 256))).to.deep.equal(vectorBytes("c2sp", "tree-600", "tile/entries/000"));
    });

    it("lead to the checkpoint that log and witness have signed", () => {
      const { origin, size, root, by } = openCheckpoint(vectorBytes("c2sp", "tree-600", "checkpoint"), keys);
      expect({ origin, size, root }).to.deep.equal({ origin: known.origin, size: 600, root: tree.root() });
      expect(by).to.deep.equal(keys);
    });

    it("lead to each of its checkpoints on the way", () => {
      for (const [size, { checkpoint, root }] of Object.entries(known.checkpoints)) {
        expect(toBase64(tree.root(Number(size))), size).to.equal(root);
        expect(openCheckpoint(checkpoint, keys)).to.deep.include({ size: Number(size), root: hashFrom(root) });
        const moved = checkpoint.replace(known.origin, "log.example/another");
        expect(() => openNote(moved, [keys[1] as (typeof keys)[0]]), "a witness's signature is of the text").to.throw();
      }
    });

    it("give each of its proofs", () => {
      const rootAt = (size: number): Hash => hashFrom(known.checkpoints[size]?.root ?? toBase64(tree.root(size)));
      for (const { index, treeSize, leafHash: leaf, proof } of known.inclusion) {
        expect(tree.inclusion(index, treeSize).map(toBase64), `${index} of ${treeSize}`).to.deep.equal(proof);
        const claim = {
          index,
          size: treeSize,
          leaf: hashFrom(leaf),
          proof: proof.map(hashFrom),
          root: rootAt(treeSize),
        };
        expect(includes(claim)).to.be.true;
      }
      for (const { oldSize, newSize, proof } of known.consistency) {
        expect(tree.consistency(oldSize, newSize).map(toBase64), `${oldSize} to ${newSize}`).to.deep.equal(proof);
        const [before, after] = [oldSize, newSize].map((size) => ({ size, root: rootAt(size) }));
        if (before === undefined || after === undefined) throw new Error("there are two");
        expect(isConsistent({ before, after, proof: proof.map(hashFrom) })).to.be.true;
      }
    });
  });
});

describe("a tree in tiles", () => {
  const leaves = Array.from({ length: 66_500 }, (_, i) => leafHash(Buffer.from(String(i))));
  const folder = temporaryDirectory();
  const grown = TiledTree.open(nodeTiles(folder));
  const roots = new Map<number, Hash>();

  before(() => {
    const tree = new EdgeTree();
    for (const leaf of leaves) {
      grown.add(leaf);
      tree.add(leaf);
      roots.set(tree.size, tree.root());
    }
  });

  it("has at every size the root of a tree that keeps no tiles", () => {
    for (const size of [1, 2, 255, 256, 257, 511, 512, 65_535, 65_536, 65_537, 65_792, 66_500])
      expect(grown.root(size), String(size)).to.equal(roots.get(size));
  });

  it("fills folders of a thousand tiles, and a level above", () => {
    expect(readdirSync(join(folder, "tile", "0")).length).to.equal(259);
    expect(readdirSync(join(folder, "tile", "1"))).to.deep.equal(["000"]);
  });

  it("goes on where its full tiles end", () => {
    const resumed = TiledTree.open(nodeTiles(folder));
    expect(resumed.size).to.equal(66_304);
    expect(resumed.root()).to.equal(roots.get(66_304));
    for (const leaf of leaves.slice(resumed.size)) resumed.add(leaf);
    expect(resumed.root()).to.equal(roots.get(66_500));
    expect(resumed.inclusion(12_345)).to.deep.equal(grown.inclusion(12_345));
    expect(resumed.consistency(300)).to.deep.equal(grown.consistency(300));
  });

  it("goes on no further than it may", () => {
    const resumed = TiledTree.open(nodeTiles(folder), 1000);
    expect(resumed.size).to.equal(768);
    expect(resumed.root()).to.equal(roots.get(768));
  });

  it("leaves no tiles of leaves that it hasn't when they are taken away, at any level", () => {
    for (const [size, left] of [
      [66_500, 259 + 1],
      [65_600, 256 + 1],
      [65_535, 255],
      [300, 1],
      [255, 0],
    ] as const) {
      const tiles = memoryTiles();
      const whole = TiledTree.open(tiles);
      for (const leaf of leaves) whole.add(leaf);
      const shorter = TiledTree.open(tiles, size);
      for (const leaf of leaves.slice(shorter.size, size)) shorter.add(leaf);
      shorter.removeBeyond();
      expect(tiles.kept.size, String(size)).to.equal(left);
      expect(shorter.root()).to.equal(roots.get(size));
    }
  });

  it("gives a partial tile of any earlier size, and none that it doesn't have", () => {
    for (const [level, n, width] of [
      [0, 3, 5],
      [0, 259, 196],
      [1, 0, 17],
      [1, 1, 3],
      [2, 0, 1],
    ] as const)
      expect(grown.tile({ level, n, width })).to.deep.equal(
        Buffer.concat(Array.from({ length: width }, (_, i) => hashBytes(grown.hashAt(level * 8, n * 256 + i)))),
      );
    for (const [level, n, width] of [
      [0, 259, 197],
      [0, 260, 1],
      [1, 1, 4],
      [2, 0, 2],
      [3, 0, 1],
    ] as const)
      expect(grown.tile({ level, n, width }), `${level}/${n}`).to.be.null;
  });

  it("refuses proofs of sizes that it hasn't reached", () => {
    expect(() => grown.inclusion(0, 66_501)).to.throw(RangeError);
    expect(() => grown.consistency(1, 66_501)).to.throw(RangeError);
    expect(() => grown.root(66_501)).to.throw(RangeError);
  });

  it("makes again what is missing above the leaves' tiles, and from the first leaves' tile that is not whole", () => {
    const damaged = temporaryDirectory();
    const tree = TiledTree.open(nodeTiles(damaged));
    for (const leaf of leaves) tree.add(leaf);
    rmSync(join(damaged, "tile", "1", "000"));
    expect(TiledTree.open(nodeTiles(damaged)).root()).to.equal(roots.get(66_304));
    truncateSync(join(damaged, "tile", "0", "200"), 4096);
    const resumed = TiledTree.open(nodeTiles(damaged));
    expect(resumed.size).to.equal(200 * TILE_WIDTH);
    for (const leaf of leaves.slice(resumed.size)) resumed.add(leaf);
    expect(resumed.root()).to.equal(roots.get(66_500));
  });

  it("gives no proof from a tile that disagrees with those above it", () => {
    const damaged = temporaryDirectory();
    const tree = TiledTree.open(nodeTiles(damaged));
    for (const leaf of leaves.slice(0, 1024)) tree.add(leaf);
    writeFileSync(join(damaged, "tile", "0", "001"), Buffer.alloc(8192));
    expect(() => TiledTree.open(nodeTiles(damaged)).inclusion(300)).not.to.throw();
    expect(() => tree.inclusion(300)).to.throw(TilesDisagree);
    expect(tree.inclusion(700)).to.have.lengthOf(10);
    rmSync(join(damaged, "tile", "0", "003"));
    expect(() => tree.inclusion(900)).to.throw(TilesDisagree);
  });

  it("goes on after a write of a tile that failed, as if it hadn't", () => {
    const tiles = memoryTiles();
    const tree = TiledTree.open(tiles);
    for (const leaf of leaves) {
      tiles.failing = tree.size % 256 === 255;
      if (tiles.failing)
        expect(() => {
          tree.add(leaf);
        }).to.throw("ENOSPC");
      tiles.failing = false;
      tree.add(leaf);
    }
    expect(tree.root()).to.equal(roots.get(66_500));
    expect(TiledTree.open(tiles).root()).to.equal(roots.get(66_304));
  });
});
