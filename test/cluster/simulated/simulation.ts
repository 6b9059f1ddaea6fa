/**
 * A cluster in one process and in no time: nodes of the real classes, an engine that orders writes, and everything that goes wrong between
 * them, all from one seed. The checker knows what no node knows: when an answer left, and until when it may be acted on.
 */
import type * as members from "../../../src/cluster/member.js";
import { checkNewAgent } from "../../../src/facts/agents.js";
import type * as facts from "../../../src/facts/commands.js";
import type * as bundles from "../../../src/service/feed_bundles.js";
import type * as followers from "../../../src/store/followers.js";
import { isChange, type Change, type Json } from "../../../src/store/store.js";
import { Dice } from "../../differential/dice.js";
import { POLICY } from "../../facts/world.js";
import { Agenda } from "./agenda.js";
import { EngineFeed, isNaming } from "./engine.js";
import type { SharedArchives } from "./bundles.js";
import { Checker, LEASE_MS, agentOf, type Outcome } from "./checker.js";
import { SimulatedNode } from "./node.js";

/** The classes under test, whole or with a control taken out. */
export interface Build {
  Member: typeof members.Member;
  Commands: typeof facts.Commands;
  FeedFollowers: typeof followers.FeedFollowers;
  FeedBundles: typeof bundles.FeedBundles;
}

/** Controls of the code around the member, which the model stands for. */
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
  /** A node that has read which bundle is named acknowledges that once it decides by it. */
  workIsPending: boolean;
}

export const ALL_CONTROLS: Controls = { readBack: true, frozen: true, validFor: true, barrier: true, heldAhead: true, workIsPending: true };

export interface Run {
  seed: number;
  controls?: Partial<Controls>;
  /** Chooses a situation instead of drawing faults. */
  aim?: Aim;
}

/** Situations in which a control that is missing shows at once. */
export const AIMS = [
  /** A silent node whose clock is as slow as may be, and a revoker whose clock is as fast. */
  "slow clock",
  /** A node that falls silent once a tick has come back to it which it sent a while ago. */
  "late tick",
  /** A revoker that has just started, and knows nothing of the node that is silent. */
  "fresh revoker",
  /** A revoker that has just started and is late in reading the feed, while the node sends a tick that then is silent. */
  "late reader",
  /** A node that the second feed alone reaches, while that has no copy yet. */
  "stalled facts",
  /** The same, where the revoker has died, and another node is asked. */
  "asked again",
  /** A node that no feed reaches, and that is asked whether it has what it can't have read. */
  "stalled feeds",
  /** A node that nobody reaches while no server takes the revocation, of which the revoker is asked. */
  "not durable",
  /** A node that has just started, reads nothing of the second feed, and names a bundle as soon as the first has a leader again. */
  "unread ticks",
] as const;
export type Aim = (typeof AIMS)[number];

/** Milliseconds in which things break; then all is well again, and has to be right in the end. */
const BREAK_MS = 10_000;
const RUN_MS = 18_000;
/** Agents that act at a time, and all of them. */
const HOT = 4;
const AGENTS = 40;
const CLOCK_DRIFT = 0.01;
const LEFT_MS = 200;

/** Registrations of all agents, with which the feed of facts begins. */
const REGISTERED = Array.from({ length: AGENTS }, (_, i): Omit<Change, "revision"> => {
  const unknown = { agent: () => undefined, similarAgent: () => undefined, credentialHolder: () => undefined, revoked: () => false };
  const agent = checkNewAgent({ id: `a${i}`, owner: "ops", purposes: ["support"] }, unknown as never, POLICY, Date.UTC(2026, 0, 1));
  const time = agent.registered;
  return { key: `agent/${agent.id}`, value: agent as unknown as Json, by: "host", time, reason: null, change: "agent_created" };
});

