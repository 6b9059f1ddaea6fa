/** Rights of a caller on facts: by the scopes of its token, and by its entry in `callers`. */
import type { IncomingMessage } from "node:http";
import { Problem, type Scope } from "../contract/index.js";
import type { Caller } from "../decision/ports.js";
import { EVERYTHING_IN_SIGHT, type Sight } from "../facts/reach.js";
import type { HttpDeps } from "./deps.js";

/** Any of these reads facts: who registers, who has to know what to cut off, who looks into it afterwards. */
export const READERS: readonly Scope[] = ["remit:audit", "remit:register", "remit:revoke"];

/** @throws Problem of the token, or `scope_missing` where it has none of these scopes */
export async function authenticateAny(
  { identity }: Pick<HttpDeps, "identity">,
  { headers }: IncomingMessage,
  scopes: readonly Scope[],
): Promise<Caller> {
  let caller: string | null = null;
  for (const scope of scopes) {
    try {
      return await identity.authenticate(headers.authorization, scope);
    } catch (cause) {
      if (!(cause instanceof Problem && cause.code === "scope_missing")) throw cause;
      ({ caller } = cause);
    }
  }
  throw scopeMissing(caller, ...scopes);
}

/** @throws Problem `scope_missing` */
export function checkScope(caller: Caller, scope: Scope): void {
  if (!caller.scopes.has(scope)) throw scopeMissing(caller.id, scope);
}

function scopeMissing(caller: string | null, ...scopes: Scope[]): Problem {
  const expected = `scope ${scopes.map((scope) => `\`${scope}\``).join(" or ")}`;
  return new Problem("scope_missing", { field: "authorization", expected }, caller === null ? {} : { caller });
}

/** An agent, or a task's, and every purpose that what is asked concerns. */
export interface Concerned {
  agent: string;
  purposes: Iterable<string>;
}

/**
 * Whoever may not ask for an agent may not widen what it may do either.
 * @throws Problem `agent_not_permitted`
 */
export function checkMaySpeakFor(deps: Pick<HttpDeps, "identity">, caller: Caller, concerned: Concerned): void {
  if (maySpeakFor(deps, caller, concerned)) return;
  throw notPermitted(caller);
}

function maySpeakFor({ identity }: Pick<HttpDeps, "identity">, caller: Caller, { agent, purposes }: Concerned): boolean {
  return named(purposes).every((purpose) => identity.mayAskFor(caller, agent, purpose));
}

/** A registrar sees what it may speak for; who audits or revokes sees everything. */
export function maySee(deps: Pick<HttpDeps, "identity">, caller: Caller, { agent, purposes }: Concerned): boolean {
  return seesAll(caller) || named(purposes).some((purpose) => deps.identity.mayAskFor(caller, agent, purpose));
}

/** Returns the agents and purposes of which `maySee` is true, to be judged by elsewhere. */
export function sightOf({ identity }: Pick<HttpDeps, "identity">, caller: Caller): Sight {
  return seesAll(caller) ? EVERYTHING_IN_SIGHT : identity.rightsOf(caller);
}

/** @throws Problem `agent_not_permitted` */
export function checkMaySee(deps: Pick<HttpDeps, "identity">, caller: Caller, concerned: Concerned): void {
  if (!maySee(deps, caller, concerned)) throw notPermitted(caller);
}

/**
 * Looks a fact up for a caller. One whose sight is limited is told the same of a fact that isn't there as of one that isn't its own: else the
 * two answers would tell it which ids others have.
 * @param agent the agent that the fact would be of; null if only the fact says that
 * @throws Problem of `find`; in place of one that says that nothing is there `agent_not_permitted`, unless the caller would see whatever is
 */
export function lookUp<T>(deps: Pick<HttpDeps, "identity">, caller: Caller, agent: string | null, find: () => T): T {
  try {
    return find();
  } catch (cause) {
    if (cause instanceof Problem && cause.status === 404) checkMayMiss(deps, caller, agent);
    throw cause;
  }
}

/**
 * Whoever is told that a fact isn't there sees every fact of this agent, whatever its purposes are; null: of every agent.
 * @throws Problem `agent_not_permitted`
 */
export function checkMayMiss({ identity }: Pick<HttpDeps, "identity">, caller: Caller, agent: string | null): void {
  if (seesAll(caller)) return;
  const { agents, purposes } = identity.rightsOf(caller);
  if (purposes !== null || (agents !== null && (agent === null || !agents.has(agent)))) throw notPermitted(caller);
}

function seesAll({ scopes }: Caller): boolean {
  return scopes.has("remit:audit") || scopes.has("remit:revoke");
}

function notPermitted(caller: Caller): Problem {
  const expected = "an agent and purposes that `callers` gives this caller";
  return new Problem("agent_not_permitted", { expected }, { caller: caller.id });
}

/** An agent that has no purpose is for whoever may ask for any. */
function named(purposes: Iterable<string>): string[] {
  const all = [...purposes];
  return all.length === 0 ? [""] : all;
}
