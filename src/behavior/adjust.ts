/**
 * When an agent is narrowed, suspended and let back, from how odd its actions are and what its purpose says of that. Pure: what
 * it proposes follows from what it is given, and its times are those of decisions.
 */
import type { Assessment, BehaviorPolicy } from "../contract/index.js";

/** So many flagged actions of one agent within so long narrow it, whatever each of them is worth: people can't read faster. */
export const FLOOD = { flags: 30, within_ms: 60_000 };

/** What a person let pass fades, as the risk does that it was seen by. */
const HALF_LIFE_MS = 15 * 60_000;

/** Evidence adds up; risk, which is what remains below 100 of it, doesn't. */
interface Evidence {
  /** `-log2(1 - risk / 100)` */
  readonly amount: number;
  readonly at_ms: number;
}

/** What is remembered of one agent between its actions. */
export interface Watch {
  /** What a person has looked at, and isn't held against it again. */
  readonly forgiven: Evidence;
  /** Since when it has been calm: its risk is below what its narrowing says, and nothing of it is flagged. */
  readonly calm_since_ms: number | null;
  /** When its latest actions were flagged; ascending, as many as make a flood. */
  readonly flags_ms: readonly number[];
}

export const UNWATCHED: Watch = { forgiven: { amount: 0, at_ms: 0 }, calm_since_ms: null, flags_ms: [] };

/** Whether it says as much as nothing. */
export function isUnwatched({ forgiven, calm_since_ms, flags_ms }: Watch): boolean {
  return forgiven.amount === 0 && calm_since_ms === null && flags_ms.length === 0;
}

/** How facts have it now. */
export interface Standing {
  active: boolean;
  /** Null where it isn't narrowed; null within: until a person lifts that. */
  narrowing: { below: number | null; for_ms: number | null } | null;
}

export interface Seen extends Pick<Assessment, "risk" | "reasons"> {
  flagged: boolean;
  time_ms: number;
}

export type Proposal =
  | { kind: "narrow"; reason: string; why: readonly string[]; to: BehaviorPolicy["narrowed"] }
  | { kind: "suspend"; reason: string; why: readonly string[] }
  | { kind: "restore"; reason: string };

export interface Adjusted {
  watch: Watch;
  proposals: readonly Proposal[];
}

const NONE: readonly Proposal[] = [];

/** After an action: what it proves is told apart from what a person had looked at before. */
export function adjustAfter(watch: Watch, seen: Seen, policy: BehaviorPolicy, standing: Standing): Adjusted {
  const { risk, reasons: why, flagged, time_ms } = seen;
  const left = faded(watch.forgiven, time_ms);
  const counted = beyond(risk, left);
  const flags_ms = [...watch.flags_ms.filter((at) => at > time_ms - FLOOD.within_ms), ...(flagged ? [time_ms] : [])];
  const after: Watch = {
    // What is gone already isn't let pass once more.
    forgiven: { amount: Math.min(left, amountOf(risk + ROUNDED)), at_ms: time_ms },
    calm_since_ms: null,
    flags_ms: flags_ms.slice(-FLOOD.flags),
  };
  if (!standing.active) return { watch: after, proposals: NONE };
  const said = left === 0 ? `risk ${risk}` : `risk ${risk}, ${Math.floor(counted)} of it since it was last let go on,`;
  const proposals: Proposal[] = [];
  const { narrow, narrowed, suspend } = policy;
  if (standing.narrowing === null && narrow !== null) {
    const isFlood = flags_ms.length >= FLOOD.flags;
    // It must not end where it would begin again.
    const to = { ...narrowed, below: Math.min(narrowed.below, narrow) };
    if (counted >= narrow) proposals.push({ kind: "narrow", reason: `${said} is at least ${narrow}`, why, to });
    else if (isFlood) proposals.push({ kind: "narrow", reason: `${FLOOD.flags} flags within a minute`, why, to });
  }
  if (suspend !== null && counted >= suspend)
    proposals.push({ kind: "suspend", reason: `${said} is at least ${suspend}`, why });
  if (proposals.length > 0) return { watch: { ...after, flags_ms: [] }, proposals };
  if (flagged) return { watch: after, proposals };
  return calming({ ...after, calm_since_ms: watch.calm_since_ms }, counted, time_ms, standing);
}

/** Between actions. @param risk what is left of it at this moment */
export function adjustInQuiet(watch: Watch, risk: number, now_ms: number, standing: Standing): Adjusted {
  return calming(watch, beyond(risk, faded(watch.forgiven, now_ms)), now_ms, standing);
}

/**
 * A person has looked at the agent and lets it go on: from here on evidence counts.
 * @param risk what is left of it at this moment
 */
export function forgive(risk: number, now_ms: number): Watch {
  const amount = risk === 0 ? 0 : amountOf(risk + ROUNDED);
  return { forgiven: { amount, at_ms: now_ms }, calm_since_ms: null, flags_ms: [] };
}

function calming(watch: Watch, risk: number, now_ms: number, { active, narrowing }: Standing): Adjusted {
  const { below = null, for_ms = null } = narrowing ?? {};
  // Who is stopped is calm for that alone.
  if (!active || below === null || for_ms === null || risk >= below)
    return { watch: { ...watch, calm_since_ms: null }, proposals: NONE };
  // A clock that was set back begins it anew.
  const calm_since_ms = Math.min(watch.calm_since_ms ?? now_ms, now_ms);
  const calm = { ...watch, calm_since_ms };
  if (now_ms - calm_since_ms < for_ms) return { watch: calm, proposals: NONE };
  return {
    watch: calm,
    proposals: [{ kind: "restore", reason: `risk has been below ${below} for ${durationOf(for_ms)}` }],
  };
}

/** A risk is told in whole numbers: what it was rounded by is no evidence. */
const ROUNDED = 0.5;
const RISK_MAX = 99.5;

function amountOf(risk: number): number {
  return -Math.log2(1 - Math.min(Math.max(risk, 0), RISK_MAX) / 100);
}

/** What of a risk is more than what was forgiven. */
function beyond(risk: number, forgiven: number): number {
  return forgiven === 0 ? risk : 100 * (1 - 2 ** -Math.max(amountOf(risk - ROUNDED) - forgiven, 0));
}

/** What is next to nothing is nothing. */
const LEAST_AMOUNT = 0.01;

function faded({ amount, at_ms }: Evidence, now_ms: number): number {
  const left = amount * 2 ** (-Math.max(now_ms - at_ms, 0) / HALF_LIFE_MS);
  return left < LEAST_AMOUNT ? 0 : left;
}

function durationOf(ms: number): string {
  return ms % 60_000 === 0 && ms > 60_000 ? `${ms / 60_000} min` : `${ms / 1000} s`;
}
