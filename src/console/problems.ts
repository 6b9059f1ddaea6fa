/** Refusals of the console itself, as problems (RFC 9457). Those of the service are passed on as they are. */

export interface ConsoleProblemSpec {
  status: number;
  title: string;
  hint?: string;
}

export const CONSOLE_PROBLEMS = {
  host_refused: { status: 421, title: "the Host header is not one that the console answers for" },
  method_not_allowed: { status: 405, title: "the method is not allowed on this path" },
  not_found: { status: 404, title: "there is nothing at this path" },
  cross_origin: { status: 403, title: "the request comes from another origin, or doesn't say where it comes from" },
  csrf_refused: { status: 403, title: "the request lacks the page's own token", hint: "reload the page" },
  session_missing: { status: 401, title: "nobody is signed in", hint: "sign in again" },
  login_refused: { status: 403, title: "the sign-in was not accepted" },
  login_stale: { status: 403, title: "this needs a sign-in of the last minutes", hint: "sign in again" },
  scope_missing: { status: 403, title: "this needs a scope that the person doesn't have" },
  content_type_unsupported: { status: 415, title: "the content type is not one that the route takes" },
  body_too_large: { status: 413, title: "the body is larger than the limit" },
  body_invalid: { status: 400, title: "the body is not what the route takes" },
  streams_full: { status: 429, title: "this person has as many live pages open as are allowed", hint: "close another tab" },
  connections_full: {
    status: 503,
    title: "there are more connections than are allowed, and this place is kept for stopping everything",
    hint: "close other tabs; the console's log says who has many",
  },
  slack_refused: { status: 403, title: "the request is not one that Slack has just sent for this console" },
  slack_busy: { status: 503, title: "more presses came in five minutes than are remembered" },
  service_unreachable: { status: 502, title: "the service doesn't answer" },
  internal: { status: 500, title: "an unexpected failure" },
} as const satisfies Record<string, ConsoleProblemSpec>;

export type ConsoleProblemCode = keyof typeof CONSOLE_PROBLEMS;

/** A refusal of the console. */
export class ConsoleProblem extends Error {
  override readonly name = "ConsoleProblem";

  constructor(
    readonly code: ConsoleProblemCode,
    readonly expected: string | null = null,
    options?: ErrorOptions,
  ) {
    super(CONSOLE_PROBLEMS[code].title, options);
  }

  get status(): number {
    return CONSOLE_PROBLEMS[this.code].status;
  }

  toJSON(): object {
    const { status, title, ...rest } = CONSOLE_PROBLEMS[this.code];
    const expected = this.expected === null ? {} : { expected: this.expected };
    return { type: "about:blank", status, code: this.code, title, ...rest, ...expected };
  }
}