export class Simulation {
  readonly agenda = new Agenda();
  readonly dice: Dice;
  readonly build: Build;
  readonly controls: Controls;
  readonly feeds: readonly [EngineFeed, EngineFeed];
  /** Followers that ask for what they lack aren't answered until then. */
  readsLostUntil = 0;
  readonly archives: SharedArchives = new Map();
  nodes: SimulatedNode[] = [];
  readonly checker: Checker;
  readonly #hot: string[] = [];
  readonly #aim: Aim | undefined;
  /** Processes whose lease has ended for good. */
  readonly #over = new Set<SimulatedNode>();
  #agents = 0;
  #starts = 0;
  #writes = 0;
  /** Sequence of the last bundle that somebody published. */
  #published = 1;

  constructor(build: Build, { seed, controls, aim }: Run) {
    this.build = build;
    this.dice = new Dice(seed * 7919 + 2);
    this.controls = { ...ALL_CONTROLS, ...controls };
    this.#aim = aim;
    this.checker = new Checker(this.agenda, () => this.feeds[0]);
    const feed = (index: 0 | 1): EngineFeed =>
      new EngineFeed(this.agenda, (items) => {
        for (const item of items) if (index === 0 && isChange(item)) this.checker.committed(item);
        for (const node of this.nodes) node.follow(index);
      });
    this.feeds = [feed(0), feed(1)];
    this.feeds[0].write(
      "registered",
      REGISTERED.map((change) => ({ ...change, expected: 0 })),
      undefined,
    );
    for (let i = 0; i < HOT; i++) this.#hot.push(this.#newAgent());
  }

  async run(): Promise<Outcome> {
    const { agenda, dice } = this;
    const count = 2 + dice.below(3);
    if (this.#aim === undefined) {
      for (let i = 0; i < count; i++) this.#startNode(`n${i}`);
      this.#faults();
      this.#revocations();
      this.#publications();
    } else this.#aimed(this.#aim);
    const { checker } = this;
    await agenda.run(RUN_MS, () => checker.outcome.violation !== null);
    if (this.#aim === undefined && checker.outcome.violation === null)
      checker.settled(
        this.nodes,
        REGISTERED.map(({ key }) => agentOf(key)),
      );
    return checker.outcome;
  }

  latency(): number {
    const { dice } = this;
    if (this.#aim === "slow clock") return 0.01;
    return dice.chance(3) ? dice.below(400) : 0.2 + dice.below(40) / 10;
  }

  nextWrite(): string {
    return `w${this.#writes++}`;
  }

  /** Returns an agent that acts now. */
  drawnAgent(): string {
    const { dice } = this;
    return dice.chance(15) ? `a${dice.below(this.#agents)}` : dice.of(this.#hot);
  }

  /** A node says that a change is in force on the fleet. @param key which it shows as stopping its agent @default none */
  claimed(by: SimulatedNode, revision: number, key?: string): void {
    const { checker, nodes } = this;
    if (key === undefined) checker.claimed(revision, nodes);
    else checker.shown(by, revision, key, nodes);
    for (const [i, agent] of this.#hot.entries()) if (checker.isClaimed(agent)) this.#hot[i] = this.#newAgent();
  }

  /** The lease of a process has ended for good: its name was taken, it was dismissed, or it has left. */
  over(node: SimulatedNode): void {
    this.checker.left(node);
    this.#over.add(node);
    if (!this.nodes.includes(node)) return;
    this.nodes = this.nodes.filter((one) => one !== node);
    // Whoever has taken its name goes on.
    if (!this.nodes.some(({ name }) => name === node.name)) this.#restart(node, this.agenda.now + LEFT_MS);
  }

  #newAgent(): string {
    return `a${Math.min(this.#agents++, AGENTS - 1)}`;
  }

  #startNode(
    name: string,
    rate = 1 + ((this.dice.below(201) - 100) / 100) * CLOCK_DRIFT,
    before: SimulatedNode | null = null,
  ): SimulatedNode {
    const node = new SimulatedNode(this, name, this.#starts++, rate, before);
    this.nodes.push(node);
    return node;
  }

  /** Somebody stops an agent, asks how far that is, or lifts what stops one, on whichever node. */
  #revocations(): void {
    const { agenda, checker, dice } = this;
    const next = (): void => {
      if (agenda.now > BREAK_MS) return;
      const able = this.nodes.filter(({ pausedUntil }) => agenda.now >= pausedUntil);
      const agent = dice.of(this.#hot);
      if (able.length > 0 && (!checker.isStopped(agent) || dice.chance(20))) this.#run(dice.of(able).stop(agent));
      if (this.nodes.length > 0 && dice.chance(50)) {
        const asked = dice.of(this.nodes);
        asked.plan(dice.below(500), () => {
          asked.asked(agent);
        });
      }
      const { stopped } = checker;
      if (able.length > 0 && stopped.length > 0 && dice.chance(25)) {
        const key = dice.of(stopped);
        this.#run(dice.of(able).lift(key));
        // It acts again.
        this.#hot[dice.below(HOT)] = agentOf(key);
      }
      agenda.plan(agenda.now + 150 + dice.below(900), next);
    };
    agenda.plan(800, next);
  }

  #publications(): void {
    const { agenda, dice } = this;
    const next = (): void => {
      if (agenda.now > BREAK_MS) return;
      const able = this.nodes.filter(({ pausedUntil }) => agenda.now >= pausedUntil);
      if (able.length > 0) this.#run(dice.of(able).publish(++this.#published));
      agenda.plan(agenda.now + 500 + dice.below(3000), next);
    };
    agenda.plan(1000, next);
  }

  #run(act: Promise<void>): void {
    act.catch((cause: unknown) => {
      this.checker.violated(String(cause));
    });
  }

  #faults(): void {
    const { agenda, dice } = this;
    const next = (): void => {
      if (agenda.now > BREAK_MS) return;
      if (this.nodes.length > 0) this.#fault(dice.of(this.nodes), agenda.now + 50 + dice.below(3000));
      agenda.plan(agenda.now + 200 + dice.below(1500), next);
    };
    agenda.plan(500, next);
  }

