/**
 * Input of a policy: a decision is a pure function of it and the bundle's data. Every field the vocabulary names is present, null if
 * unknown. Status, expiry and revocation are not in here: the floor has dealt with them before.
 */
import type { FlowFactsInput } from "./flow.js";
import type { Condition } from "./policy.js";

export type Value = string | number | boolean | null | Value[] | { [field: string]: Value };
export type Values = Record<string, Value>;

export interface InputResource {
  type: string;
  id: string | null;
  attributes: Values;
}

export interface PolicyInput {
  request: {
    agent: string;
    purpose: string;
    task: string | null;
    verb: string;
    resource: InputResource;
    related: Record<string, InputResource>;
    arguments: Values;
    context: { session: string | null; source: string | null; trace: string | null };
  };
  facts: {
    /** Milliseconds since the epoch: the host's clock, and what the request claimed. */
    time: { ms: number; claim_ms: number | null };
    caller: { id: string };
    principal: string | null;
    agent: { id: string; version: string; owner: string; attributes: Values };
    task: {
      id: string | null;
      /** Subject type → ids; every subject type the vocabulary names is here, null where the task has none. */
      subjects: Record<string, string[] | null>;
      attributes: Values;
      depth: number;
      root: string | null;
    };
    grants: InputGrant[];
    behavior: { risk: number; confidence: number; channels: Record<string, number>; reasons: string[] };
    flow: FlowFactsInput | null;
  };
}

/** A live grant that names this type and verb, or (`exact`) this very action by its digest. */
export interface InputGrant {
  id: string;
  exact: boolean;
  about: "task" | "other" | "any";
  when: Condition[];
}
