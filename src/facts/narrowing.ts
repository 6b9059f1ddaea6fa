/** What narrows, as a change of a fact's JSON value. Each gives back the very value where it is as narrow already. */
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

/** Of a task or a grant. */
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
