/**
 * A simulated node: the real commands, registry, ledger and member, on a store and links that the simulation stands for. Decisions are
 * gathered from its registry under its lease, and leave a while later.
 */
import type * as commands from "../../../src/facts/commands.js";
import type * as members from "../../../src/cluster/member.js";
import { FeedRead } from "../../../src/cluster/feed_read.js";
import type { ChainLink } from "../../../src/cluster/chain.js";
import type { LeaseEnd, NodeStart } from "../../../src/cluster/lease.js";
import type { LinkMessage } from "../../../src/cluster/link.js";
import { Problem, type InForce } from "../../../src/contract/index.js";
import type { RemoteRestriction } from "../../../src/facts/other_nodes.js";
import { isChange, type Mark } from "../../../src/store/store.js";
import type { Clock, Timers } from "../../../src/system/index.js";
import { compileEntry, LIMITS, POLICY } from "../../facts/world.js";
import { SimulatedBundles } from "./bundles.js";
import { LEASE_MS, agentOf } from "./checker.js";
import type { ActivatingNode } from "../../../src/service/feed_bundles.js";
import { isCopied, isNaming } from "./engine.js";
import { SimulatedStore, type Wire } from "./store.js";
import type { Simulation } from "./simulation.js";

/** Validity of an answer in a service that decides alone. */
const LASTS_MS = 5000;
/** Answers that take longer than this to leave are cut off by a barrier. */
const CUT_AFTER_MS = 400;
const CLOCK_DRIFT = 0.01;
const WALL = Date.UTC(2026, 2, 3, 9);
const FLEET_WITHIN_MS = 300;
const NODES_MAX = 20;
const TELL_EVERY_MS = 100;
const ASK_EVERY_MS = 50;
/** Times that somebody asks about a revocation who wants to know when it is in force on the fleet. */
const ASKED_ROUNDS = 150;
/** Statuses by which an agent is stopped; null: by a revocation of it. */
const STATUSES = [null, "suspended", "revoked"] as const;
/** Codes of problems after which nothing has changed. */
const UNDONE = new Set(["agent_not_found", "revocation_not_found", "revision_stale", "fact_invalid"]);

interface Answer {
  agent: string;
  left: boolean;
}

export class SimulatedNode implements Wire {
  readonly incarnation: string;
  readonly clock: Clock;
  readonly timers: Timers;
  store: SimulatedStore | null = null;
  member: members.Member | null = null;
  /** Null until it has read the facts. */
  commands: commands.Commands | null = null;
  bundles: SimulatedBundles | null = null;
  /** Sequence of the bundle that is on its disk. */
  #sequence: number;
  dead = false;
  pausedUntil = 0;
  /** Nothing comes from the engine or gets to it between these times. `hangs`: what was sent arrives once that is over. */
  cutFrom = Infinity;
  cutUntil = 0;
  hangs = false;
  deafUntil = 0;
  stalledUntil: [number, number] = [0, 0];
  /** True once it stops in order: it answers nothing more. */
  leaving = false;
  #inFlight: Answer[] = [];
  /** An entry is under way to it, of each feed. */
  readonly #delivering: [boolean, boolean] = [false, false];
  readonly #takers: ((text: string) => void)[] = [];
  readonly #sim: Simulation;

