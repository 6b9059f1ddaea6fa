/** Basis of a review: the tree over the log's records at both ends of the period, and the checkpoint that signs it. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Line } from "../audit/log/record_lines.js";
import { CHECKPOINT } from "../audit/log/seal.js";
import { openCheckpoint, readUnverified, type Checkpoint } from "../audit/tree/checkpoint.js";
import { leafHash, toBase64, type Hash } from "../audit/tree/hash.js";
import { Levels, TILE_WIDTH } from "../audit/tree/levels.js";
import { readVerifier, type Verifier } from "../audit/tree/note.js";
import { hashesOf, isWhole, nodeTiles, tilePath } from "../audit/tree/tiles.js";
import type { Rests } from "./report.js";
import { errorMessage } from "../system/error_message.js";

interface At {
  size: number;
  root: Hash | null;
}

/** The tree, made again from the records as they come. Once some are missing, it has no root any more. */
export class Tree {
  readonly #levels = new Levels(() => undefined);
  #whole = true;
  #size = 0;

  /** Adds dropped records by their hashes, which tiles still have. @param last number of the last dropped record */
  drop(folder: string, last: number): void {
    const tiles = nodeTiles(folder);
    for (let n = 0; this.#whole && n * TILE_WIDTH < last; n++) {
      const tile = tiles.read(tilePath({ level: 0, n, width: TILE_WIDTH }));
      if (!isWhole(tile)) this.#whole = false;
      else for (const leaf of hashesOf(tile).slice(0, last - n * TILE_WIDTH)) this.#levels.add(leaf);
    }
    this.#size = last;
  }

  take({ seq, bytes }: Line): void {
    if (seq !== this.#size + 1) this.#whole = false;
    this.#size = seq;
    if (!this.#whole) return;
    try {
      this.#levels.add(leafHash(bytes));
    } catch (cause) {
      if (!(cause instanceof RangeError)) throw cause;
      this.#whole = false;
    }
  }

  get size(): number {
    return this.#size;
  }

  at(): At {
    return { size: this.#size, root: this.#whole ? this.#levels.root() : null };
  }
}

/** The log's own checkpoint, as it was before the records were read: a service that goes on writing has them on disk before it signs. */
export class Signed {
  readonly #note: Buffer | null;
  readonly #claim: Checkpoint | null;
  readonly #why: string | null;
  #found: At | null = null;

  constructor(folder: string) {
    const file = join(folder, CHECKPOINT);
    this.#note = existsSync(file) ? readFileSync(file) : null;
    let claim: Checkpoint | null = null;
    let why: string | null = null;
    try {
      if (this.#note !== null) claim = readUnverified(this.#note);
    } catch (cause) {
      why = errorMessage(cause);
    }
    [this.#claim, this.#why] = [claim, why];
  }

  get origin(): string | null {
    return this.#claim?.origin ?? null;
  }

  /** After each record. */
  look(tree: Tree): void {
    if (this.#claim?.size === tree.size) this.#found = tree.at();
  }

  /** @param given keys that the caller trusts; null: those that the log names itself */
  judged(given: readonly Verifier[] | null, named: readonly string[], last: number | null): Rests["checkpoint"] {
    if (this.#note === null) return null;
    const keys_named_by = given === null ? "log" : "caller";
    const known = given ?? named.flatMap(verifierOf);
    const unread = { size: 0, root: "", signed_by: [], keys_named_by, holds: false, covers_period: false } as const;
    if (this.#claim === null) return { ...unread, signed_by: [], says: `the checkpoint can't be read: ${this.#why ?? ""}` };
    const { size, root } = this.#claim;
    const covers_period = last === null || size >= last;
    const said = { size, root: toBase64(root), keys_named_by, covers_period } as const;
    try {
      const signed_by = openCheckpoint(this.#note, known).by.map(({ vkey }) => vkey);
      return { ...said, signed_by, ...this.#derived(size, root) };
    } catch (cause) {
      if (!(cause instanceof Error)) throw cause;
      return { ...said, signed_by: [], holds: false, says: cause.message };
    }
  }

  #derived(size: number, root: Hash): { holds: boolean; says: string } {
    if (this.#found === null) return { holds: false, says: `the log ends before record ${size}, which was signed` };
    if (this.#found.root === null) return { holds: false, says: "records are missing, so nothing can be held against it" };
    if (this.#found.root !== root) return { holds: false, says: "the records lead to another root: they aren't what was signed" };
    return { holds: true, says: "the records lead to it" };
  }
}

function verifierOf(vkey: string): Verifier[] {
  try {
    return [readVerifier(vkey)];
  } catch {
    // What the log names and isn't a key signs nothing.
    return [];
  }
}

export function rootOf({ size, root }: At): Rests["before"] {
  return { size, root: root === null ? null : toBase64(root) };
}
