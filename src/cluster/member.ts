/**
 * A node as a member of its cluster: follows the feed for ticks and changes, keeps the lease, and finds out how a change stands on the
 * fleet. What it needs of the service around it is passed in.
 */
import type { Clock, Timers } from "../system/index.js";
import { isChange, type Change, type CopyFeed, type Mark, type Store } from "../store/store.js";
import type { DecidingBundle } from "./bundles.js";
import type { NodeStage } from "./stage_feed.js";
import type { ChainLink, FeedChain } from "./chain.js";
import type { FeedRead } from "./feed_read.js";
import { Copies } from "./copies.js";
import { Fleet, type FleetClaim, type FleetState } from "./fleet.js";
import { FACTS_FEED, Lease, RESTRICTIONS_FEED, type LeaseEnd, type NodeStart, type Tenure } from "./lease.js";
import { readMessage, type Hold, type Link } from "./link.js";
import { RateParts } from "./rate_parts.js";
import { readDismissal, readTick, type Dismissal, type Tick } from "./tick.js";

export interface MemberOptions {
  /** Name of this node. */
  node: string;
  start: NodeStart;
  lease_ms: number;
  /** Milliseconds that a change waits for the fleet before its answer says for whom it waits. */
  fleet_within_ms: number;
  /** Nodes that may be live at once. */
  nodes_max: number;
  version: string;
}

export interface MemberDeps {
  store: Pick<Store, "follow" | "mark">;
  /** Second feed, which has a copy of each restriction. */
  copies: CopyFeed;
  link: Link;
  system: { clock: Clock; timers: Timers };
  /** Facts revision in memory. */
  revision: () => number;
  /** Resolves when no answer is left that began before the call. */
  landed: () => Promise<void>;
  /** Bundle by which this node decides. */
  bundle: () => DecidingBundle | null;
  /** Bundle that is tried beside it. */
  staged: () => NodeStage | null;
  /** Applies a restriction that another node has not made durable yet. */
  hold: (hold: Hold) => void;
  /** Returns true for changes that the second feed carries. */
  isCopied: (change: Change) => boolean;
  /** Returns true for changes that ask for more than to be read, such as a bundle to be activated. @default none does */
  isWork?: ((change: Change) => boolean) | undefined;
  /** Returns true while what the change of this revision asks for isn't done here. @default it never is */
  isPending?: ((revision: number) => boolean) | undefined;
  /**
   * Lets a durable restriction hold here before the feed of all facts has brought it.
   * @returns false for a change that this version doesn't know as a restriction
   */
  holdAhead: (change: Change) => boolean;
  /** Feed of all facts as far as it was read before the member begins. */
  read: FeedRead;
  events: MemberEvents;
}

export interface MemberEvents {
  held(): void;
  ended(why: LeaseEnd): void;
  /** A change is in force on the whole fleet. @param isWork whether it asks for more than to be read */
  claimed(revision: number, state: FleetState, tookMs: number, isWork: boolean): void;
}

/** State in which a change is in force. */
export interface FleetStanding extends FleetState {
  in_force: "node" | "fleet";
  /** Milliseconds until it was in force everywhere; null if it isn't yet. */
  took_ms: number | null;
}

/** A node as others see it. */
export interface NodeSeen extends Pick<Tick, "incarnation" | "applied" | "version" | "bundle" | "bundle_since" | "staged"> {
  node: string;
  seen_ms_ago: number;
}

/** A claim on a change, with the time at which the change was read first. */
interface KeptClaim {
  claim: FleetClaim;
  read: number;
  /** When the other nodes were last asked about it. */
  asked: number;
  told: boolean;
}

/** Feed as this node reads it. */
export interface FeedSeen {
  /** Milliseconds since it has brought a tick of this node; null before the first. */
  silent_ms: number | null;
}

const FEEDS = 2;
const ASK_EVERY_MS = 100;
/** Most claims that are kept, to be asked about again. */
const CLAIMS_MAX = 1000;
/** Most ticks of this node that are remembered. */
const TICKS_MAX = 1000;
/** Time for which a claim is pursued after its answer said that it waits: leases, and an election of the servers. */
const PURSUED_LEASES = 3;
const ELECTION_MS = 10_000;

