/**
 * When an agent is narrowed, suspended and let back, from how odd its actions are and what its purpose says of that. Pure: what
 * it proposes follows from what it is given, and its times are those of decisions.
 */
import type { Assessment, BehaviorPolicy } from "../contract/index.js";

/** Flagged actions of one agent, within the given milliseconds, that narrow it whatever each is worth: people can't read faster. */
export const FLOOD = { flags: 30, within_ms: 60_000 };

/** State remembered of one agent between its actions. */
export interface Watch {
  /** Since when it has been calm: its risk is below what its narrowing says, and nothing of it is flagged. */
  readonly calm_since_ms: number | null;
  /** When its actions were flagged of late; as many as make a flood. */
  readonly flags_ms: readonly number[];
}

export const UNWATCHED: Watch = { calm_since_ms: null, flags_ms: [] };

/** Returns true if the state says nothing, so that it needn't be kept. */
export function isUnwatched({ calm_since_ms, flags_ms }: Watch): boolean {
  return calm_since_ms === null && flags_ms.length === 0;
}

/** State of it in the facts now. */
export interface Standing {
  active: boolean;
  /** Null where it isn't narrowed; null within: until a person lifts that. */
  narrowing: { below: number | null; for_ms: number | null } | null;
}

export interface AdjustedAction extends Pick<Assessment, "risk" | "reasons"> {
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

/** After an action. */
export function adjustAfter(watch: Watch, seen: AdjustedAction, policy: BehaviorPolicy, standing: Standing): Adjusted {
  const { risk, reasons: why, flagged, time_ms } = seen;
  const flags_ms = recentFlags(watch.flags_ms, flagged, time_ms);
  if (!standing.active) return { watch: { calm_since_ms: null, flags_ms }, proposals: NONE };
  const proposals: Proposal[] = [];
  const { narrow, narrowed, suspend } = policy;
  if (standing.narrowing === null && narrow !== null) {
    // It must not end where it would begin again.
    const to = { ...narrowed, below: Math.min(narrowed.below, narrow) };
    if (risk >= narrow) proposals.push({ kind: "narrow", reason: `risk ${risk} is at least ${narrow}`, why, to });
    else if (flags_ms.length === FLOOD.flags) proposals.push({ kind: "narrow", reason: `${FLOOD.flags} flags within a minute`, why, to });
  }
  if (suspend !== null && risk >= suspend) proposals.push({ kind: "suspend", reason: `risk ${risk} is at least ${suspend}`, why });
  if (proposals.length > 0) return { watch: UNWATCHED, proposals };
  if (flagged) return { watch: { calm_since_ms: null, flags_ms }, proposals };
  return adjustInQuiet({ calm_since_ms: watch.calm_since_ms, flags_ms }, risk, time_ms, standing);
}

/**
 * Returns the times of flags in the last minute, including this action's if it is flagged; at most as many as make a flood. Called for each
 * action, of which one in thousands narrows.
 */
function recentFlags(before: readonly number[], flagged: boolean, time_ms: number): readonly number[] {
  const from = time_ms - FLOOD.within_ms;
  if (!flagged && before.every((at) => at > from)) return before;
  const recent: number[] = [];
  for (const at of before) if (at > from) recent.push(at);
  if (flagged) recent.push(time_ms);
  if (recent.length > FLOOD.flags) recent.shift();
  return recent;
}

/** Between actions. @param risk what is left of it at this moment */
export function adjustInQuiet(watch: Watch, risk: number, now_ms: number, standing: Standing): Adjusted {
  const { active, narrowing } = standing;
  const { flags_ms } = watch;
  // Who is stopped is calm for that alone.
  if (!active || narrowing === null || narrowing.below === null || narrowing.for_ms === null || risk >= narrowing.below)
    return { watch: { calm_since_ms: null, flags_ms }, proposals: NONE };
  const { below, for_ms } = narrowing;
  // A clock that was set back begins it anew.
  const calm_since_ms = Math.min(watch.calm_since_ms ?? now_ms, now_ms);
  const calm = { calm_since_ms, flags_ms };
  if (now_ms - calm_since_ms < for_ms) return { watch: calm, proposals: NONE };
  return {
    watch: calm,
    proposals: [{ kind: "restore", reason: `risk has been below ${below} for ${durationOf(for_ms)}` }],
  };
}

function durationOf(ms: number): string {
  return ms % 60_000 === 0 && ms > 60_000 ? `${ms / 60_000} min` : `${ms / 1000} s`;
}