  constructor(
    sim: Simulation,
    readonly name: string,
    starts: number,
    rate: number,
    /** Earlier start of this name. */
    before: SimulatedNode | null,
  ) {
    this.#sim = sim;
    this.#sequence = before?.sequence ?? 1;
    const { agenda } = sim;
    this.incarnation = `${name}#${String(starts).padStart(3, "0")}`;
    this.clock = { monotonic: () => agenda.now * rate, wall: () => WALL + agenda.now * rate };
    const after = (ms: number, call: () => void): (() => void) => {
      let isCancelled = false;
      this.plan(ms / rate, () => {
        if (!isCancelled) call();
      });
      return () => {
        isCancelled = true;
      };
    };
    this.timers = {
      after,
      every: (ms, call) => {
        let cancel = (): void => undefined;
        const next = (): void => {
          cancel = after(ms, () => {
            next();
            call();
          });
        };
        next();
        return () => {
          cancel();
        };
      },
      turnEnd: (call) => {
        this.plan(0, call);
      },
    };
    this.plan(sim.dice.below(50), () => {
      this.#open(before?.member?.chain ?? null).catch((cause: unknown) => {
        sim.checker.violated(`${this.incarnation} can't start: ${String(cause)}`);
      });
    });
    this.#decide();
  }

  /** Runs on this node: not while it is paused, never once it is dead. */
  plan(ms: number, call: () => void): void {
    const { agenda } = this.#sim;
    const run = (): void => {
      if (this.dead) return;
      if (agenda.now < this.pausedUntil) agenda.plan(this.pausedUntil, run);
      else call();
    };
    agenda.plan(agenda.now + ms, run);
  }

  /** Sequence of the bundle by which it decides. */
  get sequence(): number {
    return this.bundles?.active.sequence ?? this.#sequence;
  }

  below(n: number): number {
    return this.#sim.dice.below(n);
  }

  nextWrite(): string {
    return this.#sim.nextWrite();
  }

  /** Without the control the engine's word is enough for the lease. */
  marked(feed: 0 | 1, { n }: Mark): void {
    if (this.#sim.controls.readBack) return;
    this.answer(() => this.member?.lease.returned(feed, this.#start, n));
  }

  lag(): number {
    const { dice } = this.#sim;
    return dice.chance(30) ? dice.below(120) : 0;
  }

  send(act: () => void): void {
    const { agenda, dice } = this.#sim;
    if (this.isCut && !this.hangs) return;
    if (dice.chance(1)) return;
    agenda.plan(Math.max(agenda.now + this.#sim.latency(), this.hangs ? this.cutUntil : 0), act);
  }

  ask(act: () => void): void {
    if (this.#sim.agenda.now >= this.#sim.readsLostUntil) this.send(act);
  }

  answer(act: () => void): void {
    const { dice } = this.#sim;
    if (this.isCut || dice.chance(1)) return;
    this.plan(this.#sim.latency(), () => {
      if (!this.isCut) act();
    });
  }

  get isCut(): boolean {
    const { now } = this.#sim.agenda;
    return now >= this.cutFrom && now < this.cutUntil;
  }

  cut(until: number, hangs = false): void {
    if (!this.isCut) this.cutFrom = this.#sim.agenda.now;
    this.cutUntil = until;
    this.hangs = hangs;
  }

  async #open(before: ChainLink | null): Promise<void> {
    const { build, controls, feeds } = this.#sim;
    const store = new SimulatedStore(build.FeedFollowers, feeds, this, isCopied);
    this.store = store;
    let read = new FeedRead(before);
    let bundles: SimulatedBundles;
    for (;;) {
      read = new FeedRead(before);
      bundles = new SimulatedBundles(build.FeedBundles, Promise.resolve({ store }), this, this.#sim.archives, this.#sequence);
      try {
        await bundles.feed.begin(bundles.parts);
        this.commands = await build.Commands.open({
          store,
          log: { append: () => Promise.resolve() },
          past: { revision: 0, async *uses() {} },
          system: this,
          policy: () => POLICY,
          compile: compileEntry,
          barrier: () => this.#landed(),
          others: () => ({
            tell: (held) => {
              this.#tell(held);
            },
            inForce: async (revision) => ({ in_force: (await this.#joined.inForce(revision)).in_force }),
            standing: (revision) => {
              if (revision === null) return { in_force: "node" };
              const standing = this.#joined.standing(revision);
              return standing && { in_force: standing.in_force };
            },
          }),
          limits: LIMITS,
          ledger: { retry_ms: 1000, durable_within_ms: 2000 },
          passing: (changes) => {
            for (const change of changes) read.past(change, isCopied(change) || isNaming(change));
          },
        });
        break;
      } catch (cause) {
        // No server answers: a supervisor starts it again, which comes to the same.
        if (!(cause instanceof Error) || cause.name !== "StoreUnavailable") throw cause;
      }
    }
    const { commands } = this;
    this.bundles = bundles;
    const staging = { begin: () => undefined, end: () => undefined, status: null };
    bundles.feed.follow(commands, staging);
    const since = new Date(WALL).toISOString();
    this.member = new build.Member(
      {
        store,
        copies: store.copies,
        link: {
          send: (message) => {
            this.#link(message);
          },
          receive: (take) => {
            this.#takers.push(take);
            return () => undefined;
          },
        },
        system: this,
        revision: () => commands.registry.revision,
        landed: () => this.#landed(),
        bundle: () => ({ digest: bundles.active.digest, since }),
        staged: () => null,
        hold: (hold) => {
          commands.adopt(hold);
        },
        isCopied,
        isWork: isNaming,
        isPending: (revision) => controls.workIsPending && bundles.feed.isPending(revision),
        holdAhead: (change) => !controls.heldAhead || commands.holdAhead(change),
        read,
        events: {
          held: () => {
            bundles.feed.leaseBegan();
          },
          ended: (why) => {
            this.#ended(why);
          },
          claimed: (revision) => {
            this.#sim.claimed(this, revision);
          },
        },
      },
      {
        ...{ node: this.name, start: this.#start, lease_ms: LEASE_MS, version: "1" },
        ...{ fleet_within_ms: FLEET_WITHIN_MS, nodes_max: NODES_MAX },
      },
    );
    bundles.feed.join(this.#activating(this.member));
    this.member.start();
    for (const feed of feeds.keys()) this.follow(feed as 0 | 1);
  }

  #activating(member: members.Member): ActivatingNode {
    return {
      get holdsLease() {
        return member.tenure !== null;
      },
      bundles: { same: true, differ_ms: null, running: [] },
      get nodeBundles() {
        return member.nodes;
      },
      inForce: async (revision) => ({ in_force: (await member.inForce(revision)).in_force }),
      activated: (revision) => {
        member.done(revision);
      },
    };
  }

  get #start(): NodeStart {
    return { incarnation: this.incarnation, opened_at: this.store?.opened_at ?? 0 };
  }

  get #joined(): members.Member {
    if (this.member === null) throw new Error("it hasn't joined yet");
    return this.member;
  }

  #ended(why: LeaseEnd): void {
    if (why === "node_name_taken" || why === "node_dismissed" || why === "left") this.#sim.over(this);
    else this.#sim.checker.violated(`${this.incarnation} stopped for no reason: ${why}`);
  }

  /** Delivers the next entry of a feed, and then the one after it. */
  follow(feed: 0 | 1): void {
    const { agenda, feeds, dice } = this.#sim;
    const { store } = this;
    if (this.#delivering[feed] || this.dead || store === null) return;
    const at = (): number => (feed === 0 ? store.at : store.copies.at);
    if (feed === 1 && store.copies.taker === null) return;
    if (feeds[feed].items.length <= at()) return;
    this.#delivering[feed] = true;
    const isHeldUp = (): boolean => this.isCut || agenda.now < this.stalledUntil[feed];
    const arrives = Math.max(agenda.now + this.#sim.latency(), this.isCut ? this.cutUntil : 0, this.stalledUntil[feed]);
    agenda.plan(arrives, () => {
      this.plan(0, () => {
        this.#delivering[feed] = false;
        if (!isHeldUp()) {
          // Several come at once, or one by one.
          for (let some = 1 + dice.below(4); some > 0; some--) {
            const items = feeds[feed].items.slice(at(), at() + 1 + dice.below(2));
            if (feed === 0) store.take(items);
            else store.copies.take(items);
          }
          if (feed === 0 && dice.chance(2)) this.#again(store);
        }
        this.follow(feed);
      });
    });
  }

  /** Brings a mark that was there before once more. */
  #again(store: SimulatedStore): void {
    const { dice, feeds } = this.#sim;
    const item = feeds[0].items[dice.below(store.at)];
    if (item !== undefined && !isChange(item)) store.again(item);
  }

  #link(message: LinkMessage): void {
    if (message.kind === "landed") this.#sim.checker.acknowledged(message.revision, this);
    const text = JSON.stringify(message);
    for (const node of this.#sim.nodes) {
      const { agenda, dice } = this.#sim;
      const isLost = [this, node].some((one) => one.isCut || agenda.now < one.deafUntil) || dice.chance(3);
      if (node === this || isLost) continue;
      agenda.plan(agenda.now + this.#sim.latency(), () => {
        node.plan(0, () => {
          for (const take of node.#takers) take(text);
        });
      });
    }
  }

  /** Tells the others until it is durable, as the service does. */
  #tell(held: RemoteRestriction): void {
    if (this.#joined.lease.end !== null) return;
    this.#joined.tell(held);
    this.timers.after(TELL_EVERY_MS, () => {
      if (this.commands?.registry.isHeld(held.key) === true) this.#tell(held);
    });
  }

  /** Has an agent stopped by a caller of this node, one way or another. */
  async stop(agent: string): Promise<void> {
    const status = this.#sim.dice.of(STATUSES);
    if (status === null) await this.revoke(agent);
    else await this.#stop((commands) => commands.changeAgent(agent, { status, reason: "odd" }, null, this.name));
  }

  /** Has an agent revoked by a caller of this node, who asks until that is in force on the fleet. */
  async revoke(agent: string): Promise<void> {
    const revoked = this.#stop((commands) => commands.revoke({ scope: { agent }, reason: "odd" }, this.name));
    this.asked(agent);
    await revoked;
  }

  async #stop(stop: (commands: commands.Commands) => Promise<{ in_force: InForce | null }>): Promise<void> {
    const { commands } = this;
    if (commands === null || this.member === null || this.leaving) return;
    try {
      const { in_force } = await stop(commands);
      if (in_force?.in_force === "fleet") this.#sim.claimed(this, in_force.revision ?? 0);
    } catch (cause) {
      // The agent isn't known here yet, or was stopped for good by another node.
      if (!(cause instanceof Problem)) throw cause;
    }
  }

  /** Is asked about a revocation for a while, as `GET /revocations/…` asks. */
  asked(agent: string, round = 0): void {
    const { commands } = this;
    const id = `agent/${agent}`;
    if (this.member === null || commands?.registry.revocation(id)?.lifted !== null) return;
    const { revision } = commands.revocation(id);
    if (commands.standing(id)?.in_force === "fleet") this.#sim.claimed(this, revision, `revocation/${id}`);
    else if (round < ASKED_ROUNDS)
      this.plan(ASK_EVERY_MS, () => {
        this.asked(agent, round + 1);
      });
  }

  /** Publishes a bundle for all nodes. */
  async publish(sequence: number): Promise<void> {
    const { bundles } = this;
    if (bundles === null || this.member === null || this.leaving) return;
    try {
      await bundles.feed.publish(Uint8Array.of(sequence), { by: this.name, reason: null });
    } catch (cause) {
      // A later one is named by now, or no server answers.
      if (!(cause instanceof Problem)) throw cause;
    }
  }

  /** Lifts what stops an agent, for a caller of this node. */
  async lift(key: string): Promise<void> {
    const { commands } = this;
    if (commands === null || this.leaving) return;
    const ended = this.#sim.checker.lifting(key);
    const agent = agentOf(key);
    try {
      if (key.startsWith("agent/")) await commands.changeAgent(agent, { status: "active", reason: "explained" }, null, this.name);
      else await commands.lift(`agent/${agent}`, { reason: "explained" }, null, this.name);
      ended(true);
    } catch (cause) {
      if (!(cause instanceof Problem)) throw cause;
      ended(UNDONE.has(cause.code));
    }
  }

  /** Stops in order: answers nothing more, and leaves once nothing is under way. */
  async leave(): Promise<void> {
    this.leaving = true;
    await this.#landed();
    this.commands?.close();
    this.member?.leave();
  }

  /** Resolves once no answer is left that began before. */
  #landed(): Promise<void> {
    const { agenda, controls } = this.#sim;
    const open = controls.barrier ? [...this.#inFlight] : [];
    const until = agenda.now + CUT_AFTER_MS;
    return new Promise((resolve) => {
      const look = (): void => {
        if (agenda.now >= until) for (const answer of open) answer.left = true;
        if (open.every(({ left }) => left)) resolve();
        else this.plan(10, look);
      };
      look();
    });
  }

  #gone(answer: Answer): void {
    answer.left = true;
    this.#inFlight = this.#inFlight.filter((one) => one !== answer);
  }

  #decide(): void {
    const { dice, agenda } = this.#sim;
    const agent = this.#sim.drawnAgent();
    const asked = agenda.now;
    this.plan(dice.below(3), () => {
      this.#gather(agent, asked);
    });
    this.plan(8 + dice.below(30), () => {
      this.#decide();
    });
  }

  #gather(agent: string, asked: number): void {
    const { controls, dice, agenda } = this.#sim;
    const tenure = this.member?.tenure ?? null;
    if (tenure === null || this.bundles?.feed.isBehind !== false || this.leaving || this.isStopped(agent)) return;
    const { sequence } = this;
    const lasts = controls.validFor ? Math.min(LASTS_MS, tenure.left_ms) : LASTS_MS;
    const answer: Answer = { agent, left: false };
    this.#inFlight.push(answer);
    this.plan(dice.chance(10) ? dice.below(3000) : dice.below(8), () => {
      const checked = agenda.now;
      const isOver = controls.frozen ? tenure.isOver : this.member?.tenure === null;
      if (answer.left || isOver) {
        this.#gone(answer);
        return;
      }
      // Between the check and the socket nothing waits; but a process may be stopped there.
      this.plan(dice.below(100) / 100, () => {
        if (answer.left) return;
        this.#gone(answer);
        // The enforcement point counts by a clock of its own, which may be slow.
        this.#sim.checker.answered({ agent, sequence, node: this, checked, at: agenda.now, until: asked + lasts * (1 + CLOCK_DRIFT) });
      });
    });
  }

  /** Returns true if decisions of this node deny whatever the agent asks for. */
  isStopped(agent: string): boolean {
    const registry = this.commands?.registry;
    return registry?.agent(agent)?.status !== "active" || registry.revoked("agent", agent);
  }
}
