/**
 * The lease by which a node of a cluster may allow. The node sends a tick into the feed that carries the facts; once the tick has come
 * back through the feed, in order, everything committed before it was sent is in memory. So the node may allow until the tick is as old
 * as the lease lasts. No clock is compared with another host's; only their rates matter, and both sides keep a margin for those.
 */
import type { Clock, Timers } from "../system/index.js";

/** Part of a lease that each side keeps for clocks that run at different rates: the node ends earlier, the others wait longer. */
export const DRIFT = 0.01;
/** Ticks in the time of a lease. */
export const TICKS_PER_LEASE = 5;
/** Feed that carries all facts. */
export const FACTS_FEED = 0;
/** Feed that carries restrictions alone, as copies, and whose leader is another server. */
export const RESTRICTIONS_FEED = 1;
/**
 * Milliseconds for which the other feed renews a lease that the feed of all facts doesn't: longer than the servers need to elect a
 * leader, and short enough for changes that the other feed doesn't carry.
 */
export const ALONE_MS = 20_000;

/** Why a lease ended for good. */
export type LeaseEnd =
  "node_name_taken" | "feed_forked" | "feed_other" | "feed_unreadable" | "cluster_too_large" | "node_dismissed" | "left";

/** Time from the sending of one tick. What was gathered in it may be answered until it is over, whatever came later. */
export class Tenure {
  readonly #clock: Clock;
  readonly #lasts_ms: number;
  readonly #monotonic: number;
  readonly #wall: number;

  constructor(clock: Clock, lastsMs: number) {
    this.#clock = clock;
    this.#lasts_ms = lastsMs;
    this.#monotonic = clock.monotonic();
    this.#wall = clock.wall();
  }

  /** Milliseconds until it is over; negative after. A clock on the wall that went further than the monotonic one: the machine slept. */
  get left_ms(): number {
    const monotonic = this.#clock.monotonic() - this.#monotonic;
    return this.#lasts_ms - Math.max(monotonic, this.#clock.wall() - this.#wall);
  }

  get isOver(): boolean {
    return this.left_ms <= 0;
  }
}

/** Start of a node. Of two with one name, both sides know which came later, whatever they have read of each other. */
export interface NodeStart {
  /** Names it among all starts of all nodes. */
  incarnation: string;
  /** Position of the feed when this start opened it. */
  opened_at: number;
}

/** Returns true if the first start came after the second. */
export function isLater(one: NodeStart, other: NodeStart): boolean {
  return one.opened_at > other.opened_at || (one.opened_at === other.opened_at && one.incarnation > other.incarnation);
}

export interface LeaseOptions {
  start: NodeStart;
  lease_ms: number;
}

export interface LeaseEvents {
  /** Sends a tick into every feed. */
  send(n: number): void;
  /** Reports that the lease has begun, or begun again. */
  held(): void;
  ended(why: LeaseEnd): void;
}

export class Lease {
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #options: LeaseOptions;
  readonly #events: LeaseEvents;
  /** Ticks under way, by number, the oldest first. */
  readonly #sent = new Map<number, Tenure>();
  #last = 0;
  /** Number of the latest tick that came back. */
  #returned = 0;
  /** Time from the latest tick that the feed of all facts has brought; null before the first. */
  #complete: Tenure | null = null;
  #tenure: Tenure | null = null;
  #end: LeaseEnd | null = null;
  #stop: (() => void) | null = null;

  constructor(system: { clock: Clock; timers: Timers }, options: LeaseOptions, events: LeaseEvents) {
    this.#clock = system.clock;
    this.#timers = system.timers;
    this.#options = options;
    this.#events = events;
  }

  /** Time in which the node may allow; null if it may not now. */
  get tenure(): Tenure | null {
    return this.#tenure === null || this.#tenure.isOver ? null : this.#tenure;
  }

  /** Why it ended for good; null if it didn't. */
  get end(): LeaseEnd | null {
    return this.#end;
  }

  /** Number of the latest tick that was sent. */
  get sent(): number {
    return this.#last;
  }

  start(): void {
    this.#stop = this.#timers.every(this.#options.lease_ms / TICKS_PER_LEASE, () => {
      this.tick();
    });
    this.tick();
  }

  /** Sends a tick, which renews the lease when it comes back. */
  tick(): void {
    if (this.#end !== null) return;
    for (const [n, tenure] of this.#sent) if (tenure.isOver) this.#sent.delete(n);
    this.#last++;
    this.#sent.set(this.#last, new Tenure(this.#clock, this.#options.lease_ms * (1 - DRIFT)));
    this.#events.send(this.#last);
  }

  /** Takes a tick of this node's name from a feed. Everything before it in that feed has been taken. */
  returned(feed: number, by: NodeStart, n: number): void {
    if (this.#end !== null) return;
    const { start } = this.#options;
    if (by.incarnation !== start.incarnation) {
      // Two processes of one name: the one that started later goes on.
      if (isLater(by, start)) this.finish("node_name_taken");
      return;
    }
    const tenure = this.#sent.get(n);
    if (tenure === undefined) return;
    // What was read of the facts is only known to be complete while their own feed brings ticks; a start waits for the first.
    if (feed === FACTS_FEED && tenure.left_ms > (this.#complete?.left_ms ?? -Infinity)) this.#complete = tenure;
    if (n <= this.#returned || (this.#complete?.left_ms ?? -Infinity) < -ALONE_MS) return;
    const held = this.tenure !== null;
    // A lease that has ended begins again once all facts are here: others may have stopped waiting for this node since.
    if (!held && feed !== FACTS_FEED) return;
    this.#returned = n;
    this.#tenure = tenure;
    if (!held && !tenure.isOver) this.#events.held();
  }

  /** Ends the lease for good: nothing that is answered from now on may allow. */
  finish(why: LeaseEnd): void {
    if (this.#end !== null) return;
    this.#end = why;
    this.#tenure = null;
    this.#stop?.();
    this.#events.ended(why);
  }
}
