/** The identity that a service is configured with, and what of it each route sees. */
import { Problem } from "../contract/index.js";
import type { Facts } from "../decision/ports.js";
import type { HttpIdentity } from "../http/deps.js";
import { configuredIdentity } from "../identity/configured_identity.js";
import type { JwtIdentity } from "../identity/jwt.js";
import type { Config } from "../system/config.js";
import type { System } from "../system/index.js";
import { report } from "../system/log_events.js";
import type { Logger } from "../system/logger.js";

/** @param logger null where issuers' keys are only looked at */
export function identityOf(config: Config, system: System, logger: Logger | null): JwtIdentity {
  return configuredIdentity(config, system, process.env["NODE_ENV"] === "production", {
    loaded: (url, kids) => {
      if (logger !== null) report(logger, "issuer_keys_loaded", { url, kids });
    },
    failed: (url, detail) => {
      if (logger !== null) report(logger, "issuer_keys_unavailable", { url, detail, code: "keys_unavailable" });
    },
  });
}

/**
 * For every route but those that decide, where the floor says it, on record.
 * @param signedIn receives each caller whose token says when it signed in
 */
export function refusingRevoked(identity: JwtIdentity, facts: Facts, signedIn: (caller: string, at_ms: number) => void): HttpIdentity {
  return {
    authenticate: async (authorization, scope) => {
      const caller = await identity.authenticate(authorization, scope);
      const { jti } = caller.token;
      if (facts.revoked("caller", caller.id)) throw new Problem("caller_cut_off", { field: "authorization" });
      if (jti !== null && facts.revoked("token", jti)) throw new Problem("caller_token_revoked", { field: "authorization" });
      if (caller.signed_in_ms !== undefined) signedIn(caller.id, caller.signed_in_ms);
      return caller;
    },
    knownCaller: (authorization) => {
      const id = identity.knownCaller(authorization);
      return id === null || facts.revoked("caller", id) ? null : id;
    },
    provenCaller: (authorization) => identity.provenCaller(authorization),
    mayAskFor: (caller, agent, purpose) => identity.mayAskFor(caller, agent, purpose),
    rightsOf: (caller) => identity.rightsOf(caller),
    rolesOf: (caller) => identity.rolesOf(caller),
    issuesTaskTokens: identity.issuesTaskTokens,
    issueTaskToken: (work) => identity.issueTaskToken(work),
  };
}
