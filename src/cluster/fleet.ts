/**
 * The nodes of a cluster, by their ticks, and what may be claimed of all of them. A node that can allow has sent a tick that comes before
 * a change, or has read the change. So a change is in force on the whole fleet when each node of which a tick was read before the change
 * has acknowledged it, or its lease has ended.
 */
import type { Clock } from "../system/index.js";
import { ALONE_MS, DRIFT, isLater, type NodeStart } from "./lease.js";

/** A node's tick as it is read from a feed. */
export interface SeenTick extends NodeStart {
  node: string;
  /** True in the last tick of a node that stops: it no longer allows. */
  leaving: boolean;
}

interface TickTime {
  node: string;
  /** Position of the feed when the start of the node opened it. */
  opened_at: number;
  /** When its last tick was read, on this host's monotonic clock. */
  at: number;
  left: boolean;
}

/** Ticks by incarnation: a process that was replaced under its name may allow for as long as any other that fell silent. */
type SeenByFeed = Map<string, TickTime>;

/** State of a change on the fleet. */
export interface FleetState {
  /** Nodes that have acknowledged it, with the milliseconds from its commit. */
  acknowledged: { node: string; ms: number }[];
  /** Nodes that didn't, and whose lease has ended. */
  expired: string[];
  waiting_for: string[];
}

/** Stands for all nodes of which nothing was read yet, in the time of one lease after a start. */
export const UNKNOWN_NODE = "unknown";

/** Leases for which what was seen of a node is kept, beside the time in which one feed alone may renew its lease. */
const KEPT_LEASES = 10;
const LEFT_MAX = 10_000;

export class Fleet {
  readonly #clock: Clock;
  readonly #wait_ms: number;
  readonly #kept_ms: number;
  readonly #seen: SeenByFeed[];
  /** Times at which the latest ticks of this node were sent that each feed has brought. */
  readonly #brought: number[];
  /** When this node began to read. */
  readonly #began: number;
  /** Incarnations that have left in order, the last ones. */
  readonly #left = new Set<string>();
  /** Incarnations of which each feed says that they were dismissed. */
  readonly #gone: Set<string>[];

  constructor(clock: Clock, { lease_ms, feeds }: { lease_ms: number; feeds: number }) {
    this.#clock = clock;
    this.#wait_ms = lease_ms * (1 + DRIFT);
    // A node may go on by one feed for as long as that renews leases alone.
    this.#kept_ms = KEPT_LEASES * this.#wait_ms + ALONE_MS;
    // A node that fell silent before this start may have a lease for as long as any, and nothing is known of it.
    const unknown: TickTime = { node: UNKNOWN_NODE, opened_at: 0, at: clock.monotonic(), left: false };
    this.#seen = Array.from({ length: feeds }, () => new Map([["", unknown]]));
    this.#began = unknown.at;
    this.#brought = Array.from({ length: feeds }, () => -Infinity);
    this.#gone = Array.from({ length: feeds }, () => new Set());
  }

