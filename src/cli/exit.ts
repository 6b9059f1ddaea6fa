/** Meanings of exit codes, so that no script has to read text. The reference documents this table. */
export const EXIT_CODES = {
  ok: { code: 0, meaning: "done; for `remit decide`: the action may proceed" },
  failed: { code: 1, meaning: "it could not be done, or a test failed" },
  usage: { code: 2, meaning: "the command line is wrong" },
  invalid: { code: 3, meaning: "what was given (sources, bundle, request, configuration) is not acceptable" },
  denied: { code: 4, meaning: "`remit decide`: the answer is a deny" },
  waiting: { code: 5, meaning: "`remit decide`: the answer is a flag that waits for a person or for context" },
  refused: { code: 6, meaning: "the service doesn't take the token, or the token lacks the right" },
  missing: { code: 7, meaning: "the service knows nothing of this id" },
  conflict: { code: 8, meaning: "it has changed meanwhile, or is there already and not the same" },
  unavailable: { code: 9, meaning: "no answer from the service, or it can't do this now; again later, it may" },
  held: { code: 10, meaning: "it holds at once, and the service hasn't stored it yet" },
  differs: { code: 11, meaning: "`remit replay`: a decision comes out otherwise than it is on record" },
  exceeded: { code: 12, meaning: "`remit impact`: more would change than the limits allow" },
  no_bundle: { code: 13, meaning: "`remit replay`: a bundle that records name was not given" },
  unreadable: { code: 14, meaning: "`replay`, `impact`, `recommend`, `review`: there are records that can't be read" },
  no_plan: { code: 15, meaning: "`remit guard mcp plan`: the model gives no plan, as it leaves the calls to what is read" },
  // As shells say of a program that a closed pipe ended (128 + SIGPIPE): with `pipefail`, what was cut off doesn't pass for done.
  unread: { code: 141, meaning: "nobody reads on what it says, as in `remit … | head -1`" },
} as const;

export type Exit = keyof typeof EXIT_CODES;

/** Error that stops a command. The message is one line in lower case; `hint` says what to do about it. */
export class CliError extends Error {
  override readonly name = "CliError";
  /** Code that `--json` prints: a problem's, if a service returned one. */
  readonly code: string;

  constructor(
    readonly exit: Exclude<Exit, "ok">,
    message: string,
    readonly hint: string | null = null,
    options?: ErrorOptions & { code?: string },
  ) {
    super(message, options);
    this.code = options?.code ?? exit;
  }
}
