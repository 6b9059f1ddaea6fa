/**
 * What is usual for an agent, as decisions, records and policies speak of it. How it is learned is `src/behavior`'s; from which
 * risk on what follows is each purpose's to say.
 */
import type { PolicyInput } from "./input.js";
import type { VerbClass } from "./policy.js";

/** Each looks at one thing, and has a rarity and a reason of its own. */
export const BEHAVIOR_CHANNELS = ["what", "resource", "source", "hour", "order", "rate", "fan_out", "denies", "ticket", "drift"] as const;
export type BehaviorChannel = (typeof BEHAVIOR_CHANNELS)[number];

/** Whether a resource belongs to what its task is about; `unknown` where that can't be said. As `about` in a purpose. */
export const RELATIONS = ["task", "other", "unknown"] as const;
export type Relation = (typeof RELATIONS)[number];

/** What of an action the profile looks at. */
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
  /** How much of it: rows, calls; 1 where nobody says. */
  amount: number;
  /** When it was decided: the host's clock, milliseconds since the epoch. */
  time_ms: number;
  /** What has to be added to `time_ms` for the local time of its purpose; 0 where that has no zone. */
  offset_ms: number;
}

/** What became of an act, as far as the decision goes. `allow` and `log` teach by themselves where not too much is odd; the others when a person says so. */
export type ActOutcome = "allow" | "log" | "flag" | "deny";

/**
 * `input.facts.behavior`: `risk` 0-100, whole; `confidence` 0-1; `channels` in decades, to one digit, only those that have something to say: 3 is
 * what comes once in a thousand.
 */
export type Assessment = PolicyInput["facts"]["behavior"];

/** Where nothing is odd, or nothing is known: always this object. */
export const NOTHING_ODD: Assessment = Object.freeze({
  channels: Object.freeze({}),
  confidence: 0,
  reasons: Object.freeze([]) as unknown as string[],
  risk: 0,
});

/** In order of gravity. */
export const BEHAVIOR_STEPS = ["log", "flag", "hold", "narrow", "suspend"] as const;
export type BehaviorStep = (typeof BEHAVIOR_STEPS)[number];

/**
 * What a purpose's `behavior` says, compiled: risks are from 0 to 100, and null is never. In order of gravity; each holds from its risk on, or
 * where a channel named in `channels` is at its own.
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
  /** What narrowing leaves, and when it ends: after risk has been below `below` for `for_ms`. */
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
