/** Responses of a purpose to unusual behaviour, as bundles have them. */

/** Each looks at one thing, and has a rarity and a reason of its own. */
export const BEHAVIOR_CHANNELS = [
  "what",
  "resource",
  "source",
  "hour",
  "order",
  "rate",
  "fan_out",
  "denies",
  "ticket",
  "drift",
  "labels",
] as const;

export type BehaviorChannel = (typeof BEHAVIOR_CHANNELS)[number];

/**
 * Compiled `behavior` of a purpose: risks are from 0 to 100, and null is never. In order of gravity; each step applies from its risk on, or
 * if a channel named in `channels` reaches its own.
 */
export interface BehaviorPolicy {
  /** A finding is opened; nothing else changes. */
  log: number | null;
  /** The action is flagged, and goes on while a person looks. */
  flag: number | null;
  /** Actions whose verb isn't of class read wait for a person. */
  hold: number | null;
  /** The agent is left with class read, `about: task`, and a rate, until it has been `calm` for a while. */
  narrow: number | null;
  /** The action is denied and the agent suspended, until a person lifts that. */
  suspend: number | null;
  /** Channel → from how many decades on that channel alone opens a finding (`log`) or flags. */
  channels: Partial<Record<BehaviorChannel, { then: "log" | "flag"; at: number }>>;
  /** Restriction that narrowing leaves, and its end: after risk has been below `below` for `for_ms` milliseconds. */
  narrowed: { actions_per_minute: number; below: number; for_ms: number };
}

export const BEHAVIOR_DEFAULTS: BehaviorPolicy = {
  log: 25,
  flag: 60,
  hold: 60,
  narrow: 60,
  suspend: 85,
  channels: {},
  narrowed: { actions_per_minute: 10, below: 40, for_ms: 15 * 60_000 },
};