export class Member {
  readonly lease: Lease;
  readonly #deps: MemberDeps;
  readonly #options: MemberOptions;
  readonly #fleet: Fleet;
  readonly #parts: RateParts;
  readonly #chain: FeedChain;
  readonly #copies = new Copies();
  readonly #claims = new Map<number, KeptClaim>();
  readonly #landing = new Map<number, Promise<void>>();
  /** Revisions of changes that ask for more than to be read. */
  readonly #work = new Set<number>();
  /** Nodes of which a tick was read and that haven't left. */
  readonly #nodes = new Map<string, NodeSeen & { at: number }>();
  /** Starts that were dismissed, with when that was last read or sent. */
  readonly #dismissed = new Map<string, number>();
  /** Called when something may have been acknowledged. */
  readonly #waiting = new Set<() => void>();
  /** When each feed has brought a tick of this node. */
  readonly #returned: (number | null)[] = Array.from({ length: FEEDS }, () => null);
  /** Number of this node's last tick that each feed has brought. */
  readonly #brought: number[] = Array.from({ length: FEEDS }, () => 0);
  /** Last change that a tick of the second feed says its sender has read. */
  #readElsewhere = 0;
  /** Ticks of this node, the last ones, by number: when each was sent, and the last change that others had read by then. */
  readonly #ticks = new Map<number, { sent: number; read: number }>();
  readonly #unfollow: (() => void)[] = [];
  #unlink: (() => void) | null = null;

  constructor(deps: MemberDeps, options: MemberOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#chain = deps.read.chain;
    const { node, lease_ms, start } = options;
    this.#parts = new RateParts(deps.system.clock, { node, lease_ms, feeds: FEEDS });
    this.#fleet = new Fleet(deps.system.clock, { lease_ms, feeds: FEEDS });
    this.lease = new Lease(
      deps.system,
      { start, lease_ms },
      {
        send: (n) => {
          this.#sendTick(n, false);
        },
        held: () => {
          deps.events.held();
        },
        ended: (why) => {
          deps.events.ended(why);
        },
      },
    );
  }

