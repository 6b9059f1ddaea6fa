/** Restrictions as changes of a fact's JSON value. Each returns the same value if that is as narrow already. */
import type { AgentState, Ended, NarrowingState, RevocationState } from "../contract/index.js";
import type { Json } from "../store/store.js";

export type Narrow = (value: Json) => Json;

const RANK: Record<AgentState["status"], number> = { active: 0, suspended: 1, revoked: 2 };

export function withStatus(status: "suspended" | "revoked"): Narrow {
  return (value) => {
    const agent = value as unknown as AgentState;
    return RANK[agent.status] >= RANK[status] ? value : ({ ...agent, status } as unknown as Json);
  };
}

/** Ends a task or a grant. */
export function withEnd(ended: Ended): Narrow {
  return (value) => {
    const fact = value as unknown as { ended: Ended | null };
    return fact.ended === null ? { ...fact, ended } : value;
  };
}

export function withRevocation(revocation: RevocationState): Narrow {
  return (value) => {
    const before = value as unknown as RevocationState | null;
    return before?.lifted === null ? value : revocation;
  };
}

/** Revokes for a transmitter, like `withRevocation`: what it reports later adds to what it has reported before. */
export function withEvent(told: RevocationState): Narrow {
  return (value) => {
    const known = value as unknown as RevocationState | null;
    if (known?.lifted !== null) return told;
    return later(told.as_of) > later(known.as_of) || later(told.before) > later(known.before)
      ? { ...known, ...latest("as_of", known, told), ...latest("before", known, told) }
      : value;
  };
}

const later = (time: string | undefined): number => (time === undefined ? -Infinity : Date.parse(time));

function latest(member: "as_of" | "before", a: RevocationState, b: RevocationState): Partial<RevocationState> {
  const time = later(b[member]) > later(a[member]) ? b[member] : a[member];
  return time === undefined ? {} : { [member]: time };
}

/**
 * Returns the restriction that another node has made, from what its key holds there; null for a change that restricts nothing, or that
 * this version doesn't know.
 */
export function restrictionOf(change: string, value: Json): Narrow | null {
  if (value === null) return null;
  const { source, ended, bound } = value as unknown as Partial<RevocationState> & { ended?: Ended | null; bound?: string };
  switch (change) {
    case "agent_suspended":
      return withAgent("suspended", value);
    case "agent_revoked":
      return withAgent("revoked", value);
    case "task_ended":
    case "grant_ended":
      return ended === undefined || ended === null ? null : withEnd(ended);
    case "revoked":
      return source === undefined ? withRevocation(value as unknown as RevocationState) : withEvent(value as unknown as RevocationState);
    case "agent_narrowed":
      return withNarrowing(value as unknown as NarrowingState);
    case "agent_tokens_cut":
      return bound === undefined ? null : withAgent(null, value);
    default:
      return null;
  }
}

/**
 * Restricts an agent as far as its whole value does: a change that was made while another restriction of it wasn't durable has that too.
 * @param status by which the change stops it; null: by none
 */
function withAgent(status: "suspended" | "revoked" | null, value: Json): Narrow {
  const { status: found, bound } = value as unknown as Partial<AgentState>;
  const stops = found === "revoked" || found === "suspended" ? [found] : [];
  const parts = [...stops, ...(status === null ? [] : [status])].map(withStatus);
  if (bound !== undefined) parts.push(withBound(bound));
  return (from) => parts.reduce((narrowed, narrow) => narrow(narrowed), from);
}

/** Tokens from before this moment are no longer the agent's. */
export function withBound(bound: string): Narrow {
  return (value) => {
    const agent = value as unknown as AgentState;
    return Date.parse(agent.bound) >= Date.parse(bound) ? value : ({ ...agent, bound } as unknown as Json);
  };
}

export function withNarrowing(asked: NarrowingState): Narrow {
  return (value) => {
    const before = value as unknown as NarrowingState | null;
    if (before?.lifted !== null) return asked;
    // What ends by itself is wider than what a person has to lift.
    const kept = before.below !== null && asked.below === null ? asked : before;
    const actions_per_minute = Math.min(before.actions_per_minute, asked.actions_per_minute);
    if (kept === before && actions_per_minute === before.actions_per_minute) return value;
    return { ...kept, actions_per_minute };
  };
}
