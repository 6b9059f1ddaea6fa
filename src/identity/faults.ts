/** The faults that a token can have. Its bearer learns this much, and the claims' content only once the signature is proven. */
import { Problem } from "../contract/index.js";

export const TOKEN_FAULTS = {
  size: "a token within the limit of bytes",
  form: "a signed JWT in compact form (RFC 7519)",
  json: "JSON with each name once",
  header: "a header of `alg`, `typ` and `kid`, of their types, with a type for this use",
  issuer: "an issuer whose tokens are for this use",
  key: "a `kid` of a key in use",
  algorithm: "the algorithm that its key is for",
  signature: "a signature by the key it names",
  audience: "an audience that stands for this use, and for no other",
  start: "an `nbf` and an `iat` that have been",
  claims: "the claims of this use, of their types (RFC 7519, section 4.1)",
  subject: "a subject in canonical form",
  lifetime: "an expiry within the longest lifetime",
  bound: "a token that needs no proof of a key (`cnf`)",
  actors:
    "as many actors as may be, each an object with `sub` (RFC 8693, section 4.1), or the claim that names the client; none in a caller's token",
  spiffe: "a JWT-SVID of its issuer's trust domain, and SPIFFE ids in no other token",
} as const;

export type TokenFault = keyof typeof TOKEN_FAULTS;

/** The place that a token stood in: a header's name, or a JSON pointer into the body. */
export type TokenField = "authorization" | "/agent_token" | "/task_token" | "body";

export function invalid(fault: TokenFault, field: TokenField, cause?: unknown): Problem {
  return new Problem("token_invalid", { field, reason: fault, expected: TOKEN_FAULTS[fault] }, { cause });
}

export function expired(field: TokenField, cause?: unknown): Problem {
  return new Problem("token_expired", { field }, { cause });
}
