/** Errors for Security Event Tokens that a receiver refuses (RFC 8935, section 2.4; SSF 1.0, section 8.1.4). */
import { Problem } from "../../contract/index.js";
import type { TokenFault } from "../../identity/faults.js";

export const SET_ERRORS = {
  invalid_request: "the body is no Security Event Token, or its event is not as its type defines it",
  invalid_key: "the key that it is signed with is not one of its issuer's",
  invalid_issuer: "its issuer is not one whose events are taken",
  invalid_audience: "it is for another receiver",
  authentication_failed: "it isn't proven to come from its issuer",
  access_denied: "its transmitter may not send it",
  invalid_state: "the state is not the one that was asked for",
} as const;
export type SetError = keyof typeof SET_ERRORS;

export class SetRefused extends Error {
  override readonly name = "SetRefused";

  constructor(
    readonly code: SetError,
    readonly description: string = SET_ERRORS[code],
    options?: ErrorOptions,
  ) {
    super(description, options);
  }

  toJSON(): { err: SetError; description: string } {
    return { err: this.code, description: this.description };
  }
}

const OF_FAULT: Partial<Record<TokenFault, SetError>> = {
  issuer: "invalid_issuer",
  key: "invalid_key",
  algorithm: "invalid_key",
  signature: "authentication_failed",
  audience: "invalid_audience",
};

/** Problems that say nothing of the token: whoever sends it tries again. */
export function isOfTheMoment(cause: Problem): boolean {
  return cause.status >= 500;
}

/** Converts a problem with a token, or with the request that brought it, to a receiver's error; anything else stays what it is. */
export function refusalOf(cause: unknown): unknown {
  if (!(cause instanceof Problem) || isOfTheMoment(cause)) return cause;
  const { reason } = cause.detail;
  const code = cause.code === "token_invalid" ? (OF_FAULT[reason as TokenFault] ?? "invalid_request") : "invalid_request";
  return new SetRefused(code, cause.message, { cause });
}
