/** Tokens of callers and agents make these claims, in these forms. */
import { Type, type Static } from "../contract/type.js";
import { isCanonicalId } from "../contract/index.js";
import type { TokenSubject, TokenUse } from "../decision/ports.js";
import { schemas } from "../system/schemas.js";

const SECONDS_MAX = 253_402_300_799; // the year 9999: further on, a date has no RFC 3339 text
export const seconds = () => Type.Number({ minimum: 0, maximum: SECONDS_MAX });
export const identifier = () => Type.String({ minLength: 1, maxLength: 256 });

const Claims = Type.Object({
  iss: Type.Optional(Type.String()),
  sub: identifier(),
  aud: Type.Union([Type.String(), Type.Array(Type.String(), { minItems: 1, maxItems: 64 })]),
  exp: seconds(),
  nbf: Type.Optional(seconds()),
  iat: Type.Optional(seconds()),
  jti: Type.Optional(identifier()),
  /** RFC 8693, section 4.2; some issuers write a list. */
  scope: Type.Optional(Type.Union([Type.String(), Type.Array(Type.String())])),
});
export type TokenClaims = Static<typeof Claims> & { act?: unknown; auth_time?: unknown; cnf?: unknown };

/** The claim in which an issuer names the client that a token was issued to: of OpenID Connect, RFC 9068, Okta and Entra. */
export type ClientClaim = "azp" | "client_id" | "cid" | "appid";

/** RFC 8693, section 4.1. What else it says of an actor isn't used, as that section wants of `exp`, `nbf` and `aud`. */
const Actor = Type.Object({ sub: identifier(), iss: Type.Optional(identifier()) });

const ajv = schemas();
export const isClaims = ajv.compile<TokenClaims>(Claims);
const isActor = ajv.compile<Static<typeof Actor> & { act?: unknown }>(Actor);

export function audiences({ aud }: TokenClaims): readonly string[] {
  return typeof aud === "string" ? [aud] : aud;
}

/** Milliseconds since the epoch of the sign-in that a token comes from (OpenID Connect Core 1.0, section 2); null if it doesn't say. */
export function signInOf({ auth_time }: TokenClaims): number | null {
  return typeof auth_time === "number" && auth_time >= 0 && auth_time <= SECONDS_MAX ? auth_time * 1000 : null;
}

export function tokenUse({ jti, iat, exp }: { jti?: string; iat?: number; exp: number }): TokenUse {
  return { jti: jti ?? null, issued_ms: iat === undefined ? null : iat * 1000, expires_ms: exp * 1000 };
}

/**
 * The actors of an `act` claim, who acts now first; null where they aren't as RFC 8693, section 4.1, says, are more than
 * `max`, or where who acts now is someone else's subject: an issuer speaks for its own alone.
 */
export function actorsOf(act: unknown, issuer: string, max: number): TokenSubject[] | null {
  const actors: TokenSubject[] = [];
  for (let at = act; at !== undefined; at = at.act) {
    if (actors.length === max || !isActor(at) || !isCanonicalId(at.sub)) return null;
    const actor = { issuer: at.iss ?? issuer, subject: at.sub };
    if (!isCanonicalId(actor.issuer) || (actors.length === 0 && actor.issuer !== issuer)) return null;
    actors.push(actor);
  }
  return actors;
}

/** The client that a token was issued to, by this claim; null if it is missing or not in canonical form. */
export function clientOf(claims: TokenClaims, claim: ClientClaim): string | null {
  const client = (claims as Partial<Record<ClientClaim, unknown>>)[claim];
  return typeof client === "string" && client.length <= 256 && isCanonicalId(client) ? client : null;
}