  #fault(node: SimulatedNode, until: number): void {
    const { dice, feeds, agenda } = this;
    switch (dice.below(10)) {
      case 0:
        this.#restart(node, until);
        return;
      case 1:
        node.pausedUntil = until;
        return;
      case 2:
      case 3:
        node.cut(until, dice.chance(50));
        return;
      case 4:
        node.deafUntil = until;
        return;
      case 5:
        node.stalledUntil[dice.below(2)] = until;
        return;
      case 6:
        // A feed elects a leader.
        dice.of(feeds).leaderlessUntil = until;
        return;
      case 7:
        void node.leave();
        return;
      case 8: {
        const silent = node.member?.silent[0];
        if (silent !== undefined) node.member?.dismiss(silent);
        return;
      }
      default:
        // Cut off for good, and replaced under its name while it runs on.
        node.cut(Infinity);
        agenda.plan(agenda.now + dice.below(600), () => {
          if (!this.nodes.includes(node)) return;
          this.nodes = this.nodes.filter((one) => one !== node);
          this.#startNode(node.name, undefined, node);
        });
    }
  }

  #restart(node: SimulatedNode, at: number): void {
    const { agenda, dice } = this;
    this.nodes = this.nodes.filter((one) => one !== node);
    agenda.plan(agenda.now + (this.#over.has(node) ? LEFT_MS : 0), () => {
      node.dead = true;
    });
    agenda.plan(dice.chance(50) ? agenda.now + dice.below(200) : at, () => {
      this.#startNode(node.name, undefined, node);
    });
  }

  #aimed(aim: Aim): void {
    const { agenda } = this;
    if (aim === "slow clock") {
      const [silent, revoker] = [this.#startNode("slow", 1 - CLOCK_DRIFT), this.#startNode("fast", 1 + CLOCK_DRIFT)];
      agenda.plan(3000, () => {
        const agent = this.#only();
        this.#afterTick(silent, 0.985, () => {
          silent.cut(Infinity);
          void revoker.revoke(agent);
        });
      });
      return;
    }
    const silent = this.#startNode("silent", 1);
    const agent = this.#only();
    if (aim === "fresh revoker") {
      agenda.plan(3000, () => {
        silent.cut(Infinity);
        const fresh = this.#startNode("fresh", 1);
        this.#once(
          () => fresh.member !== null && fresh.commands?.registry.agent(agent) !== undefined,
          () => void fresh.revoke(agent),
        );
      });
      return;
    }
    if (aim === "unread ticks") {
      agenda.plan(3000, () => {
        const fresh = this.#startNode("fresh", 1);
        fresh.stalledUntil[1] = 3000 + 4 * LEASE_MS;
        silent.stalledUntil[0] = 3000 + 6 * LEASE_MS;
        this.feeds[0].leaderlessUntil = 3000 + 1.6 * LEASE_MS;
        // The first may have lost its answer.
        for (const leases of [1.5, 2.5])
          agenda.plan(3000 + leases * LEASE_MS, () => {
            const isNamed = this.feeds[0].items.some((item) => isChange(item) && isNaming(item));
            if (!isNamed) this.#run(fresh.publish(2));
          });
      });
      return;
    }
    if (aim === "late tick") {
      const other = this.#startNode("other", 1);
      agenda.plan(3000, () => {
        silent.stalledUntil = [3500, 3500];
        this.#once(
          () => agenda.now > 3500 && (silent.member?.tenure?.left_ms ?? 0) > LEASE_MS * 0.7,
          () => {
            silent.cut(Infinity);
            void other.revoke(agent);
          },
        );
      });
      return;
    }
    if (aim === "late reader") {
      agenda.plan(3000, () => {
        const fresh = this.#startNode("fresh", 1);
        this.readsLostUntil = 4000;
        this.feeds[1].leaderlessUntil = 3900;
        agenda.plan(3600, () => {
          const isReady = (): boolean => fresh.member !== null && fresh.commands?.registry.agent(agent) !== undefined;
          const act = (): void => {
            silent.cut(Infinity);
            void fresh.revoke(agent);
          };
          this.#once(isReady, () => {
            this.#afterTick(silent, 0.95, act);
          });
        });
      });
      return;
    }
    const [revoker, other] = [this.#startNode("revoker", 1), this.#startNode("other", 1)];
    agenda.plan(3000, () => {
      if (aim === "not durable") {
        silent.deafUntil = Infinity;
        this.feeds[0].losesUntil = agenda.now + LEASE_MS;
        void revoker.revoke(agent);
        return;
      }
      silent.stalledUntil[0] = Infinity;
      if (aim === "stalled feeds") {
        silent.stalledUntil[1] = Infinity;
        silent.deafUntil = agenda.now + 60;
        void revoker.revoke(agent);
        return;
      }
      silent.deafUntil = Infinity;
      this.feeds[1].losesUntil = agenda.now + 3 * LEASE_MS;
      void revoker.revoke(agent);
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

  /** Acts as soon as something is so. */
  #once(isSo: () => boolean, act: () => void): void {
    if (isSo()) act();
    else
      this.agenda.plan(this.agenda.now + 0.1, () => {
        this.#once(isSo, act);
      });
  }

  /** Acts as soon as a tick of a node has come back, so that this part of its lease is left. */
  #afterTick(node: SimulatedNode, left: number, act: () => void): void {
    this.#once(() => (node.member?.tenure?.left_ms ?? 0) >= LEASE_MS * left, act);
  }

  /** Has all answers be about one agent. */
  #only(): string {
    const agent = this.#hot[0] ?? "";
    this.#hot.fill(agent);
    return agent;
  }
}
