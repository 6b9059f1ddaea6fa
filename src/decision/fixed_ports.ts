/** Ports that never move: what a table of cases or a what-if question is decided on. */
import { NOTHING_ODD, type Assessment, type InputGrant } from "../contract/index.js";
import type { Agent, Caller, Facts, Grant, Identity, KeptProfile, Masks, Task, TokenUse } from "./ports.js";

export interface FixedFacts {
  agent: (id: string) => Agent | undefined;
  task: (id: string) => Task | undefined;
  /** Live ones that name this type and verb. */
  grants?: (type: string, verb: string) => readonly InputGrant[];
}

export function fixedFacts({ agent, task, grants = () => [] }: FixedFacts): Facts {
  return {
    revision: 1,
    stale: false,
    lease: null,
    agent,
    task,
    agentOf: () => undefined,
    revoked: () => false,
    narrowed: () => null,
    reached: () => Promise.resolve(false),
    grants: (_agent, _task, type, verb) => grants(type, verb).map(asLive),
    approvals: () => [],
    lastChange: () => 0,
    reserve: () => null,
    take: () => true,
    spend: () => true,
    giveBack: () => undefined,
  };
}

function asLive(input: InputGrant): Grant {
  return { state: "live", input, counted: false, expires_ms: Infinity };
}

/** Token use of a caller that no token had to prove. */
export const NO_TOKEN: TokenUse = { jti: null, issued_ms: null, expires_ms: Infinity };

/** Whoever asks is known, may ask for every agent, and has no tokens. */
export function knownCaller(caller: Caller): Identity {
  const none = (): never => {
    throw new Error("nobody has tokens here");
  };
  return { authenticate: () => caller, mayAskFor: () => true, agentProof: none, taskProof: none };
}

/** A profile that learns nothing, and finds every action to be this odd; left out: not at all. */
export function fixedProfile(assessed: Assessment = NOTHING_ODD): KeptProfile {
  return {
    learns: false,
    ready: true,
    assess: () => assessed,
    learn: () => undefined,
    unrecorded: () => undefined,
  };
}

/** For who writes no records: what a bundle masks stands in none. */
export const NOTHING_RECORDED: Masks = {
  isReady: () => true,
  names: (_policy, _nowMs, names) => names,
  mask: (_policy, _nowMs, record) => ({ ...record, pointers: [] }),
};