  /** Takes a node's tick from a feed. */
  seen(feed: number, { node, incarnation, opened_at, leaving }: SeenTick): void {
    const at = this.#clock.monotonic();
    // Whoever leaves allows nothing more, whichever feed says so first.
    const left = leaving || this.#left.has(incarnation);
    for (const [i, of] of this.#seen.entries()) if (i === feed || left) of.set(incarnation, { node, opened_at, at, left });
    if (left) this.#leave(incarnation);
    for (const of of this.#seen) for (const [known, seen] of of) if (at - seen.at > this.#kept_ms) of.delete(known);
  }

  /** A feed has brought a tick that this node sent at a time: it was read up to there. */
  brought(feed: number, sent: number): void {
    this.#brought[feed] = Math.max(sent, this.#brought[feed] ?? -Infinity);
  }

  /** Names of the nodes that may hold a lease, sorted. */
  get live(): string[] {
    const now = this.#clock.monotonic();
    const live = this.#seen.flatMap((of) =>
      [...of.values()].filter(({ node, at, left }) => node !== UNKNOWN_NODE && !left && now - at < this.#wait_ms),
    );
    return [...new Set(live.map(({ node }) => node))].sort();
  }

  #leave(incarnation: string): void {
    this.#left.add(incarnation);
    if (this.#left.size > LEFT_MAX) this.#left.delete(this.#left.values().next().value ?? "");
  }

  /** Returns true for a start whose dismissal each feed has brought. */
  isGone(incarnation: string): boolean {
    return this.#gone.every((of) => of.has(incarnation));
  }

  /** Takes from a feed that a start of a node was dismissed: no tick that comes after that there renews its lease. */
  gone(feed: number, incarnation: string): void {
    this.#gone[feed]?.add(incarnation);
  }

  /**
   * Opens a claim on a change that this node is about to read back.
   * @param isWork returns true for a change that asks for more than to be read, such as a bundle to be activated: only an acknowledgement
   * shows that it is done, since a node that has read it may hold a lease without having done it. Asked once it is read: another node's
   * acknowledgement may open the claim before.
   */
  claim(isWork: () => boolean = () => false): FleetClaim {
    const known = { seen: this.#seen, brought: this.#brought, began: this.#began, gone: this.#gone, left: this.#left };
    return new FleetClaim(this.#clock, this.#wait_ms, known, isWork);
  }
}

/** Starts of nodes, as far as they are known. */
interface KnownStarts {
  seen: readonly SeenByFeed[];
  /** Times at which the latest own ticks were sent that each feed has brought. */
  brought: readonly number[];
  /** When this node began to read. */
  began: number;
  /** Dismissed starts, by feed. */
  gone: readonly ReadonlySet<string>[];
  left: ReadonlySet<string>;
}

/** Knowledge of one change on the fleet. */
export class FleetClaim {
  readonly #clock: Clock;
  readonly #wait_ms: number;
  readonly #seen: readonly SeenByFeed[];
  readonly #brought: readonly number[];
  readonly #began: number;
  readonly #gone: readonly ReadonlySet<string>[];
  readonly #left: ReadonlySet<string>;
  /** Starts of which it was seen that a later one of the node has done it. */
  readonly #replaced = new Set<string>();
  /** Returns true if silence isn't enough. */
  readonly #isWork: () => boolean;
  /** Incarnations that had sent a tick before the change, with the time at which the last such tick was read. */
  readonly #before = new Map<string, TickTime>();
  readonly #committed = new Set<number>();
  readonly #landed = new Map<string, { node: string; at: number }>();
  #committedAt = 0;
  /** When it was read in a feed first. */
  #readAt = Infinity;

  constructor(clock: Clock, waitMs: number, { seen, brought, began, gone, left }: KnownStarts, isWork: () => boolean) {
    this.#clock = clock;
    this.#wait_ms = waitMs;
    this.#seen = seen;
    this.#brought = brought;
    this.#began = began;
    this.#gone = gone;
    this.#left = left;
    this.#isWork = isWork;
  }

  /** This node has read the change back from a feed: all ticks before it are known. Called in that very turn. */
  committed(feed: number): void {
    if (this.#committed.has(feed)) return;
    this.#committed.add(feed);
    for (const [incarnation, tick] of this.#seen[feed] ?? []) {
      const known = this.#before.get(incarnation)?.at ?? -Infinity;
      if (tick.node === UNKNOWN_NODE && this.#clock.monotonic() - tick.at >= this.#wait_ms) continue;
      if (!tick.left) this.#before.set(incarnation, { ...tick, at: Math.max(tick.at, known) });
    }
    this.#committedAt = this.#clock.monotonic();
    this.#readAt = Math.min(this.#readAt, this.#committedAt);
  }

  /** A node has the change from the feed of all facts, and no answer is left on it that began before. */
  landed({ node, incarnation }: { node: string; incarnation: string }): void {
    if (!this.#landed.has(incarnation)) this.#landed.set(incarnation, { node, at: this.#clock.monotonic() });
  }

  get isCommitted(): boolean {
    return this.#committed.size === this.#seen.length;
  }

  /** True if the change is in force on every node, and will be until it is undone. */
  get holds(): boolean {
    return this.isCommitted && this.#waitingFor.length === 0;
  }

  get state(): FleetState {
    const ms = (at: number): number => Math.max(0, Math.round(at - this.#committedAt));
    return {
      acknowledged: [...this.#landed.values()].map(({ node, at }) => ({ node, ms: ms(at) })).sort((a, b) => (a.node < b.node ? -1 : 1)),
      expired: this.#silent(false).filter((node) => !this.#isWork() || !this.#hasLanded(node)),
      waiting_for: this.#waitingFor,
    };
  }

  get #waitingFor(): string[] {
    const silent = this.#silent(true);
    return this.#knowsAll || silent.includes(UNKNOWN_NODE) ? silent : [...silent, UNKNOWN_NODE].sort();
  }

  /**
   * False while a node may go on without the change of which no tick was read yet. What isn't in the second feed has no place there, so this
   * node has to have read it up to a tick that it sent later; and, soon after its own start, up to one that it sent once everybody else
   * must have renewed a lease.
   */
  get #knowsAll(): boolean {
    if (!this.#isWork()) return true;
    const since = Math.max(this.#readAt, this.#before.has("") ? this.#began + this.#wait_ms : -Infinity);
    return this.#brought.every((sent) => sent > since);
  }

  /** Nodes that haven't acknowledged it, whose lease may still run, or has ended. */
  #silent(mayAllow: boolean): string[] {
    const silent = [...this.#waited].filter(
      ([incarnation, tick]) =>
        !this.#landed.has(incarnation) && this.#mayAllow(incarnation, tick) === mayAllow && !this.#hasLeft(incarnation),
    );
    return [...new Set(silent.map(([, { node }]) => node))].sort();
  }

  /** Starts for which a claim waits, with the last tick of each that could give it a lease without the change. */
  get #waited(): ReadonlyMap<string, TickTime> {
    if (!this.#isWork()) return this.#before;
    // What isn't in the second feed isn't read before its ticks: any tick may have renewed the lease of a start that hasn't done it, even of
    // one of which nothing was read before the change. One that has begun since begins by it, and says so; or doesn't do such work at all.
    const waited = new Map(this.#before);
    for (const of of this.#seen)
      for (const [incarnation, tick] of of)
        if (tick.node !== UNKNOWN_NODE && tick.at > (waited.get(incarnation)?.at ?? -Infinity)) waited.set(incarnation, tick);
    return waited;
  }

  /** Returns true unless a start that hasn't acknowledged the change allows nothing any more that was before it. */
  #mayAllow(incarnation: string, { node, opened_at, at }: TickTime): boolean {
    if (this.#clock.monotonic() - at < this.#wait_ms) return true;
    if (!this.#isWork() || node === UNKNOWN_NODE || this.#gone.every((of) => of.has(incarnation))) return false;
    return !this.#isReplaced(node, { incarnation, opened_at });
  }

  /**
   * Returns true if a later start of a node has done it, and was seen in each feed: the earlier one reads of it there before any tick that
   * would renew its lease, and all that it sent before are known.
   */
  #isReplaced(node: string, start: NodeStart): boolean {
    const isReplaced = [...this.#landed].some(([incarnation]) =>
      this.#seen.every((of) => {
        const tick = of.get(incarnation);
        return tick?.node === node && isLater({ incarnation, opened_at: tick.opened_at }, start);
      }),
    );
    // The later one may be forgotten before the claim is over.
    if (isReplaced) this.#replaced.add(start.incarnation);
    return this.#replaced.has(start.incarnation);
  }

  #hasLanded(node: string): boolean {
    return [...this.#landed.values()].some((landed) => landed.node === node);
  }

  #hasLeft(incarnation: string): boolean {
    return this.#left.has(incarnation);
  }
}
