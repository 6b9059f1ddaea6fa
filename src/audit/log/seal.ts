/**
 * Seal that makes the records provable: the tree over those that are on disk, and the checkpoint that signs it. The log's writer owns it
 * and grows it after each sync, so nothing is ever signed that a crash could take back.
 */
import type { LogFiles } from "./files.js";
import { LogDamaged } from "./segments.js";
import { CheckpointError, openCheckpoint, readUnverified, signCheckpoint, type Checkpoint } from "../tree/checkpoint.js";
import { leafHash, toBase64, type Hash } from "../tree/hash.js";
import { NoteError, readSigner, type Signer } from "../tree/note.js";
import { TILE_WIDTH } from "../tree/levels.js";
import { TiledTree, TilesDisagree, hashesOf, isWhole, tilePath, type TileFiles } from "../tree/tiles.js";

export const CHECKPOINT = "checkpoint";
const NEWLINE = 0x0a;

export interface SealOptions {
  /** Private keys, PKCS #8 as PEM: each signs every checkpoint. */
  keys: readonly string[];
  /** The log's name, which every key of it has too. */
  origin: string;
}

/** That records are in the log, all by one checkpoint; hashes are base64, from each leaf up. */
export interface InclusionProofs {
  size: number;
  /** Proofs in the order of the request. */
  proofs: string[][];
  /** The signed note of that size. */
  checkpoint: string;
}

/** That the log of `size` records begins with those of an earlier size; hashes are base64. */
export interface ConsistencyProof {
  size: number;
  proof: string[];
  checkpoint: string;
}

export class Seal {
  readonly #files: LogFiles;
  readonly #tiles: TileFiles;
  readonly #origin: string;
  readonly #signers: readonly Signer[];
  #tree: TiledTree;
  /** The last checkpoint, as it stands on disk. */
  #signed: { size: number; note: string } | null = null;
  /** Leaves that a failing disk keeps out of the tree, the oldest first; nothing is signed meanwhile. */
  #owed: Hash[] = [];

  /** @throws NoteError `key_refused` */
  constructor(files: LogFiles, tiles: TileFiles, { keys, origin }: SealOptions) {
    this.#files = files;
    this.#tiles = tiles;
    this.#origin = origin;
    this.#signers = keys.map((pem) => readSigner(origin, pem));
    this.#tree = TiledTree.open(tiles, 0);
  }

