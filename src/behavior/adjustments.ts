/**
 * Watches what agents do and proposes to facts what `adjust` says, in the turn in which a decision is handed over: the agent's
 * next one finds it. What comes of itself, an end of narrowing, is looked for every second.
 */
import { clip, type Act, type Answer, type Assessment, type BehaviorPolicy } from "../contract/index.js";
import type { Clock, Timers } from "../system/index.js";
import { UNWATCHED, adjustAfter, adjustInQuiet, isUnwatched, type Adjusted, type Proposal, type Watch } from "./adjust.js";

/** A narrowing as facts have it. */
export interface NarrowingFound {
  agent: string;
  /** Null: until a person lifts it. */
  below: number | null;
  for_ms: number | null;
  /** Null where it is in force. */
  lifted: object | null;
}

export interface NarrowTo extends Pick<BehaviorPolicy["narrowed"], "actions_per_minute" | "below" | "for_ms"> {
  reason: string;
  purpose: string;
  why: string[];
}

/** Restricts and frees agents. A restriction holds in memory when the call returns. Each method reports what it can't do. */
export interface Adjustable {
  isActive(agent: string): boolean;
  narrowing(agent: string): NarrowingFound | undefined;
  narrowings(): Iterable<NarrowingFound>;
  narrow(agent: string, to: NarrowTo): void;
  suspend(agent: string, reason: string, purpose: string): void;
  /** Resolves when it is done, or could not be now. */
  widen(agent: string, reason: string): Promise<void>;
}

export interface AdjustmentsDeps {
  facts: Adjustable;
  /** Returns what is left of an agent's risk at this moment. */
  riskOf: (agent: string, now_ms: number) => number;
  /** Returns the purpose's current policy on behaviour. */
  policyOf: (purpose: string) => BehaviorPolicy;
  /** Returns whether this process may let an agent back: one of several has to know what it did on all. @default always */
  mayRestore?: (agent: string) => boolean;
  system: { clock: Pick<Clock, "wall">; timers: Pick<Timers, "every"> };
}

/** Name under which the service's own changes are recorded. */
export const ITSELF = "remit";

const LOOK_EVERY_MS = 1000;
/** Agents about which something is remembered; who was seen longest ago is forgotten. */
const WATCHED_MAX = 10_000;
const WHY_MAX = 5;
const REASON_LENGTH_MAX = 512;

export class Adjustments {
  readonly #deps: AdjustmentsDeps;
  readonly #watches = new Map<string, Watch>();
  /** Agents whose narrowing is being lifted just now. */
  readonly #widening = new Set<string>();
  readonly #stop: () => void;

  constructor(deps: AdjustmentsDeps) {
    this.#deps = deps;
    this.#stop = deps.system.timers.every(LOOK_EVERY_MS, () => {
      this.#look();
    });
  }

  /** Called for each action in the turn in which its record is handed over, after the profile has learned it. */
  settled(act: Act, { risk, reasons }: Assessment, { decision }: Pick<Answer, "decision">): void {
    const { agent, purpose } = act;
    const flagged = decision === "flag";
    const watch = this.#watches.get(agent);
    // Next to every act ends here: nothing is remembered of its agent, and nothing in it asks for more.
    if (watch === undefined && !flagged && (risk === 0 || this.#asksNothing(agent, purpose, risk))) return;
    const policy = this.#deps.policyOf(purpose);
    // What is observed may have happened long ago: whoever reports it must not say since when an agent has been calm.
    const seen = { risk, reasons, flagged, time_ms: this.#deps.system.clock.wall() };
    this.#take(agent, purpose, adjustAfter(watch ?? UNWATCHED, seen, policy, this.#standing(agent)));
  }

  /** A person has lifted the agent's narrowing, or restored it: the profile forgives it, and so does this. */
  letGoOn(agent: string): void {
    this.#watches.delete(agent);
  }

  close(): void {
    this.#stop();
  }

  /** Returns true if nobody has narrowed the agent, and so little risk doesn't either. */
  #asksNothing(agent: string, purpose: string, risk: number): boolean {
    const { narrow, suspend } = this.#deps.policyOf(purpose);
    const isLittle = (narrow === null || risk < narrow) && (suspend === null || risk < suspend);
    return isLittle && this.#deps.facts.narrowing(agent) === undefined;
  }

  /** Widens agents that have been calm for long enough, even if they do nothing. */
  #look(): void {
    const now = this.#deps.system.clock.wall();
    for (const { agent, below, lifted } of this.#deps.facts.narrowings()) {
      if (lifted !== null || below === null || this.#widening.has(agent)) continue;
      const watch = this.#watches.get(agent) ?? UNWATCHED;
      // Who can't tell begins to count when it can.
      const risk = this.#mayRestore(agent) ? this.#deps.riskOf(agent, now) : Infinity;
      this.#take(agent, "", adjustInQuiet(watch, risk, now, this.#standing(agent)));
    }
  }

  #standing(agent: string): { active: boolean; narrowing: NarrowingFound | null } {
    const { facts } = this.#deps;
    const narrowing = facts.narrowing(agent);
    // One that is being lifted ends: what is unusual meanwhile narrows anew.
    const isInForce = narrowing?.lifted === null && !this.#widening.has(agent);
    return { active: facts.isActive(agent), narrowing: isInForce ? narrowing : null };
  }

  #mayRestore(agent: string): boolean {
    return this.#deps.mayRestore?.(agent) !== false;
  }

  #take(agent: string, purpose: string, { watch, proposals }: Adjusted): void {
    this.#keep(agent, watch);
    for (const proposal of proposals) this.#propose(agent, purpose, proposal);
  }

  #propose(agent: string, purpose: string, proposal: Proposal): void {
    const { facts } = this.#deps;
    const { reason } = proposal;
    switch (proposal.kind) {
      case "narrow": {
        const { actions_per_minute, below, for_ms } = proposal.to;
        const why = proposal.why.slice(0, WHY_MAX).map((one) => clip(one, REASON_LENGTH_MAX));
        facts.narrow(agent, { reason, purpose, why, actions_per_minute, below, for_ms });
        return;
      }
      case "suspend":
        facts.suspend(agent, clip([reason, ...proposal.why.slice(0, WHY_MAX)].join("; "), REASON_LENGTH_MAX), purpose);
        return;
      case "restore":
        if (this.#widening.has(agent) || !this.#mayRestore(agent)) return;
        this.#widening.add(agent);
        void facts.widen(agent, reason).finally(() => this.#widening.delete(agent));
    }
  }

  #keep(agent: string, watch: Watch): void {
    // Put at the end: what goes first was seen longest ago.
    this.#watches.delete(agent);
    if (isUnwatched(watch)) return;
    this.#watches.set(agent, watch);
    if (this.#watches.size <= WATCHED_MAX) return;
    const [oldest] = this.#watches.keys();
    if (oldest !== undefined) this.#watches.delete(oldest);
  }
}
