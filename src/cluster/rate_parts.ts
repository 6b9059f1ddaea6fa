/**
 * Into how many parts a rate is divided so that all nodes together never exceed it, without asking one another: each permits its own part.
 *
 * A rate counts the last minute. A node that begins permits nothing until all others have known of it for that long, and one that is gone
 * keeps its part for as long: whoever permits something then divides by at least as many as have permitted anything in the same minute.
 * A node may allow while it reads one of two feeds, so that two may not see each other. Hence a node is known once its ticks were in all feeds
 * for that long, and forgets another only after it has read all feeds for that long without it.
 */
import type { Clock } from "../system/index.js";

export interface RatePartsOptions {
  /** Name of this node. */
  node: string;
  /** Milliseconds within which a node that may allow has read what is in a feed. */
  lease_ms: number;
  /** Feeds: a node may allow while it reads one of them. */
  feeds: number;
}

const MINUTE_MS = 60_000;

export class RateParts {
  readonly #clock: Pick<Clock, "monotonic">;
  readonly #node: string;
  readonly #lease_ms: number;
  readonly #known_ms: number;
  readonly #seen = new Map<string, number>();
  /** When each feed has last brought a tick of this node. */
  readonly #returned: number[];
  /** True once all others know of this node, until they may have forgotten it. */
  #isKnown = false;
  /** Since when all feeds have been read; null: one of them is silent, and may have ticks of nodes that look gone. */
  #wholeSince: number | null = null;

  constructor(clock: Pick<Clock, "monotonic">, { node, lease_ms, feeds }: RatePartsOptions) {
    this.#clock = clock;
    this.#node = node;
    this.#lease_ms = lease_ms;
    // One lease until others read its tick, and one for clocks that run apart.
    this.#known_ms = MINUTE_MS + 2 * lease_ms;
    this.#returned = Array.from({ length: feeds }, () => -Infinity);
  }

  /** A tick of a node was read in a feed. */
  seen(feed: number, node: string): void {
    const now = this.#clock.monotonic();
    this.#seen.set(node, now);
    if (node !== this.#node) return;
    if (now - Math.max(...this.#returned) > MINUTE_MS) this.#isKnown = false;
    this.#returned[feed] = now;
    this.#wholeSince = this.#isWhole(now) ? (this.#wholeSince ?? now) : null;
    if (this.#wasWhole(now)) this.#isKnown = true;
  }

  /** Parts of a rate, of which this node has one; infinite while it has none. */
  get count(): number {
    const now = this.#clock.monotonic();
    if (!this.#isWhole(now)) this.#wholeSince = null;
    if (this.#wasWhole(now)) for (const [node, at] of this.#seen) if (now - at >= this.#known_ms) this.#seen.delete(node);
    return this.#isKnown ? this.#seen.size : Infinity;
  }

  #wasWhole(now: number): boolean {
    return this.#wholeSince !== null && now - this.#wholeSince >= this.#known_ms;
  }

  #isWhole(now: number): boolean {
    return this.#returned.every((at) => now - at <= this.#lease_ms);
  }
}
