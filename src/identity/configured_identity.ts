/** The identity that a configuration describes, its files read. */
import type { Config } from "../system/config.js";
import type { System } from "../system/index.js";
import { NotCertificates, readAuthorities } from "../system/authorities.js";
import { readText } from "../system/read_file.js";
import { JwtIdentity, type Issuer } from "./jwt.js";
import { FixedKeys, KeyRefused, jwksKeys, pemKey, pemKeyPair, type KeySet, type KeyUse } from "./keys.js";
import { SCOPE_CLAIM } from "./scopes.js";
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
    keys: issuersKeys(issuer, issuer.spiffe_trust_domain === undefined ? "sig" : "jwt-svid", OPENID, shared, system, report),
    trust_domain: issuer.spiffe_trust_domain,
    scopes: { claims: [issuer.scopes_claim ?? SCOPE_CLAIM.claims].flat(), prefix: issuer.scope_prefix, max: issuer.scopes_max },
    actor_claim: issuer.actor_claim,
  }));
  return new JwtIdentity({ ...shared, issuers: read, tasks, callers }, system.clock);
}

/** The address of an issuer's metadata. */
export type MetadataPlace = (issuer: string) => string;

/** OpenID Connect Discovery 1.0, section 4: after the issuer's path. */
const OPENID: MetadataPlace = (issuer) => `${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`;

/** SSF 1.0, section 6.2: before the issuer's path. */
export const SSF: MetadataPlace = (issuer) => {
  const { origin, pathname } = new URL(issuer);
  return `${origin}/.well-known/ssf-configuration${pathname.replace(/\/$/, "")}`;
};

/** The settings that say where an issuer's keys are. */
export type KeysConfig = Pick<Config["identity"]["issuers"][number], "issuer" | "keys" | "jwks" | "remote">;

/** @throws KeyRefused, or the file system's error, saying what is wrong */
export function issuersKeys(
  { issuer, keys = [], jwks, remote }: KeysConfig,
  use: KeyUse,
  metadataPlace: MetadataPlace,
  shared: { json: Config["limits"]; production: boolean },
  system: System,
  report: RemoteKeysReport,
): KeySet {
  if (remote !== undefined) {
    const { url, ca, ...options } = remote;
    const place = url === undefined ? { url: metadataPlace(issuer), metadata_of: issuer } : { url };
    const trusted = ca === undefined ? undefined : inIssuer(issuer, () => readAuthorities(ca));
    return new RemoteKeys({ ...options, ...shared, ...place, ca: trusted, use }, system, report);
  }
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
    throw cause instanceof KeyRefused || cause instanceof NotCertificates
      ? new KeyRefused(`issuer \`${issuer}\`: ${cause.message}`, { cause })
      : cause;
  }
}
