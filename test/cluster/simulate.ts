/**
 * A fleet in one process and in no time: nodes with the real lease and fleet, an engine that orders writes, and everything that goes
 * wrong between them, all from one seed. The checker knows what no node knows: when an answer left, and until when it may be acted on.
 */
import type * as copies from "../../src/cluster/copies.js";
import type * as fleets from "../../src/cluster/fleet.js";
import type * as leases from "../../src/cluster/lease.js";
import type { Clock, Timers } from "../../src/system/index.js";
import { Dice } from "../differential/dice.js";

/** The classes under test, whole or with a control taken out. */
export interface Build {
  Lease: typeof leases.Lease;
  Fleet: typeof fleets.Fleet;
  Copies: typeof copies.Copies;
}

/** Stands in a claim for the nodes from before a start. */
const UNKNOWN_NODE = "unknown";

/** Controls of the code around lease and fleet, which the model stands for. */
export interface Controls {
  /** The lease is renewed by the tick that was read back; else by the engine's acknowledgement. */
  readBack: boolean;
  /** An answer lives by the lease under which it was gathered; else by the one that runs when it leaves. */
  frozen: boolean;
  /** `valid_for_ms` is at most what is left of the lease. */
  validFor: boolean;
  /** A node acknowledges once the answers that began before have left. */
  barrier: boolean;
  /** A node holds what the second feed brings before the first one has. */
  heldAhead: boolean;
}

export const ALL_CONTROLS: Controls = { readBack: true, frozen: true, validFor: true, barrier: true, heldAhead: true };

export interface Run {
  seed: number;
  feeds: 1 | 2;
  controls?: Partial<Controls>;
  /** Chooses a situation instead of drawing faults. */
  aim?: Aim;
}

/**
 * A silent node whose clock is as slow as may be, beside a revoker whose clock is as fast; a revoker that has just started; a node that
 * the second feed alone reaches, while that has no copy yet; the same where the revoker has died, and another node is asked.
 */
export type Aim = "slow clock" | "fresh revoker" | "stalled facts" | "asked again";

export interface Outcome {
  violation: string | null;
  claims: number;
  allows: number;
  /** Claims for which a lease had to end. */
  expired: number;
  /** Allows after a revocation was committed and before it was claimed: the checker has something to miss. */
  between: number;
}

const LEASE_MS = 1000;
const RUN_MS = 14_000;
const AGENTS = 4;
const LASTS_MS = 5000;
/** Answers that take longer than this to leave are cut off by a barrier. */
const CUT_AFTER_MS = 400;
const CLOCK_DRIFT = 0.01;

/** Time that goes from event to event. */
class Agenda {
  now = 0;
  readonly #heap: { at: number; order: number; call: () => void }[] = [];
  #order = 0;

  plan(at: number, call: () => void): void {
    const heap = this.#heap;
    const item = { at: Math.max(at, this.now), order: this.#order++, call };
    let i = heap.push(item) - 1;
    while (i > 0) {
      const up = (i - 1) >> 1;
      const parent = heap[up];
      if (parent === undefined || !before(item, parent)) break;
      heap[i] = parent;
      i = up;
    }
    heap[i] = item;
  }

  run(until: number, stop: () => boolean): void {
    for (let next = this.#pop(until); next !== null && !stop(); next = this.#pop(until)) {
      this.now = next.at;
      next.call();
    }
  }

  #pop(until: number): { at: number; call: () => void } | null {
    const heap = this.#heap;
    const first = heap[0];
    if (first === undefined || first.at > until) return null;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return first;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      const [left, right] = [heap[child], heap[child + 1]];
      if (left === undefined) break;
      if (right !== undefined && before(right, left)) child++;
      const down = heap[child];
      if (down === undefined || !before(down, last)) break;
      heap[i] = down;
      i = child;
    }
    heap[i] = last;
    return first;
  }
}

const before = (a: { at: number; order: number }, b: { at: number; order: number }): boolean =>
  a.at < b.at || (a.at === b.at && a.order < b.order);

interface TickEntry {
  kind: "tick";
  node: string;
  start: leases.NodeStart;
  n: number;
  at: number;
  /** Revision up to which the node had read the feed of all facts. */
  applied: number;
}
interface Revoked {
  kind: "revoked";
  agent: string;
  at: number;
  /** Position in the feed of all facts. */
  revision: number;
}
type Entry = TickEntry | Revoked;

