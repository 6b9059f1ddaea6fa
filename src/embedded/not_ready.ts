/** Why an engine doesn't begin, for who operates it. */
import { Undecided } from "../client/errors.js";
import { errorMessage } from "../system/error_message.js";

/** Description of what isn't available, and the code of whoever refuses it, if there is a code. */
export interface Failing {
  code: string | null;
  detail: string;
}

/** There is no bundle, or there are no facts, to decide on. */
export class NotReady extends Error {
  override readonly name = "NotReady";

  constructor(
    message: string,
    /** A problem's, where the service said one, or that of an `Undecided`. */
    readonly code: string | null,
    readonly hint: string | null,
  ) {
    super(hint === null ? message : `${message} (${hint})`);
  }
}

const HINTS: Partial<Record<string, string>> = {
  scope_missing: "`service.token` needs the scopes `remit:embed`, `remit:bundle` and `remit:decide`",
  agent_not_permitted: "the service's `callers` gives the token's subject no agent and no purpose",
  not_found: "the service has nothing of this `bundle.name`, or is not at `service.url`",
  unreachable: "is the service at `service.url`?",
  token_missing: "`service.token` gives none",
};

/** @param missing what there isn't, each with why */
export function notReady(ms: number, missing: readonly { what: string; why: Failing | null }[]): NotReady {
  const said = missing.map(({ what, why }) => (why === null ? what : `${what}: ${why.detail}`));
  const code = missing.map(({ why }) => why?.code ?? null).find((one) => one !== null) ?? null;
  return new NotReady(`nothing can be decided within ${ms} ms: ${said.join("; ")}`, code, HINTS[code ?? ""] ?? null);
}

/** Returns what the service reports in place of an answer, or what went wrong on the way. */
export function failingOf(cause: unknown): Failing {
  if (!(cause instanceof Undecided)) return { code: null, detail: errorMessage(cause) };
  const { problem, code, title } = cause;
  if (problem === null) return { code, detail: title };
  const expected = problem.expected === undefined ? "" : `, expected ${problem.expected}`;
  return { code: problem.code, detail: `the service answers ${problem.status} ${problem.code}${expected}` };
}
