/**
 * Baseline of an agent, as decisions, records and policies describe it. `src/behavior` learns it; each purpose says from which risk on
 * something follows.
 */
import type { PolicyInput } from "./input.js";
import type { VerbClass } from "./policy.js";

/** Each looks at one thing, and has a rarity and a reason of its own. */
export const BEHAVIOR_CHANNELS = ["what", "resource", "source", "hour", "order", "rate", "fan_out", "denies", "ticket", "drift"] as const;
export type BehaviorChannel = (typeof BEHAVIOR_CHANNELS)[number];

/** Relations of a resource to its task; `unknown` if it can't be determined. The same words as for `about` in a purpose. */
export const RELATIONS = ["task", "other", "unknown"] as const;
export type Relation = (typeof RELATIONS)[number];

/** Parts of an action that the profile looks at. */
export interface Act {
  agent: string;
  version: string;
  purpose: string;
  verb: string;
  verb_class: VerbClass;
  type: string;
  /** Null for collection verbs. */
  id: string | null;
  task: string | null;
  relation: Relation;
  session: string | null;
  source: string | null;
  /** A person has approved this very action, which is no deviation then. */
  granted: boolean;
  /** Amount of it: rows, calls; 1 where nobody says. */
  amount: number;
  /** When it was decided: the host's clock, milliseconds since the epoch. */
  time_ms: number;
  /** Milliseconds to add to `time_ms` for the local time of its purpose; 0 if the purpose has no time zone. */
  offset_ms: number;
}

/** Outcome of an act by its decision. `allow` and `log` teach by themselves if not too much is odd; the others when a person says so. */
export type ActOutcome = "allow" | "log" | "flag" | "deny";

/**
 * `input.facts.behavior`: `risk` 0-100, whole; `confidence` 0-1; `channels` in decades, to one digit, only those that have something to say: 3 is
 * what comes once in a thousand.
 */
export type Assessment = PolicyInput["facts"]["behavior"];

/** Assessment if nothing is odd, or nothing is known: always this object. */
export const NOTHING_ODD: Assessment = Object.freeze({
  channels: Object.freeze({}),
  confidence: 0,
  reasons: Object.freeze([]) as unknown as string[],
  risk: 0,
});

/** Steps in order of gravity. */
export const BEHAVIOR_STEPS = ["log", "flag", "hold", "narrow", "suspend"] as const;
export type BehaviorStep = (typeof BEHAVIOR_STEPS)[number];

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
