/** Facts and records that events need; the service provides them. */
import type { EventEffect } from "./event_types.js";
import type { Here, KnownSubject } from "./subjects.js";

/** Source of a change by an event, as it is recorded. */
export interface EventAttribution {
  /** The transmitter's name here. */
  source: string;
  /** Author of the change: the transmitter and the token's `jti`. */
  by: string;
  reason: string;
  /** When it happened, milliseconds since the epoch; never later than now. */
  as_of_ms: number;
}

/** Result of applying an event. */
export interface EventResult {
  /** false: it told nothing new of any of these. */
  applied: boolean;
  /** false: it holds in memory, and can't be stored now. */
  durable: boolean;
}

export interface EventFacts extends Here {
  /**
   * Lets an effect take hold of all of these: in memory before this returns, and resolved when no decision is left that began before.
   * @throws Problem `store_unavailable` and those of the log where it is one that restores; `facts_full`
   */
  apply(effect: EventEffect, targets: readonly KnownSubject[], told: EventAttribution): Promise<EventResult>;
}