  /** Follows the feeds from where the one of all facts was read, and sends ticks. Facts are in memory by now. */
  start(): void {
    const { store, copies, link, read } = this.#deps;
    for (const change of read.takeKept()) this.#note(change);
    this.#unlink = link.receive((text) => {
      this.#receive(text);
    });
    this.#unfollow.push(
      store.follow(this.#chain.last.revision, (items) => {
        for (const item of items)
          if (isChange(item)) this.#change(item);
          else this.#mark(FACTS_FEED, item);
      }),
      copies.follow((items) => {
        for (const item of items)
          if (isChange(item)) this.#copy(item);
          else this.#mark(RESTRICTIONS_FEED, item);
      }),
    );
    this.lease.start();
    if (read.isOther) this.lease.finish("feed_forked");
  }

  /** Time in which this node may allow; null if it may not now. */
  get tenure(): Tenure | null {
    return this.lease.tenure;
  }

  /** Digest of the feed as far as it has been read. */
  get chain(): ChainLink {
    return this.#chain.last;
  }

  /** Nodes of which a tick was read within the time of a lease, this one too. */
  get live(): readonly string[] {
    return this.#fleet.live;
  }

  /** Parts into which a rate is divided now. */
  get rate_parts(): number {
    return this.#parts.count;
  }

  /** Feeds, that of all facts first. */
  get feeds(): FeedSeen[] {
    const now = this.#deps.system.clock.monotonic();
    return this.#returned.map((at) => ({ silent_ms: at === null ? null : Math.round(now - at) }));
  }

  /** Restrictions that the second feed lacks. */
  get missing(): number {
    return this.#copies.missing;
  }

  get nodes(): NodeSeen[] {
    const { live } = this;
    return this.#seen(({ node }) => live.includes(node));
  }

  /** Nodes whose lease is over, and that neither left nor were dismissed: what they have can't be asked for. */
  get silent(): NodeSeen[] {
    const { live } = this;
    const own = this.#options.node;
    return this.#seen(({ node }) => node !== own && !live.includes(node));
  }

  #seen(which: (node: NodeSeen) => boolean): NodeSeen[] {
    const now = this.#deps.system.clock.monotonic();
    return [...this.#nodes.values()]
      .filter(which)
      .map(({ at, ...seen }) => ({ ...seen, seen_ms_ago: Math.round(now - at) }))
      .sort((a, b) => (a.node < b.node ? -1 : 1));
  }

  /** Sends every node a restriction that was applied here, before it is durable. */
  tell(hold: Hold): void {
    this.#deps.link.send({ kind: "hold", ...hold });
  }

  /** Waits until a change is in force on the fleet, for as long as answers may wait for that. */
  async inForce(revision: number): Promise<FleetStanding> {
    const kept = this.#claimOf(revision);
    if (kept === null) return { in_force: "node", acknowledged: [], expired: [], waiting_for: [...this.live], took_ms: null };
    const began = this.#deps.system.clock.monotonic();
    const state = await this.#until(revision, kept, began + this.#options.fleet_within_ms);
    if (!kept.claim.holds) {
      void this.#until(revision, kept, began + PURSUED_LEASES * this.#options.lease_ms + ELECTION_MS).then(() => {
        if (kept.claim.holds) this.#told(revision, kept);
      });
      return { in_force: "node", ...state, took_ms: null };
    }
    return { in_force: "fleet", ...state, took_ms: this.#told(revision, kept) };
  }

  /** Tells all that what the change of this revision asks for is done here. */
  done(revision: number): void {
    this.#acknowledge(revision);
  }

  /** Returns the state of a change now, without waiting, and asks for more; null if it wasn't read yet. */
  standing(revision: number): FleetStanding | null {
    const kept = this.#claimOf(revision);
    if (kept === null) return null;
    // Of what was asked of an earlier start of this node, or of another node, nobody may have told it yet.
    if (!kept.claim.holds) this.#ask(revision, kept);
    return { in_force: kept.claim.holds ? "fleet" : "node", ...kept.claim.state, took_ms: null };
  }

  /** Leaves the cluster: nothing is answered any more, and nobody has to wait for this node's lease. */
  leave(): void {
    const n = this.lease.sent + 1;
    this.lease.finish("left");
    this.#sendTick(n, true);
    for (const unfollow of this.#unfollow) unfollow();
    this.#unlink?.();
  }

  #sendTick(n: number, leaving: boolean): void {
    const { node, start, version } = this.#options;
    const { revision, chain } = this.#chain.last;
    const running = this.#deps.bundle();
    const bundle = { bundle: running?.digest ?? null, bundle_since: running?.since ?? null, staged: this.#deps.staged() };
    const tick: Tick = { ...start, leaving, applied: revision, chain, version, ...bundle };
    this.#ticks.set(n, { sent: this.#deps.system.clock.monotonic(), read: this.#readElsewhere });
    if (this.#ticks.size > TICKS_MAX) this.#ticks.delete(this.#ticks.keys().next().value ?? 0);
    this.#markBoth({ by: node, n, value: { ...tick, staged: tick.staged && { ...tick.staged } } });
    // A feed without a leader takes no dismissal.
    for (const one of this.#nodes.values()) if (this.#dismissed.has(one.incarnation)) this.#repeatDismissal(one.node, one.incarnation);
  }

  #change(change: Change): void {
    const { read, isCopied } = this.#deps;
    read.add(change);
    if (read.isOther) this.lease.finish("feed_forked");
    this.#note(change);
    const { claim } = this.#claim(change.revision);
    claim.committed(FACTS_FEED);
    // Whoever has made it needn't ask first. During startup nothing is acknowledged.
    if (isCopied(change) && this.tenure !== null) this.#acknowledge(change.revision);
    // A claim on it needs a tick that was sent after it, from each feed.
    if (this.#work.has(change.revision)) this.lease.tick();
    if (!this.#copies.lacks(change.revision)) claim.committed(RESTRICTIONS_FEED);
    this.#wake();
  }

  /** Takes note of what a change asks for. */
  #note(change: Change): void {
    const { isCopied, isWork, system } = this.#deps;
    if (isWork?.(change) === true) this.#work.add(change.revision);
    if (isCopied(change)) this.#copies.original(change, system.clock.monotonic());
  }

  #copy(change: Change): void {
    const { revision } = change;
    const isRead = this.#chain.last.revision >= revision;
    this.#copies.copy(revision, isRead);
    const isKnown = this.#deps.holdAhead(change);
    // A node that can't read it must not renew its lease by later ticks.
    if (!isKnown && this.#deps.revision() < revision) this.lease.finish("feed_unreadable");
    if (!isRead || this.#claims.has(revision)) this.#claim(revision).claim.committed(RESTRICTIONS_FEED);
    this.#wake();
  }

  #claim(revision: number): KeptClaim {
    let kept = this.#claims.get(revision);
    if (kept === undefined) {
      kept = {
        claim: this.#fleet.claim(() => this.#work.has(revision)),
        read: this.#deps.system.clock.monotonic(),
        asked: -Infinity,
        told: false,
      };
      this.#keep(revision, kept);
    }
    return kept;
  }

  #keep(revision: number, kept: KeptClaim): void {
    this.#claims.set(revision, kept);
    if (this.#claims.size > CLAIMS_MAX) this.#claims.delete(this.#claims.keys().next().value ?? 0);
  }

  #mark(feed: number, { by, n, value, passed }: Mark): void {
    const tick = readTick(value);
    if (tick !== null && !this.#isInPlace(feed, by, n, tick, passed === true)) this.lease.finish("feed_forked");
    if (tick !== null && feed === RESTRICTIONS_FEED) this.#readElsewhere = Math.max(this.#readElsewhere, tick.applied);
    if (passed === true) return;
    if (tick === null) {
      const dismissal = readDismissal(value);
      if (dismissal !== null) this.#dismiss(feed, by, dismissal);
      return;
    }
    const { clock } = this.#deps.system;
    const { node, nodes_max } = this.#options;
    // An earlier start of this node has long been forgotten by the others.
    if (by !== node || tick.incarnation === this.#options.start.incarnation) this.#parts.seen(feed, by);
    this.#fleet.seen(feed, { node: by, incarnation: tick.incarnation, opened_at: tick.opened_at, leaving: tick.leaving });
    const { incarnation, applied, version, bundle, bundle_since, staged } = tick;
    if (tick.leaving) {
      if (this.#nodes.get(by)?.incarnation === incarnation) this.#nodes.delete(by);
    } else if (this.#dismissed.has(incarnation)) this.#repeatDismissal(by, incarnation);
    else
      this.#nodes.set(by, {
        ...{ node: by, incarnation, applied, version, bundle, bundle_since, staged },
        seen_ms_ago: 0,
        at: clock.monotonic(),
      });
    if (this.live.length > nodes_max) this.lease.finish("cluster_too_large");
    if (by === node && !tick.leaving) this.#back(feed, tick, n);
  }

  /**
   * Returns false if a tick can't be where it is in the feed that was read so far: its sender has read another, or the feed was put back to
   * an earlier state, and may have other changes where some were read.
   */
  #isInPlace(feed: number, by: string, n: number, { incarnation, applied, chain }: Tick, passed: boolean): boolean {
    const isOwn = by === this.#options.node && incarnation === this.#options.start.incarnation;
    // At a place that was passed there are the ticks that were read there, and no later one of its own.
    if (passed && isOwn && n > (this.#brought[feed] ?? 0)) return false;
    // One that was sent over an earlier connection may come after a later one.
    if (isOwn && !passed) this.#brought[feed] = Math.max(n, this.#brought[feed] ?? 0);
    if (feed === FACTS_FEED && isOwn && !this.#hasAllBefore(n)) return false;
    // Whoever sent it had read no change that comes after it in the feed of all facts.
    if (feed === FACTS_FEED && applied > this.#chain.last.revision) return false;
    return !this.#chain.differsFrom({ revision: applied, chain });
  }

  /**
   * Returns false if an own tick that the feed of all facts brings hasn't brought a change that others had read when it was sent: all that
   * was in the feed then comes before it, unless the feed was put back since.
   */
  #hasAllBefore(n: number): boolean {
    return (this.#ticks.get(n)?.read ?? 0) <= this.#chain.last.revision;
  }

  /** Takes a tick of this node's name. */
  #back(feed: number, tick: Tick, n: number): void {
    const { copies, revision, system } = this.#deps;
    // Facts are taken by another follower: a tick counts once they are as far.
    if (feed === FACTS_FEED && revision() < this.#chain.last.revision) return;
    const now = system.clock.monotonic();
    this.lease.returned(feed, tick, n);
    if (tick.incarnation !== this.#options.start.incarnation) return;
    this.#returned[feed] = now;
    this.#fleet.brought(feed, this.#ticks.get(n)?.sent ?? -Infinity);
    this.#wake();
    if (feed === RESTRICTIONS_FEED) for (const change of this.#copies.due(tick.applied, now)) copies.copy(change);
  }

  /**
   * Has a node that is silent count as gone. Claims wait for no silent node longer than its lease anyway: they need nothing of this.
   * Should it run after all, it reads this in each feed before any tick that would renew its lease by that feed, and ends.
   */
  dismiss({ node, incarnation }: Pick<NodeSeen, "node" | "incarnation">): void {
    this.#sendDismissal(node, { dismissed: incarnation });
  }

  #sendDismissal(by: string, dismissal: Dismissal): void {
    this.#markBoth({ by, n: 0, value: { ...dismissal } });
  }

  /** It runs after all: marks are kept for a while, so it may not have read it. */
  #repeatDismissal(by: string, dismissed: string): void {
    const now = this.#deps.system.clock.monotonic();
    if (now - (this.#dismissed.get(dismissed) ?? -Infinity) < this.#options.lease_ms) return;
    this.#dismissed.set(dismissed, now);
    this.#sendDismissal(by, { dismissed });
  }

  #dismiss(feed: number, node: string, { dismissed }: Dismissal): void {
    this.#dismissed.set(dismissed, this.#deps.system.clock.monotonic());
    if (this.#options.start.incarnation === dismissed) this.lease.finish("node_dismissed");
    this.#fleet.gone(feed, dismissed);
    if (this.#fleet.isGone(dismissed) && this.#nodes.get(node)?.incarnation === dismissed) this.#nodes.delete(node);
  }

  #markBoth(mark: Mark): void {
    for (const feed of [this.#deps.store, this.#deps.copies]) feed.mark(mark);
  }

  #claimOf(revision: number): KeptClaim | null {
    const known = this.#claims.get(revision);
    if (known !== undefined) return known;
    if (this.#chain.last.revision < revision) return null;
    // All ticks that came before the change have been read, and some that came after.
    const kept = this.#claim(revision);
    kept.told = true;
    if (this.#work.has(revision)) this.lease.tick();
    kept.claim.committed(FACTS_FEED);
    if (!this.#copies.lacks(revision)) kept.claim.committed(RESTRICTIONS_FEED);
    return kept;
  }

  async #until(revision: number, kept: KeptClaim, until: number): Promise<FleetState> {
    const { clock, timers } = this.#deps.system;
    const { claim } = kept;
    while (!claim.holds && clock.monotonic() < until) {
      this.#ask(revision, kept);
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          cancel();
          this.#waiting.delete(wake);
          resolve();
        };
        const cancel = timers.after(Math.max(1, Math.min(ASK_EVERY_MS, until - clock.monotonic())), wake);
        this.#waiting.add(wake);
      });
    }
    return claim.state;
  }

  /** Asks all nodes whether they have carried out a change, unless that was asked just now. */
  #ask(revision: number, kept: KeptClaim): void {
    const now = this.#deps.system.clock.monotonic();
    if (now - kept.asked < ASK_EVERY_MS) return;
    kept.asked = now;
    // Many changes since may have it forgotten: acknowledgements have to find it.
    if (!this.#claims.has(revision)) this.#keep(revision, kept);
    this.#acknowledge(revision);
    this.#deps.link.send({ kind: "ask", revision });
  }

  #told(revision: number, kept: KeptClaim): number {
    const took_ms = Math.round(this.#deps.system.clock.monotonic() - kept.read);
    if (!kept.told) this.#deps.events.claimed(revision, kept.claim.state, took_ms, this.#work.has(revision));
    kept.told = true;
    return took_ms;
  }

  #receive(text: string): void {
    const message = readMessage(text);
    if (message === null) return;
    switch (message.kind) {
      case "ask":
        this.#acknowledge(message.revision);
        return;
      case "landed":
        // Another node may have read the change sooner.
        if (message.revision > this.#chain.last.revision) this.#claim(message.revision);
        this.#claims.get(message.revision)?.claim.landed(message);
        this.#wake();
        return;
      case "hold":
        this.#deps.hold(message);
    }
  }

  /** Tells all once the change is in memory here and no answer is left that began before; says nothing if it isn't in memory yet. */
  #acknowledge(revision: number): void {
    const { revision: applied, landed, link, isPending } = this.#deps;
    if (applied() < revision || this.lease.end !== null || (isPending?.(revision) ?? this.#work.has(revision))) return;
    const { node, start } = this.#options;
    const { incarnation } = start;
    let landing = this.#landing.get(revision);
    if (landing === undefined) {
      landing = landed();
      this.#landing.set(revision, landing);
      if (this.#landing.size > CLAIMS_MAX) this.#landing.delete(this.#landing.keys().next().value ?? 0);
    }
    void landing.then(() => {
      this.#claims.get(revision)?.claim.landed({ node, incarnation });
      this.#wake();
      link.send({ kind: "landed", revision, node, incarnation });
    });
  }

  #wake(): void {
    for (const wake of [...this.#waiting]) wake();
  }
}
