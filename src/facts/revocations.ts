/** Checks and builds revocations. */
import { createHash } from "node:crypto";
import { REVOCATION_SCOPES, type RevocationTarget } from "../contract/index.js";
import type { AgentFact } from "./entities.js";
import { checkCanonical, refuse } from "./problems.js";
import type { FactsLookup, KnownPolicy, StoredRevocationScope } from "./facts_lookup.js";

export interface ScopedTarget {
  scope: StoredRevocationScope;
  /** Id in its scope; empty for `everything`. */
  of: string;
}

/**
 * Checks the target of a revocation. A target that doesn't exist is misspelt, and the caller has to learn that; only tokens, principals and
 * callers can't be known.
 * @throws Problem `fact_invalid`, `identifier_not_canonical`
 */
export function checkTarget(
  asked: RevocationTarget,
  known: FactsLookup & { agents(): Iterable<AgentFact> },
  policy: KnownPolicy | null,
): ScopedTarget {
  const target = targetOf(asked);
  const { scope, of } = target;
  const field = `/scope/${scope}`;
  checkCanonicalUnless(scope === "everything", of, field);
  const some = (is: (agent: AgentFact) => boolean): boolean => {
    for (const agent of known.agents()) if (is(agent)) return true;
    return false;
  };
  switch (scope) {
    case "agent":
      if (known.agent(of) === undefined) refuse(field, "a registered agent");
      break;
    case "task":
      if (known.task(of) === undefined) refuse(field, "a known task");
      break;
    case "grant":
      if (known.grant(of) === undefined) refuse(field, "a known grant");
      break;
    case "purpose":
      if (policy?.purposes.has(of) !== true && !some(({ purposes }) => purposes.has(of))) {
        refuse(field, "a purpose of the bundle or of an agent");
      }
      break;
    case "owner":
      if (!some(({ owner }) => owner === of)) refuse(field, "the owner of an agent");
      break;
    case "token":
    case "principal":
    case "caller":
    case "everything":
  }
  return target;
}

function targetOf(asked: RevocationTarget): ScopedTarget {
  const [scope, ...more] = REVOCATION_SCOPES.filter((name) => asked[name] !== undefined);
  if (scope === undefined || more.length > 0) refuse("/scope", `exactly one of ${REVOCATION_SCOPES.join(", ")}`);
  return scope === "everything" ? { scope, of: "" } : { scope, of: asked[scope] ?? "" };
}

function checkCanonicalUnless(free: boolean, id: string, field: string): void {
  if (!free) checkCanonical(id, field);
}

const ID_BYTES_MAX = 400;
/** No transmitter's name has it. */
export const TOKENS = "+tokens";

/**
 * The id of the one revocation there can be of this target: `agent/support-7`, `everything`.
 * @param source the transmitter of security events whose own it is: `agent@idp/support-7`; of tokens alone, with `TOKENS` after it
 */
export function revocationId({ scope, of }: ScopedTarget, source?: string): string {
  if (scope === "everything") return scope;
  const kind = source === undefined ? scope : `${scope}@${source}`;
  const id = `${kind}/${of}`;
  if (Buffer.byteLength(id) <= ID_BYTES_MAX) return id;
  // A name may be longer in bytes than the store's keys.
  return `${kind}/sha256:${createHash("sha256").update(of).digest("hex")}`;
}
