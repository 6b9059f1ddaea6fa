/**
 * The feed of all facts as far as a node has read it: its digest, and whether it is another feed than an earlier start of the node has read.
 * A start reads the feed once, for all that needs it; what a member has to know of the changes in it is kept until it begins.
 */
import type { Change } from "../store/store.js";
import { FeedChain, type ChainLink } from "./chain.js";

export class FeedRead {
  readonly chain = new FeedChain();
  /** Last digest that an earlier start knew; null: none, or it was compared. */
  #before: ChainLink | null;
  #isOther = false;
  #kept: Change[] = [];

  /** @param before last digest of the feed that an earlier start of this node knew */
  constructor(before: ChainLink | null) {
    this.#before = before;
  }

  /** True if an earlier start of this node has read another feed. */
  get isOther(): boolean {
    return this.#isOther;
  }

  add(change: Change): void {
    this.chain.add(change);
    if (this.#before === null || change.revision < this.#before.revision) return;
    this.#isOther = this.chain.differsFrom(this.#before);
    this.#before = null;
  }

  /** Takes a change from before the member begins. @param isKept whether the member has to know it */
  past(change: Change, isKept: boolean): void {
    this.add(change);
    if (isKept) this.#kept.push(change);
  }

  /** Returns the changes that were kept, once. */
  takeKept(): readonly Change[] {
    const kept = this.#kept;
    this.#kept = [];
    return kept;
  }
}
