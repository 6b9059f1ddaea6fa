/** Reasons for which a call is refused whatever a policy would say: by its mapping, or by a guard. One table: log, document and model read it. */

const table = {
  method_refused: "This can't be done here.",
  tool_unavailable: "This tool is not available.",
  tool_changed: "This tool has changed since it was approved; a person has to look at it first.",
  prompt_unavailable: "This prompt is not available.",
  resource_unavailable: "This resource is not available.",
  arguments_invalid: "The arguments are not an object, or the call has no name.",
  arguments_too_large: "The arguments are larger than this guard takes.",
  arguments_too_deep: "The arguments are nested deeper than this guard takes.",
  argument_unmapped: "The call has an argument that can't be used here.",
  argument_missing: "The call lacks an argument that says what it is about.",
  argument_invalid: "An argument that says what the call is about is not an identifier.",
  task_augmented: "Calls whose results are fetched later are not supported.",
  too_many_requests: "Too many calls are under way; wait for one to end.",
  id_in_use: "The id is that of a request under way.",
  server_unavailable: "The tool's server can't be reached now.",
  login_needed: "A person has to sign in at the tool's server first.",
  call_too_long: "The call took longer than it may; it was stopped.",
  denied: "You are not permitted to do this.",
  obligation_unmet: "This could only be done under a condition that can't be met here.",
  not_decided: "It could not be decided whether this is permitted, so it was not done.",
  stopped: "This was stopped: it is no longer permitted.",
  approval_missing: "It was not done: it still waits for a person's approval. Once it is approved, the same call can be made again.",
} as const;

export type CallRefusalCode = keyof typeof table;
export const REFUSALS: Readonly<Record<CallRefusalCode, string>> = table;

export interface RefusalDetail {
  /** For the model, in place of the table's sentence: a policy's own `tell_agent`. */
  tell?: string;
  decision_id?: string;
  /** For the log: the argument's path as the mapping or the model names it. */
  argument?: string;
  cause?: unknown;
}

/** Ends a call without its having been let through, or cuts one that runs. */
export class CallRefusal extends Error {
  override readonly name = "Refusal";
  /** A fixed sentence, for the model. */
  readonly tell: string;
  readonly decision_id: string | null;
  readonly argument: string | null;

  constructor(
    readonly code: CallRefusalCode,
    { tell, decision_id, argument, cause }: RefusalDetail = {},
  ) {
    super(code, { cause });
    this.tell = tell === undefined || tell === "" ? REFUSALS[code] : tell;
    this.decision_id = decision_id ?? null;
    this.argument = argument ?? null;
  }
}
