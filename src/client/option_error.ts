/** Refusal of an option, with a stable code; its own module, so that guards and the embedded engine refuse theirs in the same way. */

/** Why an option is refused. */
export const OPTION_FAULTS = {
  option_unknown: "there is no option of this name",
  option_invalid: "the option's value is not what is expected of it",
} as const;

export type OptionFault = keyof typeof OPTION_FAULTS;

/**
 * Refuses an option when it is passed; nothing was decided or connected.
 * @example
 * import { OptionError, RemitClient } from "@remit-pdp/client";
 *
 * try {
 *   new RemitClient({ url: "http://127.0.0.1:8181", token: "t", deadline_m: 500 } as never);
 * } catch (error) {
 *   if (error instanceof OptionError) console.log(error.code, error.option, error.message);
 *   // option_unknown deadline_m deadline_m: no such option; did you mean `deadline_ms`?
 * }
 */
export class OptionError extends TypeError {
  constructor(
    /** Path of the option, such as `facts.age_ms_max`. */
    readonly option: string,
    readonly code: OptionFault,
    problem: string,
    options?: ErrorOptions,
  ) {
    super(`${option}: ${problem}`, options);
  }
}