/** One ordered feed, which takes no writes while it has no leader. */
class FeedLog {
  readonly entries: Entry[] = [];
  readonly #revoked = new Set<string>();
  leaderlessUntil = 0;
  /** Revocations that are sent to it are lost. */
  losesUntil = 0;

  /** @returns whether it took the entry; a repeated write is taken once */
  append(entry: Entry, now: number): boolean {
    if (now < this.leaderlessUntil) return false;
    if (entry.kind === "revoked") {
      if (now < this.losesUntil) return false;
      if (this.#revoked.has(entry.agent)) return true;
      this.#revoked.add(entry.agent);
    }
    this.entries.push(entry);
    return true;
  }
}

interface Answer {
  agent: string;
  left: boolean;
}

class SimNode {
  readonly incarnation: string;
  readonly start: leases.NodeStart;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly fleet: fleets.Fleet;
  readonly lease: leases.Lease;
  readonly revoked = new Set<string>();
  /** Agents whose revocation came by the feed of all facts. */
  readonly applied = new Set<string>();
  readonly cursors: number[];
  readonly copies: copies.Copies;
  readonly claims = new Map<string, fleets.FleetClaim>();
  inFlight: Answer[] = [];
  dead = false;
  pausedUntil = 0;
  /** Nothing comes from the engine or gets to it. `hangs`: what was sent arrives once that is over. */
  cutUntil = 0;
  hangs = false;
  deafUntil = 0;
  stalledUntil: number[];
  /** Entries that each feed had when this one started: ticks among them say nothing of now. */
  readonly #from: number[] = [];
  /** An entry is under way to it, of each feed. */
  readonly #delivering: boolean[];

  constructor(
    readonly sim: Simulation,
    readonly name: string,
    starts: number,
    rate: number,
  ) {
    const { agenda, build, feeds } = sim;
    this.incarnation = `${name}#${starts}`;
    this.start = { incarnation: this.incarnation, opened_at: feeds[0]?.entries.length ?? 0 };
    this.clock = { monotonic: () => agenda.now * rate, wall: () => 1e12 + agenda.now * rate };
    this.timers = {
      after: (ms, call) => {
        let cancelled = false;
        this.plan(ms / rate, () => {
          if (!cancelled) call();
        });
        return () => {
          cancelled = true;
        };
      },
      every: (ms, call) => {
        let cancelled = false;
        const next = (): void => {
          this.plan(ms / rate, () => {
            if (cancelled) return;
            call();
            next();
          });
        };
        next();
        return () => {
          cancelled = true;
        };
      },
      turnEnd: (call) => {
        this.plan(0, call);
      },
    };
    this.copies = new build.Copies();
    this.cursors = feeds.map(() => 0);
    this.stalledUntil = feeds.map(() => 0);
    this.#delivering = feeds.map(() => false);
    this.fleet = new build.Fleet(this.clock, { lease_ms: LEASE_MS, feeds: feeds.length });
    this.lease = new build.Lease(
      this,
      { start: this.start, lease_ms: LEASE_MS },
      {
        send: (n) => {
          for (const feed of feeds.keys()) this.#sendTick(feed, n);
        },
        held: () => undefined,
        ended: () => undefined,
      },
    );
    this.#begin();
  }

  /** Runs on this node: not while it is paused, never once it is dead. */
  plan(ms: number, call: () => void): void {
    const { agenda } = this.sim;
    const run = (): void => {
      if (this.dead) return;
      if (agenda.now < this.pausedUntil) agenda.plan(this.pausedUntil, run);
      else call();
    };
    agenda.plan(agenda.now + ms, run);
  }

  /** Reads what there is of the facts, perhaps from a replica that is behind, then follows; copies are followed from their beginning. */
  #begin(): void {
    const { dice, feeds } = this.sim;
    const facts = feeds[0]?.entries ?? [];
    const to = Math.max(0, facts.length - (dice.chance(30) ? dice.below(120) : 0));
    for (const entry of facts.slice(0, to)) if (entry.kind === "revoked") this.#original(entry);
    this.cursors[0] = to;
    for (const feed of feeds.keys()) {
      this.#from[feed] = feeds[feed]?.entries.length ?? 0;
      this.follow(feed);
    }
    this.plan(dice.below(50), () => {
      this.lease.start();
    });
    this.#decide();
  }

