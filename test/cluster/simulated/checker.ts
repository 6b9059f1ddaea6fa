/** Holds what simulated nodes answer against what the engine has, and against what was claimed of stopped agents. */
import type { BundleActivation } from "../../../src/contract/index.js";
import { isChange, type Change } from "../../../src/store/store.js";
import { isCopied, isNaming, type EngineFeed } from "./engine.js";
import type { SimulatedNode } from "./node.js";

export const LEASE_MS = 1000;

export interface Outcome {
  violation: string | null;
  claims: number;
  allows: number;
  /** Claims without an acknowledgement of each node: a lease had to end. */
  expired: number;
  /** Allows after a stop was committed and before it was claimed: the checker has something to miss. */
  between: number;
  /** Stops that were lifted. */
  lifted: number;
  /** Bundles that were claimed to decide on all nodes. */
  activated: number;
}

export interface Allow {
  agent: string;
  /** Sequence of the bundle by which it was decided. */
  sequence: number;
  node: SimulatedNode;
  /** When the node last looked whether it may answer. */
  checked: number;
  /** When the answer left. */
  at: number;
  /** When it can no longer be acted on. */
  until: number;
}

/** Last change of a key that stops an agent, in the engine. */
interface Stop {
  revision: number;
  stops: boolean;
  /** Revision of the key's last change that lifted what stopped the agent; 0 before the first. */
  lifted: number;
}

export class Checker {
  readonly outcome: Outcome = { violation: null, claims: 0, allows: 0, expired: 0, between: 0, lifted: 0, activated: 0 };
  readonly #clock: { readonly now: number };
  readonly #facts: () => EngineFeed;
  readonly #stops = new Map<string, Stop>();
  /** When each key was claimed to stop its agent everywhere. */
  readonly #claimed = new Map<string, number>();
  /** Bundles that were claimed to decide everywhere, with the time of the claim. */
  readonly #activated: { sequence: number; at: number }[] = [];
  /** Keys that somebody lifts now, or of which nobody knows whether they are lifted: nothing is claimed of them. */
  readonly #unclear = new Map<string, number>();
  readonly #acknowledged = new Set<string>();
  /** Processes whose lease ended in order. */
  readonly #left = new Set<SimulatedNode>();
  readonly #allows: Allow[] = [];

  constructor(clock: { readonly now: number }, facts: () => EngineFeed) {
    this.#clock = clock;
    this.#facts = facts;
  }