  /**
   * The checkpoint on disk, signed by a key of this log.
   * @throws LogDamaged where it isn't
   */
  read(): Checkpoint | null {
    if (!this.#files.list().includes(CHECKPOINT)) return null;
    const note = this.#files.read(CHECKPOINT).toString();
    try {
      const trusted = this.#signers.map(({ verifier }) => verifier);
      const checkpoint = openCheckpoint(note, trusted, this.#origin);
      // By fewer keys than now, where one was added since: then it is signed anew before it is given to anyone.
      if (checkpoint.by.length === trusted.length) this.#signed = { size: checkpoint.size, note };
      return checkpoint;
    } catch (cause) {
      if (!(cause instanceof NoteError) && !(cause instanceof CheckpointError)) throw cause;
      throw new LogDamaged(`the log's checkpoint is not by this log's keys: ${cause.message}`, { cause });
    }
  }

  /**
   * Takes up the tree where it was left, and holds it against the checkpoint.
   * @param lines the records from one on, without newlines
   * @param dropped the last record of which only the tiles are left; 0: all are there
   * @throws LogDamaged where records that the checkpoint covers are missing or aren't what was signed
   */
  open(checkpoint: Checkpoint | null, seq: number, lines: (from: number) => Iterable<Buffer>, dropped = 0): void {
    if (checkpoint !== null && seq < checkpoint.size)
      throw new LogDamaged(`the log ends at record ${seq} and its checkpoint covers ${checkpoint.size}: records are gone`);
    this.#owed = [];
    // Tiles aren't synced, and may be older than the records or torn: what counts is what the records themselves say.
    if (this.#resume(checkpoint, seq, seq, lines, dropped) || this.#resume(checkpoint, seq, 0, lines, dropped)) {
      this.#tree.removeBeyond();
      return;
    }
    throw new LogDamaged(
      `records up to ${checkpoint?.size ?? seq} are not those that the checkpoint signed: \`remit audit verify\` says where`,
    );
  }

  #resume(
    checkpoint: Checkpoint | null,
    seq: number,
    tilesUpTo: number,
    lines: (from: number) => Iterable<Buffer>,
    dropped: number,
  ): boolean {
    try {
      this.#tree = TiledTree.open(this.#tiles, tilesUpTo);
      while (this.#tree.size < dropped) this.#addTile(this.#tree.size / TILE_WIDTH);
      for (const line of lines(this.#tree.size + 1)) this.#tree.add(leafHash(line));
      if (this.#tree.size !== seq) throw new LogDamaged(`the log has ${this.#tree.size} records, not ${seq}`);
      return checkpoint === null || this.#tree.root(checkpoint.size) === checkpoint.root;
    } catch (cause) {
      if (cause instanceof TilesDisagree) return false;
      throw cause;
    }
  }

  /** Adds the leaves of a tile to the tree: of records that were dropped, it is all that is left. */
  #addTile(n: number): void {
    const path = tilePath({ level: 0, n, width: TILE_WIDTH });
    const tile = this.#tiles.read(path);
    if (!isWhole(tile)) throw new LogDamaged(`${path} is missing, and its records were dropped`);
    for (const leaf of hashesOf(tile)) this.#tree.add(leaf);
  }

  /** @param group whole lines that are on disk */
  grow(group: Buffer): void {
    for (let start = 0, end = group.indexOf(NEWLINE); end >= 0; start = end + 1, end = group.indexOf(NEWLINE, start))
      this.#owed.push(leafHash(group.subarray(start, end)));
    let added = 0;
    try {
      for (const leaf of this.#owed) {
        this.#tree.add(leaf);
        added++;
      }
    } catch {
      // A tile can't be written. The records are on disk, and decide; the tree is tried again with the next group.
    }
    this.#owed = added === this.#owed.length ? [] : this.#owed.slice(added);
  }

  /** True if the checkpoint on disk covers all records. */
  get isSigned(): boolean {
    return this.#owed.length === 0 && this.#signed?.size === this.#tree.size;
  }

  /**
   * Signs what there is, and puts it on disk before it is given to anyone.
   * @throws what the disk says
   */
  sign(): string {
    this.grow(Buffer.alloc(0));
    const size = this.#tree.size;
    if (this.#signed?.size === size) return this.#signed.note;
    const note = signCheckpoint({ origin: this.#origin, size, root: this.#tree.root() }, this.#signers);
    this.#files.replace(CHECKPOINT, Buffer.from(note));
    this.#signed = { size, note };
    return note;
  }

  /** @throws RangeError for a record that isn't on disk, and what the disk says */
  inclusion(indices: readonly number[]): InclusionProofs {
    const signed = this.#signed;
    const checkpoint = signed !== null && indices.every((index) => index < signed.size) ? signed.note : this.sign();
    const { size } = readUnverified(checkpoint);
    return { size, proofs: indices.map((index) => this.#tree.inclusion(index, size).map(toBase64)), checkpoint };
  }

  /** @throws RangeError unless 1 ≤ before ≤ the size signed */
  consistency(before: number): ConsistencyProof {
    const checkpoint = this.sign();
    const { size } = readUnverified(checkpoint);
    return { size, proof: this.#tree.consistency(before, size).map(toBase64), checkpoint };
  }

  /** Null where the tree has no such tile yet. */
  tile(level: number, n: number, width: number): Buffer | null {
    return this.#tree.tile({ level, n, width });
  }
}