  /** Delivers the next entry of a feed, and then the one after it. */
  follow(feed: number): void {
    const { agenda, feeds, dice } = this.sim;
    if (this.#delivering[feed] === true || this.dead) return;
    if ((feeds[feed]?.entries.length ?? 0) <= (this.cursors[feed] ?? 0)) return;
    this.#delivering[feed] = true;
    const at = Math.max(agenda.now + this.sim.latency(), this.cutUntil, this.stalledUntil[feed] ?? 0);
    agenda.plan(at, () => {
      this.plan(0, () => {
        this.#delivering[feed] = false;
        if (agenda.now < Math.max(this.cutUntil, this.stalledUntil[feed] ?? 0)) {
          this.follow(feed);
          return;
        }
        // Several come at once.
        for (let some = 1 + dice.below(4); some > 0; some--) this.#take(feed);
        this.follow(feed);
      });
    });
  }

  #take(feed: number): void {
    const cursor = this.cursors[feed] ?? 0;
    const entry = this.sim.feeds[feed]?.entries[cursor];
    if (entry === undefined) return;
    this.cursors[feed] = cursor + 1;
    if (entry.kind === "revoked") {
      if (feed === 0) this.#original(entry);
      else this.#copy(entry);
      return;
    }
    if (cursor < (this.#from[feed] ?? 0)) return;
    const { incarnation } = entry.start;
    this.fleet.seen(feed, { node: incarnation, incarnation, leaving: false });
    if (entry.node !== this.name || !this.sim.controls.readBack) return;
    this.lease.returned(feed, entry.start, entry.n);
    if (feed === 1 && incarnation === this.incarnation)
      for (const { revision, key } of this.copies.due(entry.applied, this.clock.monotonic())) this.#sendCopy(key, revision);
  }

  #original({ agent, revision }: Revoked): void {
    this.revoked.add(agent);
    this.applied.add(agent);
    this.claims.get(agent)?.committed(0);
    if (this.sim.feeds.length === 1) return;
    const change = { revision, key: agent, value: null, by: "", time: "", reason: null, change: "" };
    this.copies.original(change, this.clock.monotonic());
  }

  #copy({ agent, revision }: Revoked): void {
    const isRead = (this.cursors[0] ?? 0) >= revision;
    this.copies.copy(revision, isRead);
    if (!isRead && this.sim.controls.heldAhead) this.revoked.add(agent);
    this.claims.get(agent)?.committed(1);
  }

