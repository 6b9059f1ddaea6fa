/** What a guarded server answers in the place of what was refused: RFC 9457 problems that say no more than an agent may know. */
import { Denied, Undecided } from "../client/index.js";

/** A code is an interface. */
export const REFUSALS = {
  route_unmapped: { status: 403, title: "no route of the table names this" },
  path_not_canonical: { status: 400, title: "the path has more than one reading" },
  token_missing: { status: 401, title: "no bearer token" },
  token_invalid: { status: 401, title: "the token is not acceptable" },
  waiting: { status: 403, title: "not permitted as yet" },
  denied: { status: 403, title: "not permitted" },
  undecided: { status: 503, title: "this cannot be decided now" },
} as const;
export type RefusalCode = keyof typeof REFUSALS;

/** What the guard refuses before it asks. */
export class Refused extends Error {
  override readonly name = "Refused";

  constructor(
    readonly code: "route_unmapped" | "path_not_canonical" | "token_missing",
    options?: ErrorOptions,
  ) {
    super(REFUSALS[code].title, options);
  }
}

export interface HttpRefusal {
  status: number;
  headers: Record<string, string>;
  body: Record<string, unknown>;
}

/** Null for what is no refusal, but the handler's own failure. */
export function refusalOf(error: unknown): HttpRefusal | null {
  if (error instanceof Refused) return refusal(error.code);
  if (error instanceof Denied) {
    const { code, message, answer } = error;
    return refusal(code === "waiting" ? "waiting" : "denied", { detail: message, ...(answer !== null && { decision_id: answer.decision_id }) }); // prettier-ignore
  }
  if (!(error instanceof Undecided)) return null;
  return refusal(error.problem?.field === "/agent_token" ? "token_invalid" : "undecided", { detail: error.message });
}

function refusal(code: RefusalCode, more: Record<string, unknown> = {}): HttpRefusal {
  const { status, title } = REFUSALS[code];
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
