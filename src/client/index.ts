export { RemitClient, type DecideOptions } from "./client.js";
export type { Action } from "./action.js";
export { DENIALS, Denied, NO_ANSWERS, Refusal, Undecided, type DenialCode, type NoAnswerCode, type ProblemSaid } from "./errors.js";
export type { GuardOptions, Permitted } from "./guarded.js";
export type { Held } from "./held.js";
export { REDACTED, fieldsOf, redacted, type Handlers } from "./obligations.js";
export type { ClientOptions } from "./options.js";
export type { Outside } from "./outside.js";
