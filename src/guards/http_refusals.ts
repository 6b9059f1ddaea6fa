/** Responses of a guarded server to refused requests. */
import { Denied, Undecided } from "../client/index.js";
import { REFUSALS, httpRefusal, type HttpRefusal } from "../contract/refusals.js";

export { REFUSALS, type HttpRefusal, type RefusalCode } from "../contract/refusals.js";

/** Refusal by the guard before it asks for a decision. */
export class Refused extends Error {
  override readonly name = "Refused";

  constructor(
    readonly code: "route_unmapped" | "path_not_canonical" | "token_missing",
    options?: ErrorOptions,
  ) {
    super(REFUSALS[code].title, options);
  }
}

/** Null for what is no refusal, but the handler's own failure. */
export function refusalOf(error: unknown): HttpRefusal | null {
  if (error instanceof Refused) return httpRefusal(error.code);
  if (error instanceof Denied) {
    const { code, message, answer } = error;
    return httpRefusal(code === "waiting" ? "waiting" : "denied", {
      detail: message,
      ...(answer !== null && { decision_id: answer.decision_id }),
    });
  }
  if (!(error instanceof Undecided)) return null;
  return httpRefusal(error.problem?.field === "/agent_token" ? "token_invalid" : "undecided", {
    detail: error.message,
  });
}
