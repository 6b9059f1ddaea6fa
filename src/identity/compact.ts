/** The compact form of a signed JWT (RFC 7515, section 3.1), read so that it has one reading. */
import jwt from "jsonwebtoken";
import { Type, type Static } from "../contract/type.js";
import { scan, type ScanLimits } from "../decision/scan.js";
import { schemas } from "../system/schemas.js";
import { invalid, type TokenFault, type TokenField } from "./faults.js";
import type { TokenKey } from "./keys.js";

const Header = Type.Object({
  alg: Type.String(),
  typ: Type.Optional(Type.String({ maxLength: 64 })),
  kid: Type.Optional(Type.String({ minLength: 1, maxLength: 256 })),
  // RFC 7515, section 4.1.11: what must be understood and isn't refuses the token.
  crit: Type.Optional(Type.Never()),
  b64: Type.Optional(Type.Never()),
  // Keys come from the configuration alone; a token that brings its own is after something.
  jwk: Type.Optional(Type.Never()),
  jku: Type.Optional(Type.Never()),
  x5u: Type.Optional(Type.Never()),
  x5c: Type.Optional(Type.Never()),
  // What is compressed or encrypted isn't read (RFC 8725, sections 3.6 and 3.12).
  zip: Type.Optional(Type.Never()),
  enc: Type.Optional(Type.Never()),
});
export type TokenHeader = Static<typeof Header>;
const isHeader = schemas().compile<TokenHeader>(Header);

export interface CompactLimits {
  token_bytes_max: number;
  json: ScanLimits;
}

/** @param type what `typ` may be; where the token has none, "" */
export function readCompact(
  token: string,
  type: RegExp,
  field: TokenField,
  limits: CompactLimits,
): { header: TokenHeader; payload: unknown } {
  const parts = token.split(".", 4);
  // A base64url text has one spelling only (RFC 4648, section 3.5): others decode to the same bytes.
  const bytes = parts.map((part) => Buffer.from(part, "base64url"));
  const [headerBytes, payloadBytes] = bytes;
  if (
    bytes.length !== 3 ||
    headerBytes === undefined ||
    payloadBytes === undefined ||
    bytes.some((decoded, i) => decoded.length === 0 || decoded.toString("base64url") !== parts[i])
  ) {
    throw invalid("form", field);
  }
  let header: unknown;
  let payload: unknown;
  try {
    header = JSON.parse(scan(headerBytes, limits.json));
    payload = JSON.parse(scan(payloadBytes, limits.json));
  } catch (cause) {
    throw invalid("json", field, cause);
  }
  if (!isHeader(header) || !type.test(header.typ ?? "")) throw invalid("header", field);
  return { header, payload };
}

/** Checks signature, `nbf` and audience; nothing of the payload is to be believed before. `exp` stays the caller's to check. */
export function checkSigned(
  token: string,
  alg: string,
  { key, algorithm }: TokenKey,
  expected: { issuer: string | undefined; audience: string; leeway_s: number; nowMs: number },
  field: TokenField,
): void {
  if (alg !== algorithm) throw invalid("algorithm", field);
  const { leeway_s, nowMs, ...options } = expected;
  try {
    jwt.verify(token, key, {
      algorithms: [algorithm],
      ...options,
      clockTolerance: leeway_s,
      clockTimestamp: nowMs / 1000,
      ignoreExpiration: true,
    });
  } catch (cause) {
    throw invalid(faultOf(cause), field, cause);
  }
}

/** Tells faults by jsonwebtoken's messages, which have no codes; what isn't known is put down to the signature. */
function faultOf(cause: unknown): TokenFault {
  if (cause instanceof jwt.NotBeforeError) return "start";
  const message = cause instanceof jwt.JsonWebTokenError ? cause.message : "";
  if (message.startsWith("jwt audience")) return "audience";
  if (message.startsWith("jwt issuer")) return "issuer";
  return message === "invalid nbf value" ? "claims" : "signature";
}
