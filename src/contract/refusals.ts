/**
 * Responses to refused requests of the agent itself: RFC 9457 problems that say no more than the agent may know. A code is an interface.
 */
export const REFUSALS = {
  route_unmapped: { status: 403, title: "no route of the table names this" },
  path_not_canonical: { status: 400, title: "the path has more than one reading" },
  token_missing: { status: 401, title: "no bearer token" },
  token_invalid: { status: 401, title: "the token is not acceptable" },
  waiting: { status: 403, title: "not permitted yet" },
  denied: { status: 403, title: "not permitted" },
  undecided: { status: 503, title: "this cannot be decided now" },
} as const;

/** Refusals for a proxy: `REFUSALS`, and one for requests that can't be put to a decision. */
export const PROXY_REFUSALS = {
  ...REFUSALS,
  action_invalid: {
    status: 400,
    title: "what is asked for has more than one reading, or says more than is known here",
  },
} as const;
export type RefusalCode = keyof typeof REFUSALS;
export type ProxyRefusalCode = keyof typeof PROXY_REFUSALS;

export interface HttpRefusal {
  status: number;
  headers: Record<string, string>;
  body: Record<string, unknown>;
}

export function httpRefusal(code: ProxyRefusalCode, more: Record<string, unknown> = {}): HttpRefusal {
  const { status, title } = PROXY_REFUSALS[code];
  return {
    status,
    headers: {
      "content-type": "application/problem+json",
      "cache-control": "no-store",
      ...(status === 503 && { "retry-after": "1" }),
      // RFC 6750, section 3
      ...(code === "token_missing" && { "www-authenticate": "Bearer" }),
      ...(code === "token_invalid" && { "www-authenticate": 'Bearer error="invalid_token"' }),
    },
    body: { type: `urn:remit:guard:${code}`, title, status, code, ...more },
  };
}