  /** Sends to the engine. @returns whether it isn't known to be lost */
  #send(act: () => void): void {
    const { agenda, dice } = this.sim;
    if (agenda.now < this.cutUntil && !this.hangs) return;
    if (dice.chance(1)) return;
    agenda.plan(Math.max(agenda.now + this.sim.latency(), this.hangs ? this.cutUntil : 0), act);
  }

  #sendTick(feed: number, n: number): void {
    const { sim, name: node, start } = this;
    const applied = this.cursors[0] ?? 0;
    this.#send(() => {
      if (!sim.append(feed, { kind: "tick", node, start, n, at: sim.agenda.now, applied })) return;
      if (sim.controls.readBack || sim.agenda.now < this.cutUntil) return;
      this.plan(sim.latency(), () => {
        this.lease.returned(feed, start, n);
      });
    });
  }

  /** Writes until it is taken: a write without an answer is repeated. Its author copies it once it knows. */
  #write(agent: string): void {
    const { sim } = this;
    this.#send(() => {
      const revision = (sim.feeds[0]?.entries.length ?? 0) + 1;
      if (!sim.append(0, { kind: "revoked", agent, at: sim.agenda.now, revision })) return;
      const taken = sim.committed(agent);
      this.plan(sim.latency(), () => {
        if (taken !== null && sim.feeds.length > 1) this.#sendCopy(agent, taken.revision);
      });
    });
    this.plan(100, () => {
      if (sim.committed(agent) === null) this.#write(agent);
    });
  }

  #sendCopy(agent: string, revision: number): void {
    const { sim } = this;
    this.#send(() => {
      sim.append(1, { kind: "revoked", agent, at: sim.agenda.now, revision });
    });
  }

  revoke(agent: string): void {
    const { sim } = this;
    this.revoked.add(agent);
    for (const node of sim.nodes) this.#tell(node, () => node.revoked.add(agent));
    this.#write(agent);
    this.#claim(agent);
  }

  /** Asked about a revocation that this node has read. */
  asked(agent: string): void {
    if (!this.applied.has(agent) || this.claims.has(agent)) return;
    const revision = this.sim.committed(agent)?.revision ?? 0;
    const claim = this.#claim(agent);
    claim.committed(0);
    if (this.sim.feeds.length > 1 && !this.copies.lacks(revision)) claim.committed(1);
  }

  #claim(agent: string): fleets.FleetClaim {
    const claim = this.fleet.claim();
    this.claims.set(agent, claim);
    this.#landed(() => {
      claim.landed({ node: this.incarnation, incarnation: this.incarnation });
    });
    this.plan(0, () => {
      this.#ask(agent, claim);
    });
    return claim;
  }

  /** Sends to another node, past the engine. */
  #tell(to: SimNode, act: () => void): void {
    const { agenda, dice } = this.sim;
    const lost = [this, to].some((one) => agenda.now < Math.max(one.cutUntil, one.deafUntil)) || dice.chance(3);
    if (to === this || lost) return;
    agenda.plan(agenda.now + this.sim.latency(), () => {
      to.plan(0, act);
    });
  }

  #ask(agent: string, claim: fleets.FleetClaim, round = 0): void {
    if (claim.holds) {
      this.sim.claimed(agent, claim.state);
      this.claims.delete(agent);
      return;
    }
    if (round % 4 === 0)
      for (const node of this.sim.nodes)
        this.#tell(node, () => {
          if (!node.applied.has(agent)) return;
          node.#landed(() => {
            node.#tell(this, () => {
              claim.landed({ node: node.incarnation, incarnation: node.incarnation });
            });
          });
        });
    this.plan(round < 40 ? 5 : 25, () => {
      this.#ask(agent, claim, round + 1);
    });
  }

  /** Calls once no answer is left that began before. */
  #landed(call: () => void): void {
    const open = this.sim.controls.barrier ? [...this.inFlight] : [];
    const until = this.sim.agenda.now + CUT_AFTER_MS;
    const look = (): void => {
      if (this.sim.agenda.now >= until) for (const answer of open) answer.left = true;
      if (open.every(({ left }) => left)) call();
      else this.plan(10, look);
    };
    look();
  }

  #gone(answer: Answer): void {
    answer.left = true;
    this.inFlight = this.inFlight.filter((one) => one !== answer);
  }

  #decide(): void {
    const { dice } = this.sim;
    const agent = dice.chance(15) ? `a${dice.below(this.sim.agents)}` : (this.sim.hot[dice.below(AGENTS)] ?? "");
    const asked = this.sim.agenda.now;
    this.plan(dice.below(3), () => {
      this.#gather(agent, asked);
    });
    this.plan(8 + dice.below(30), () => {
      this.#decide();
    });
  }

  #gather(agent: string, asked: number): void {
    const { controls, dice, agenda } = this.sim;
    const { tenure } = this.lease;
    if (tenure === null || this.revoked.has(agent)) return;
    const lasts = controls.validFor ? Math.min(LASTS_MS, tenure.left_ms) : LASTS_MS;
    const answer: Answer = { agent, left: false };
    this.inFlight.push(answer);
    this.plan(dice.chance(10) ? dice.below(3000) : dice.below(8), () => {
      const checked = agenda.now;
      const isOver = controls.frozen ? tenure.isOver : this.lease.tenure === null;
      if (answer.left || isOver) {
        this.#gone(answer);
        return;
      }
      // Between the check and the socket nothing waits; but a process may be stopped there.
      this.plan(dice.below(100) / 100, () => {
        if (answer.left) return;
        this.#gone(answer);
        // The enforcement point counts by a clock of its own, which may be slow.
        this.sim.answered({ agent, node: this, checked, at: agenda.now, until: asked + lasts * (1 + CLOCK_DRIFT) });
      });
    });
  }
}

interface Allow {
  agent: string;
  node: SimNode;
  /** When the node last looked whether it may answer. */
  checked: number;
  /** When the answer left. */
  at: number;
  /** When it can no longer be acted on. */
  until: number;
}

