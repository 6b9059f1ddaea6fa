/** Which agents are narrowed, and how much of what that leaves them with they have had. */
import type { NarrowingFact } from "./entities.js";

const MINUTE_MS = 60_000;

interface HeldNarrowing {
  fact: NarrowingFact;
  pace: Pace;
}

export class Narrowings {
  /** Parts of a rate of which one is this process's: the nodes of a cluster together never permit more than the whole. */
  readonly #parts: () => number;
  readonly #held = new Map<string, HeldNarrowing>();
  #inForceCount = 0;

  /** @param parts now; infinite: it has none */
  constructor(parts: () => number = () => 1) {
    this.#parts = parts;
  }

  get size(): number {
    return this.#held.size;
  }

  /** Agents that are narrowed now. */
  get inForce(): number {
    return this.#inForceCount;
  }

  put(fact: NarrowingFact): void {
    const before = this.#held.get(fact.agent);
    this.#inForceCount += Number(fact.lifted === null) - Number(before?.fact.lifted === null);
    // Lifting it gives nothing back of the minute: it may be narrowed again within it.
    const pace = before?.pace ?? new Pace();
    this.#held.set(fact.agent, { fact, pace });
  }

  /** Returns an agent's narrowing, in force or lifted. */
  get(agent: string): NarrowingFact | undefined {
    return this.#held.get(agent)?.fact;
  }

  *all(): Generator<NarrowingFact> {
    for (const { fact } of this.#held.values()) yield fact;
  }

  /** Null where the agent isn't narrowed. */
  left(agent: string, now_ms: number): { actions_per_minute: number; permitted: number } | null {
    const held = this.#inForce(agent);
    return held && { actions_per_minute: this.#rateOf(held), permitted: held.pace.permitted(now_ms) };
  }

  /** Counts one permitted action of each that is narrowed; all or none, where one has had as many as it may. */
  spend(agents: readonly string[], now_ms: number): boolean {
    const narrowed = agents.flatMap((agent) => this.#inForce(agent) ?? []);
    if (narrowed.some((held) => held.pace.permitted(now_ms) >= this.#rateOf(held))) return false;
    for (const { pace } of narrowed) pace.add(now_ms);
    return true;
  }

  #rateOf({ fact }: HeldNarrowing): number {
    return Math.floor(fact.actions_per_minute / this.#parts());
  }

  #inForce(agent: string): HeldNarrowing | null {
    const held = this.#held.get(agent);
    return held?.fact.lifted === null ? held : null;
  }
}

/**
 * Number of actions that were permitted within the last minute, on the host's clock: the one that decisions and their records go by.
 * Counted in memory alone, so that a start begins at none.
 */
class Pace {
  /** Ascending, and no more than are permitted in a minute. */
  #times: number[] = [];

  permitted(now_ms: number): number {
    const [first = now_ms, last = now_ms] = [this.#times[0], this.#times.at(-1)];
    // A clock that was set back would hold them for as long as it was set back by.
    if (last > now_ms) this.#times = this.#times.map((at) => Math.min(at, now_ms));
    if (first <= now_ms - MINUTE_MS) {
      const left = this.#times.findIndex((at) => at > now_ms - MINUTE_MS);
      this.#times.splice(0, left < 0 ? this.#times.length : left);
    }
    return this.#times.length;
  }

  add(now_ms: number): void {
    this.#times.push(now_ms);
  }
}
