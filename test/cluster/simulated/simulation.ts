/**
 * A cluster in one process and in no time: nodes of the real classes, an engine that orders writes, and everything that goes wrong between
 * them, all from one seed. The checker knows what no node knows: when an answer left, and until when it may be acted on.
 */
import type * as members from "../../../src/cluster/member.js";
import { checkNewAgent } from "../../../src/facts/agents.js";
import type * as facts from "../../../src/facts/commands.js";
import type * as followers from "../../../src/store/followers.js";
import { isChange, type Change, type Json } from "../../../src/store/store.js";
import { Dice } from "../../differential/dice.js";
import { POLICY } from "../../facts/world.js";
import { Agenda } from "./agenda.js";
import { EngineFeed } from "./engine.js";
import { LEASE_MS, SimulatedNode, isCopied } from "./node.js";

/** The classes under test, whole or with a control taken out. */
export interface Build {
  Member: typeof members.Member;
  Commands: typeof facts.Commands;
  FeedFollowers: typeof followers.FeedFollowers;
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
}

export const ALL_CONTROLS: Controls = { readBack: true, frozen: true, validFor: true, barrier: true, heldAhead: true };

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
] as const;
export type Aim = (typeof AIMS)[number];

export interface Outcome {
  violation: string | null;
  claims: number;
  allows: number;
  /** Claims for which a lease had to end. */
  expired: number;
  /** Allows after a revocation was committed and before it was claimed: the checker has something to miss. */
  between: number;
}

const RUN_MS = 14_000;
/** Agents that act at a time, and all of them. */
const HOT = 4;
const AGENTS = 40;
const CLOCK_DRIFT = 0.01;
const LEFT_MS = 200;

interface Allow {
  agent: string;
  node: SimulatedNode;
  /** When the node last looked whether it may answer. */
  checked: number;
  /** When the answer left. */
  at: number;
  /** When it can no longer be acted on. */
  until: number;
}

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
  /** Questions about the feed aren't answered until then, but for the first of a start. */
  readsLostUntil = 0;
  nodes: SimulatedNode[] = [];
  readonly outcome: Outcome = { violation: null, claims: 0, allows: 0, expired: 0, between: 0 };
  readonly #hot: string[] = [];
  readonly #aim: Aim | undefined;
  readonly #committed = new Map<string, number>();
  readonly #claimed = new Map<string, number>();
  readonly #acknowledged = new Set<string>();
  /** Processes that have left in order. */
  readonly #left = new Set<SimulatedNode>();
  readonly #allows: Allow[] = [];
  #agents = 0;
  #starts = 0;
  #writes = 0;

  constructor(build: Build, { seed, controls, aim }: Run) {
    this.build = build;
    this.dice = new Dice(seed * 7919 + 2);
    this.controls = { ...ALL_CONTROLS, ...controls };
    this.#aim = aim;
    const feed = (index: 0 | 1): EngineFeed =>
      new EngineFeed(this.agenda, (items) => {
        for (const item of items) if (index === 0 && isChange(item) && isCopied(item)) this.#commit(agentOf(item));
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
    } else this.#aimed(this.#aim);
    await agenda.run(RUN_MS, () => this.outcome.violation !== null);
    this.outcome.allows = this.#allows.length;
    return this.outcome;
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

  answered(allow: Allow): void {
    this.#allows.push(allow);
    const { agent, node, at, checked, until } = allow;
    const claimed = this.#claimed.get(agent);
    if (claimed !== undefined && at > claimed && (checked > claimed || at < until))
      this.violated(`${node.incarnation} allowed ${agent} ${ms(at - claimed)} after it was revoked on the fleet`);
    else if (claimed === undefined && this.#committed.has(agent)) this.outcome.between++;
    if (node.isCut && checked > node.cutFrom + LEASE_MS)
      this.violated(`${node.incarnation} allowed ${ms(checked - node.cutFrom)} after it was cut off`);
  }

  /** A node has told the others that a change is in force on it. */
  acknowledged(revision: number, { incarnation }: SimulatedNode): void {
    this.#acknowledged.add(`${revision} ${incarnation}`);
  }

  /** A node says that a change is in force on the fleet. @param agent whom it stops @default whom the change of the revision stops */
  claimed(by: SimulatedNode, revision: number, agent = agentOf(this.feeds[0].items[revision - 1] as Change)): void {
    const { agenda } = this;
    if (this.#claimed.has(agent)) return;
    if (!this.#committed.has(agent))
      this.violated(`${by.incarnation} claimed that ${agent} is stopped by revision ${revision}, which isn't`);
    this.#claimed.set(agent, agenda.now);
    this.outcome.claims++;
    const silent = this.nodes.some(({ incarnation }) => !this.#acknowledged.has(`${revision} ${incarnation}`));
    if (silent) this.outcome.expired++;
    // An answer of a node that fell silent may not be acted on any more.
    const late = this.#allows.find(
      ({ agent: of, node, until }) =>
        of === agent && until > agenda.now && !this.#left.has(node) && !this.#acknowledged.has(`${revision} ${node.incarnation}`),
    );
    if (late !== undefined)
      this.violated(`an answer of ${late.node.incarnation} on ${agent} may be acted on for ${ms(late.until - agenda.now)} after the claim`);
    if (this.#hot.includes(agent)) this.#hot[this.#hot.indexOf(agent)] = this.#newAgent();
  }

  violated(what: string): void {
    this.outcome.violation ??= `at ${ms(this.agenda.now)}: ${what}`;
  }

  /** The lease of a process has ended for good: its name was taken, it was dismissed, or it has left. */
  over(node: SimulatedNode): void {
    this.#left.add(node);
    if (this.nodes.includes(node)) this.#restart(node, this.agenda.now + LEFT_MS);
  }

  #commit(agent: string): void {
    if (!this.#committed.has(agent)) this.#committed.set(agent, this.agenda.now);
  }

  #newAgent(): string {
    return `a${Math.min(this.#agents++, AGENTS - 1)}`;
  }

  #startNode(
    name: string,
    rate = 1 + ((this.dice.below(201) - 100) / 100) * CLOCK_DRIFT,
    before: SimulatedNode | null = null,
  ): SimulatedNode {
    const node = new SimulatedNode(this, name, this.#starts++, rate, before?.member?.chain ?? null);
    this.nodes.push(node);
    return node;
  }

  #revocations(): void {
    const { agenda, dice } = this;
    const next = (): void => {
      const node = this.nodes.length === 0 ? null : dice.of(this.nodes);
      const agent = dice.of(this.#hot);
      const isNew = !this.#committed.has(agent) || dice.chance(20);
      if (node !== null && agenda.now >= node.pausedUntil && isNew)
        void node.stop(agent).catch((cause: unknown) => {
          this.violated(String(cause));
        });
      // Somebody asks another node about one that may be under way.
      if (this.nodes.length > 0 && dice.chance(50)) {
        const asked = dice.of(this.nodes);
        asked.plan(dice.below(500), () => {
          asked.asked(agent);
        });
      }
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
          this.nodes = this.nodes.filter((one) => one !== node);
          this.#startNode(node.name, undefined, node);
        });
    }
  }

  #restart(node: SimulatedNode, at: number): void {
    const { agenda, dice } = this;
    this.nodes = this.nodes.filter((one) => one !== node);
    agenda.plan(agenda.now + (this.#left.has(node) ? LEFT_MS : 0), () => {
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

const ms = (time: number): string => `${time.toFixed(2)} ms`;

/** Returns the agent that a restriction is of. */
function agentOf({ key }: Change): string {
  return key.split("/").at(-1) ?? "";
}