export class Simulation {
  readonly agenda = new Agenda();
  readonly dice: Dice;
  readonly build: Build;
  readonly controls: Controls;
  readonly feeds: FeedLog[];
  readonly hot: string[] = [];
  nodes: SimNode[] = [];
  readonly #aim: Aim | undefined;
  readonly #committed = new Map<string, number>();
  readonly #claimed = new Map<string, number>();
  readonly #allows: Allow[] = [];
  agents = 0;
  #starts = 0;
  readonly outcome: Outcome = { violation: null, claims: 0, allows: 0, expired: 0, between: 0 };

  constructor(build: Build, { seed, feeds, controls, aim }: Run) {
    this.build = build;
    this.dice = new Dice(seed * 7919 + feeds);
    this.controls = { ...ALL_CONTROLS, ...controls };
    this.feeds = Array.from({ length: feeds }, () => new FeedLog());
    this.#aim = aim;
    for (let i = 0; i < AGENTS; i++) this.hot.push(this.#newAgent());
  }

  run(): Outcome {
    const { agenda, dice } = this;
    const count = 2 + dice.below(3);
    for (let i = 0; i < count; i++) this.#startNode(`n${i}`);
    if (this.#aim === undefined) {
      this.#faults();
      this.#revocations();
    } else this.#aimed(this.#aim);
    agenda.run(RUN_MS, () => this.outcome.violation !== null);
    this.outcome.allows = this.#allows.length;
    return this.outcome;
  }

  latency(): number {
    const { dice } = this;
    if (this.#aim === "slow clock") return 0.01;
    return dice.chance(3) ? dice.below(400) : 0.2 + dice.below(40) / 10;
  }

  append(feed: number, entry: Entry): boolean {
    const { agenda } = this;
    if (this.feeds[feed]?.append(entry, agenda.now) !== true) return false;
    if (entry.kind === "revoked" && feed === 0 && !this.#committed.has(entry.agent)) this.#committed.set(entry.agent, agenda.now);
    for (const node of this.nodes) node.follow(feed);
    return true;
  }

  /** Returns a revocation as the feed of all facts has it. */
  committed(agent: string): Revoked | null {
    const isIt = (one: Entry): one is Revoked => one.kind === "revoked" && one.agent === agent;
    return this.feeds[0]?.entries.find(isIt) ?? null;
  }

  answered(allow: Allow): void {
    this.#allows.push(allow);
    const claimed = this.#claimed.get(allow.agent);
    if (claimed !== undefined && allow.at > claimed && (allow.checked > claimed || allow.at < allow.until))
      this.#violated(`${allow.node.incarnation} allowed ${allow.agent} ${ms(allow.at - claimed)} after it was revoked on the fleet`);
    else if (claimed === undefined && this.#committed.has(allow.agent)) this.outcome.between++;
  }

  claimed(agent: string, { acknowledged, expired }: fleets.FleetState): void {
    const { agenda } = this;
    if (this.#claimed.has(agent)) return;
    this.#claimed.set(agent, agenda.now);
    this.outcome.claims++;
    if (expired.length > 0) this.outcome.expired++;
    // An answer of a node that fell silent may not be acted on any more.
    const isSilent = ({ incarnation }: SimNode): boolean =>
      expired.includes(incarnation) || (expired.includes(UNKNOWN_NODE) && !acknowledged.some(({ node }) => node === incarnation));
    const late = this.#allows.find((one) => one.agent === agent && isSilent(one.node) && one.until > agenda.now);
    if (late !== undefined)
      this.#violated(
        `an answer of ${late.node.incarnation} on ${agent} may be acted on for ${ms(late.until - agenda.now)} after the claim`,
      );
    this.hot[this.hot.indexOf(agent)] = this.#newAgent();
  }

  #violated(what: string): void {
    this.outcome.violation ??= `at ${ms(this.agenda.now)}: ${what}`;
  }

  #newAgent(): string {
    return `a${this.agents++}`;
  }

  #startNode(name: string, rate = 1 + ((this.dice.below(201) - 100) / 100) * CLOCK_DRIFT): SimNode {
    const node = new SimNode(this, name, this.#starts++, rate);
    this.nodes.push(node);
    return node;
  }

  #revocations(): void {
    const { agenda, dice } = this;
    const next = (): void => {
      const node = this.nodes.length === 0 ? null : dice.of(this.nodes);
      const agent = dice.of(this.hot);
      if (node !== null && agenda.now >= node.pausedUntil && this.#committed.get(agent) === undefined && !node.revoked.has(agent))
        node.revoke(agent);
      // Somebody asks another node about one that may be under way.
      if (this.nodes.length > 0 && dice.chance(50)) dice.of(this.nodes).asked(dice.of(this.hot));
      agenda.plan(agenda.now + 150 + dice.below(900), next);
    };
    agenda.plan(800, next);
  }

  #faults(): void {
    const { agenda, dice } = this;
    const next = (): void => {
      if (this.nodes.length > 0) this.#fault(dice.of(this.nodes), agenda.now + 50 + dice.below(3000));
      agenda.plan(agenda.now + 200 + dice.below(1500), next);
    };
    agenda.plan(500, next);
  }

  #fault(node: SimNode, until: number): void {
    const { dice, feeds, agenda } = this;
    switch (dice.below(8)) {
      case 0:
        this.#restart(node, until);
        return;
      case 1:
        node.pausedUntil = until;
        return;
      case 2:
      case 3:
        node.cutUntil = until;
        node.hangs = dice.chance(50);
        return;
      case 4:
        node.deafUntil = until;
        return;
      case 5:
        node.stalledUntil[dice.below(feeds.length)] = until;
        return;
      case 6:
        // A feed elects a leader.
        dice.of(feeds).leaderlessUntil = until;
        return;
      default:
        // Cut off for good, and replaced under its name while it runs on.
        node.cutUntil = Infinity;
        node.hangs = false;
        agenda.plan(agenda.now + dice.below(600), () => {
          this.#startNode(node.name);
          this.nodes = this.nodes.filter((one) => one !== node);
        });
    }
  }

