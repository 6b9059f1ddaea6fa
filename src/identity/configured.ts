/** The identity that a configuration describes, its files read. */
import type { Config } from "../system/config.js";
import type { System } from "../system/index.js";
import { readText } from "../system/read_file.js";
import { JwtIdentity, type Issuer } from "./jwt.js";
import { FixedKeys, KeyRefused, jwksKeys, pemKey, pemKeyPair, type KeySet, type KeyUse } from "./keys.js";
import { RemoteKeys, type RemoteKeysReport } from "./remote.js";
import { TaskTokens } from "./task_tokens.js";

/**
 * @param production refuses keys made for development
 * @throws KeyRefused, TypeError, or the file system's error, saying what is wrong
 */
export function configuredIdentity(
  { identity, callers, limits }: Pick<Config, "identity" | "callers" | "limits">,
  system: System,
  production: boolean,
  report: RemoteKeysReport,
): JwtIdentity {
  const { issuers, task_tokens: taskTokens, ...options } = identity;
  const shared = { ...options, json: limits, production };
  const tasks =
    taskTokens &&
    new TaskTokens(
      {
        ...shared,
        keys: pemKeyPair(taskTokens.kid, readText(taskTokens.key)),
        lifetime_max_s: taskTokens.lifetime_max_s,
      },
      system,
    );
  const read = issuers.map((issuer): Issuer => ({
    issuer: issuer.issuer,
    audience: issuer.audience,
    name: issuer.name,
    keys: issuersKeys(issuer, issuer.spiffe_trust_domain === undefined ? "sig" : "jwt-svid", shared, system, report),
    trust_domain: issuer.spiffe_trust_domain,
  }));
  return new JwtIdentity({ ...shared, issuers: read, tasks, callers }, system.clock);
}

/** What says where an issuer's keys are. */
export type KeysConfig = Pick<Config["identity"]["issuers"][number], "issuer" | "keys" | "jwks" | "remote">;

/** @throws KeyRefused, or the file system's error, saying what is wrong */
export function issuersKeys(
  { issuer, keys = [], jwks, remote }: KeysConfig,
  use: KeyUse,
  shared: { json: Config["limits"]; production: boolean },
  system: System,
  report: RemoteKeysReport,
): KeySet {
  if (remote !== undefined) return new RemoteKeys({ ...remote, ...shared, use }, system, report);
  return inIssuer(
    issuer,
    () =>
      new FixedKeys(
        jwks === undefined ? keys.map(({ kid, algorithm, file }) => pemKey(kid, algorithm, readText(file))) : jwksKeys(readText(jwks), use),
      ),
  );
}

function inIssuer<T>(issuer: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw cause instanceof KeyRefused ? new KeyRefused(`issuer \`${issuer}\`: ${cause.message}`, { cause }) : cause;
  }
}
