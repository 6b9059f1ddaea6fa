export { RemitClient, type DecideOptions, type ReadyOptions } from "./client.js";
export type { Action } from "./action.js";
export { DENIALS, Denied, NO_ANSWERS, Refusal, Undecided, type DenialCode, type NoAnswerCode, type ProblemSaid } from "./errors.js";
export type { GuardOptions, Permitted } from "./guarded.js";
export type { ActionOnHold } from "./held.js";
export { REDACTED, fieldsOf, redacted, type Handlers } from "./obligations.js";
export { OPTION_FAULTS, OptionError, type OptionFault } from "./option_error.js";
export type { ClientOptions } from "./options.js";
export type { Outside } from "./outside.js";
