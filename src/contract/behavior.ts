/**
 * Baseline of an agent, as decisions, records and policies describe it. `src/behavior` learns it; each purpose says from which risk on
 * something follows.
 */
import type { BehaviorChannel } from "./behavior_policy.js";
import type { PolicyInput } from "./input.js";
import type { VerbClass } from "./policy.js";

/** Relations of a resource to its task; `unknown` if it can't be determined. The same words as for `about` in a purpose. */
export const RELATIONS = ["task", "other", "unknown"] as const;
export type Relation = (typeof RELATIONS)[number];

/** Parts of an action that the profile looks at. */
export interface Act {
  agent: string;
  version: string;
  /** Team or person who answers for the agent; empty if unknown. */
  owner: string;
  purpose: string;
  verb: string;
  verb_class: VerbClass;
  type: string;
  /** Null for collection verbs. */
  id: string | null;
  task: string | null;
  relation: Relation;
  /** Labels that its task has after it, such as `confidential`. Left out: none. */
  labels?: readonly string[];
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

/** Groups that agents of a purpose form; `purpose` is all of them. In their order, which states of profiles rely on. */
export const GROUP_KINDS = ["source", "version", "owner", "purpose"] as const;
export type GroupKind = (typeof GROUP_KINDS)[number];

/** The same oddness in several agents of one group of a purpose on one day: more of them than chance explains. */
export interface SharedOddity {
  purpose: string;
  kind: GroupKind;
  /** Name of the group: the source, the version, the owner or the purpose, cut and printable. */
  value: string;
  channel: BehaviorChannel;
  /** Type of the resources that the agents are odd with. */
  type: string;
  /** Names of the agents, the first sixteen in order. */
  agents: string[];
  /** Agents of the group that are as odd today, of those active today; and how many are expected. */
  count: number;
  active: number;
  expected: number;
  /** Rarity of so many, in decades. */
  decades: number;
}

/** Verdicts on findings about behaviour in a purpose: how many, or by how many they change. */
export interface VerdictCounts {
  expected: number;
  misuse: number;
}

/** Result of such verdicts: the score that they take off each act of the purpose, to one digit; negative: that they add. */
export interface Calibration extends VerdictCounts {
  score: number;
}

/** Steps in order of gravity. */
export const BEHAVIOR_STEPS = ["log", "flag", "hold", "narrow", "suspend"] as const;
export type BehaviorStep = (typeof BEHAVIOR_STEPS)[number];
