/**
 * A digest over all changes of the feed, in order. Two nodes with different digests at one revision have read different feeds, and
 * neither can know which is the true one.
 */
import { hash } from "node:crypto";
import { canonical } from "../contract/index.js";
import type { Change } from "../store/store.js";

/** Revisions of which the digest is remembered, to compare with nodes that are behind. */
const REMEMBERED = 10_000;
const EMPTY_CHAIN = "0".repeat(64);

/** Digest of the feed up to a revision, in hex. */
export interface ChainLink {
  revision: number;
  chain: string;
}

export class FeedChain {
  readonly #links = new Map<number, string>([[0, EMPTY_CHAIN]]);
  #last: ChainLink = { revision: 0, chain: EMPTY_CHAIN };

  get last(): ChainLink {
    return this.#last;
  }

  add({ revision, key, value, by, time, reason, change }: Change): void {
    const chain = hash("sha256", this.#last.chain + canonical([revision, key, value, by, time, reason, change]));
    this.#last = { revision, chain };
    this.#links.set(revision, chain);
    if (this.#links.size > REMEMBERED) this.#links.delete(this.#links.keys().next().value ?? 0);
  }

  /** Returns true if another's digest at a revision can't be of the same feed. */
  differsFrom({ revision, chain }: ChainLink): boolean {
    if (revision > this.#last.revision) return false;
    const known = this.#links.get(revision);
    // Older than what is remembered: nothing is known. Younger, and no change here: the other has one that this feed lacks.
    if (known === undefined) return revision > (this.#links.keys().next().value ?? 0);
    return known !== chain;
  }
}
