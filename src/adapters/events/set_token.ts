/**
 * Security Event Tokens (RFC 8417) as the Shared Signals Framework profiles them: `typ` says what they are, they have neither
 * `exp` nor `sub`, so that none is ever taken for another JWT, and they tell of exactly one event.
 */
import { hash } from "node:crypto";
import { canonical, isCanonicalId } from "../../contract/index.js";
import { Type, type Static } from "../../contract/type.js";
import { checkSigned, readCompact, type CompactLimits } from "../../identity/compact.js";
import { invalid } from "../../identity/faults.js";
import type { KeySet } from "../../identity/keys.js";
import { schemas } from "../../system/schemas.js";
import { SetRefused, refusalOf } from "./refusals.js";

/** Issuer whose events are accepted. */
export interface SetIssuer {
  /** The exact `iss`. */
  issuer: string;
  /** Audience that `aud` has to contain. */
  audience: string;
  keys: KeySet;
}

export interface VerifiedSet {
  jti: string;
  /** When it was issued, milliseconds since the epoch. */
  issued_ms: number;
  /** Its one event: the type's URI, and what it says. */
  type: string;
  event: Readonly<Record<string, unknown>>;
  /** Subject of the event: `sub_id`, or an older event's own `subject`; undefined if it has none. */
  subject: unknown;
  /** SHA-256 of its claims, hex: the same if they are signed again. */
  digest: string;
}

export interface SetLimits extends CompactLimits {
  leeway_s: number;
}

/** RFC 8417, section 2.3: the media type's name, its `application/` left out. */
const TYPE = /^secevent\+jwt$/i;
/** The year 9999: further on, a date has no RFC 3339 text. */
const SECONDS_MAX = 253_402_300_799;
const JTI_BYTES_MAX = 256;
const TYPE_LENGTH_MAX = 512;

const Claims = Type.Object({
  iss: Type.String(),
  jti: Type.String({ minLength: 1 }),
  iat: Type.Number({ minimum: 0, maximum: SECONDS_MAX }),
  aud: Type.Union([Type.String(), Type.Array(Type.String(), { minItems: 1, maxItems: 64 })]),
  exp: Type.Optional(Type.Never()),
  sub: Type.Optional(Type.Never()),
  txn: Type.Optional(Type.String()),
  sub_id: Type.Optional(Type.Unknown()),
  events: Type.Record(Type.String({ minLength: 1, maxLength: TYPE_LENGTH_MAX }), Type.Object({}), {
    minProperties: 1,
    maxProperties: 1,
  }),
});
const isClaims = schemas().compile<Static<typeof Claims>>(Claims);

/** The `iss` that a token claims, which nothing has proven; null where it claims none. */
function issuerOf(payload: unknown): string | null {
  const { iss } = (typeof payload === "object" && payload !== null ? payload : {}) as { iss?: unknown };
  return typeof iss === "string" ? iss : null;
}

/**
 * @param issuers by their `iss`
 * @throws SetRefused
 * @throws Problem `keys_unavailable` where it can't be known now whether its key is one of its issuer's
 */
export async function verifySet<I extends SetIssuer>(
  token: string,
  issuers: ReadonlyMap<string, I>,
  limits: SetLimits,
  now_ms: number,
): Promise<{ set: VerifiedSet; issuer: I }> {
  try {
    if (token.length > limits.token_bytes_max) throw invalid("size", "body");
    const { header, payload } = readCompact(token, TYPE, "body", limits);
    const issuer = issuers.get(issuerOf(payload) ?? "");
    if (issuer === undefined) throw invalid("issuer", "body");
    const key = await issuer.keys.find(header.kid);
    if (key === undefined) throw invalid("key", "body");
    const { leeway_s } = limits;
    const expected = { issuer: issuer.issuer, audience: issuer.audience, leeway_s, nowMs: now_ms };
    checkSigned(token, header.alg, key, expected, "body");
    return { set: readClaims(payload, leeway_s, now_ms), issuer };
  } catch (cause) {
    throw refusalOf(cause);
  }
}

/** Reads the claims of a token whose signature is proven. @throws SetRefused */
function readClaims(payload: unknown, leeway_s: number, now_ms: number): VerifiedSet {
  if (!isClaims(payload)) throw new SetRefused("invalid_request", faultOf(payload));
  const { jti, iat, events, sub_id } = payload;
  if (!isCanonicalId(jti) || Buffer.byteLength(jti) > JTI_BYTES_MAX)
    throw new SetRefused("invalid_request", `\`jti\`: expected a canonical identifier of at most ${JTI_BYTES_MAX} bytes`);
  // What is told of as later than now would stand above all that is told of until then.
  if (iat > now_ms / 1000 + leeway_s) throw new SetRefused("invalid_request", "`iat`: expected a time that has been");
  const [[type, event] = ["", {}]] = Object.entries(events) as [string, Record<string, unknown>][];
  return {
    jti,
    issued_ms: iat * 1000,
    type,
    event,
    subject: sub_id ?? event["subject"],
    digest: hash("sha256", canonical(payload)),
  };
}

function faultOf(payload: unknown): string {
  const claims = payload as Readonly<Record<string, unknown>>;
  for (const name of ["exp", "sub"]) if (name in claims) return `\`${name}\`: no Security Event Token has it`;
  const { events } = claims;
  if (typeof events === "object" && events !== null && Object.keys(events).length !== 1) return "`events`: expected exactly one event";
  const [error] = isClaims.errors ?? [];
  return `expected \`iss\`, \`aud\`, \`iat\`, \`jti\` and \`events\`, of their types (RFC 8417): ${error?.instancePath ?? ""} ${error?.message ?? ""}`;
}