  #restart(node: SimNode, at: number): void {
    node.dead = true;
    this.nodes = this.nodes.filter((one) => one !== node);
    this.agenda.plan(this.dice.chance(50) ? this.agenda.now + this.dice.below(200) : at, () => {
      this.#startNode(node.name);
    });
  }

  #aimed(aim: Aim): void {
    const { agenda } = this;
    for (const node of this.nodes) node.dead = true;
    this.nodes = [];
    if (aim === "slow clock") {
      const [silent, revoker] = [this.#startNode("slow", 1 - CLOCK_DRIFT), this.#startNode("fast", 1 + CLOCK_DRIFT)];
      agenda.plan(3000, () => {
        const agent = this.hot[0] ?? "";
        // Cut off as soon as its tick has come back, and every answer is about the one agent.
        const cut = (): void => {
          const left = silent.lease.tenure?.left_ms ?? 0;
          if (left < LEASE_MS * 0.985) {
            agenda.plan(agenda.now + 0.1, cut);
            return;
          }
          silent.cutUntil = Infinity;
          this.hot.fill(agent);
          revoker.revoke(agent);
        };
        cut();
      });
      return;
    }
    const silent = this.#startNode("silent", 1);
    const agent = this.hot[0] ?? "";
    this.hot.fill(agent);
    if (aim === "fresh revoker") {
      agenda.plan(3000, () => {
        silent.cutUntil = Infinity;
        this.#startNode("fresh", 1).revoke(agent);
      });
      return;
    }
    const [revoker, other] = [this.#startNode("revoker", 1), this.#startNode("other", 1)];
    agenda.plan(3000, () => {
      silent.stalledUntil[0] = Infinity;
      silent.deafUntil = Infinity;
      const copies = this.feeds[1];
      if (copies !== undefined) copies.losesUntil = agenda.now + 3 * LEASE_MS;
      revoker.revoke(agent);
      if (aim === "stalled facts") return;
      // It dies after the commit.
      agenda.plan(agenda.now + LEASE_MS / 2, () => {
        revoker.dead = true;
        this.nodes = this.nodes.filter((one) => one !== revoker);
        agenda.plan(agenda.now + LEASE_MS / 2, () => {
          other.asked(agent);
        });
      });
    });
  }
}

const ms = (time: number): string => `${time.toFixed(2)} ms`;