  /** Keys that stop an agent now. */
  get stopped(): string[] {
    return [...this.#stops].filter(([, { stops }]) => stops).map(([key]) => key);
  }

  isStopped(agent: string): boolean {
    return keysOf(agent).some((key) => this.#stops.get(key)?.stops === true);
  }

  violated(what: string): void {
    this.outcome.violation ??= `at ${ms(this.#clock.now)}: ${what}`;
  }

  /** The engine has a change of facts. */
  committed(change: Change): void {
    const { key, revision } = change;
    const before = this.#stops.get(key);
    const stops = isCopied(change);
    if (before === undefined && !stops) return;
    const lifted = stops ? (before?.lifted ?? 0) : revision;
    if (before?.stops === true && !stops) this.outcome.lifted++;
    this.#stops.set(key, { revision, stops, lifted });
  }

  /** Somebody asks a node to lift a stop. @returns called with whether it is known what came of it */
  lifting(key: string): (isKnown: boolean) => void {
    this.#claimed.delete(key);
    this.#unclear.set(key, (this.#unclear.get(key) ?? 0) + 1);
    return (isKnown) => {
      if (isKnown) this.#unclear.set(key, (this.#unclear.get(key) ?? 1) - 1);
    };
  }

  /** A node has told the others that a change is in force on it. */
  acknowledged(revision: number, { incarnation }: SimulatedNode): void {
    this.#acknowledged.add(`${revision} ${incarnation}`);
  }

  /** The lease of a process has ended in order. */
  left(node: SimulatedNode): void {
    this.#left.add(node);
  }

  /** A node says that what it shows of a key, which stops its agent, is in force on the fleet by a change. */
  shown(by: SimulatedNode, revision: number, key: string, nodes: readonly SimulatedNode[]): void {
    const change = this.#facts().items[revision - 1];
    if (change === undefined || !isChange(change) || change.key !== key || !isCopied(change))
      this.violated(`${by.incarnation} claimed that ${key} holds by revision ${revision}, which stops nobody`);
    else this.claimed(revision, nodes);
  }

  /** A node says that a change is in force on the fleet. */
  claimed(revision: number, nodes: readonly SimulatedNode[]): void {
    const { now } = this.#clock;
    const change = this.#facts().items[revision - 1];
    if (change === undefined || !isChange(change)) {
      this.violated(`a node claimed revision ${revision}, which is no change`);
      return;
    }
    const { key } = change;
    if (isNaming(change)) {
      this.#claimedBundle(change, revision);
      return;
    }
    const { lifted } = this.#stops.get(key) ?? { lifted: 0 };
    if (this.#claimed.has(key) || lifted >= revision || (this.#unclear.get(key) ?? 0) > 0) return;
    this.#claimed.set(key, now);
    this.outcome.claims++;
    if (!nodes.every((node) => this.#hasLanded(node, revision))) this.outcome.expired++;
    const agent = agentOf(key);
    this.#lateAnswers(revision, `on ${agent}`, (one) => one.agent === agent);
  }

  #claimedBundle({ value }: Change, revision: number): void {
    const { sequence } = value as unknown as BundleActivation;
    if (this.#activated.some((one) => one.sequence === sequence)) return;
    this.outcome.activated++;
    this.#activated.push({ sequence, at: this.#clock.now });
    this.#lateAnswers(revision, `by a bundle before ${sequence}`, (one) => one.sequence < sequence);
  }

  #hasLanded({ incarnation }: SimulatedNode, revision: number): boolean {
    return this.#acknowledged.has(`${revision} ${incarnation}`);
  }

  /** An answer of a node that fell silent may not be acted on any more. */
  #lateAnswers(revision: number, what: string, isOf: (allow: Allow) => boolean): void {
    const { now } = this.#clock;
    const late = this.#allows.find(
      (one) => isOf(one) && one.until > now && !this.#left.has(one.node) && !this.#hasLanded(one.node, revision),
    );
    if (late !== undefined)
      this.violated(`an answer of ${late.node.incarnation} ${what} may be acted on for ${ms(late.until - now)} after the claim`);
  }

  isClaimed(agent: string): boolean {
    return keysOf(agent).some((key) => this.#claimed.has(key));
  }

  answered(allow: Allow): void {
    this.#allows.push(allow);
    this.outcome.allows++;
    const { agent, sequence, node, at, checked, until } = allow;
    const claims = keysOf(agent).flatMap((key) => this.#claimed.get(key) ?? []);
    const broken = claims.find((claimed) => at > claimed && (checked > claimed || at < until));
    if (broken !== undefined)
      this.violated(`${node.incarnation} allowed ${agent} ${ms(at - broken)} after its stop was claimed on the fleet`);
    else if (claims.length === 0 && this.isStopped(agent)) this.outcome.between++;
    const other = this.#activated.find((one) => sequence < one.sequence && at > one.at && (checked > one.at || at < until));
    if (other !== undefined)
      this.violated(
        `${node.incarnation} decided by ${sequence} ${ms(at - other.at)} after ${other.sequence} was claimed to decide everywhere`,
      );
    if (node.isCut && checked > node.cutFrom + LEASE_MS)
      this.violated(`${node.incarnation} allowed ${ms(checked - node.cutFrom)} after it was cut off`);
  }

  /** Nothing has been broken for a while: every node knows what the engine has, and holds nothing beside it. */
  settled(nodes: readonly SimulatedNode[], agents: readonly string[]): void {
    const last = this.#facts().items.findLast(isChange)?.revision ?? 0;
    const named = (this.#facts().items.findLast((item) => isChange(item) && isNaming(item)) as Change | undefined)?.value;
    const { sequence } = (named ?? { sequence: 1 }) as unknown as BundleActivation;
    for (const node of nodes) {
      if (node.sequence !== sequence) this.violated(`${node.incarnation} decides by ${node.sequence}, and ${sequence} is named`);
      const registry = node.commands?.registry;
      const held = (registry?.dump() as { held: readonly string[] } | undefined)?.held;
      if (registry === undefined || (node.member?.tenure ?? null) === null) this.violated(`${node.incarnation} isn't back`);
      else if (registry.revision !== last) this.violated(`${node.incarnation} is at revision ${registry.revision}, the engine at ${last}`);
      else if (held?.length !== 0) this.violated(`${node.incarnation} still holds ${held?.join(", ")}`);
      for (const agent of agents)
        if (registry !== undefined && node.isStopped(agent) !== this.isStopped(agent))
          this.violated(`${node.incarnation} takes ${agent} for ${node.isStopped(agent) ? "stopped" : "active"}, wrongly`);
    }
  }
}

const ms = (time: number): string => `${time.toFixed(2)} ms`;

/** Keys that stop an agent. */
export function keysOf(agent: string): string[] {
  return [`agent/${agent}`, `revocation/agent/${agent}`];
}

/** Returns the agent that a key stops. */
export function agentOf(key: string): string {
  return key.split("/").at(-1) ?? "";
}
