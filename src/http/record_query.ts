/** How records are asked for in a query. */
import {
  DECISIONS,
  JUDGED,
  OUTCOME_STATES,
  Problem,
  RECORD_KINDS,
  SEVERITIES,
  type RecordFilter,
} from "../contract/index.js";
import { flag, matching, oneOf, someOf, text, time, type Given } from "./query.js";

const NAME_MAX = 128;
const KEY_MAX = 512;

/** What is known of a record for good. */
export const recordQuery = {
  kind: someOf(RECORD_KINDS, "decision,observed, if unsaid; with `key`, every kind"),
  caller: text("Who asked, or did it, as its token names it"),
  agent: text("Of this agent", NAME_MAX),
  purpose: text("For this purpose", NAME_MAX),
  task: text("On this task", NAME_MAX),
  verb: text("With this verb", NAME_MAX),
  type: text("On resources of this type", NAME_MAX),
  resource: text("On the resource with this id"),
  resource_prefix: text("On resources whose id begins so"),
  decision: someOf(DECISIONS, "Decided so"),
  reason: text("With a reason of this code", NAME_MAX),
  severity: oneOf(SEVERITIES, "With a reason at least so severe"),
  bundle: matching("^sha256:[0-9a-f]{64}$", "Decided by the bundle with this digest"),
  proceed: flag("Whether it could go on"),
  finding: flag("Whether it opened a finding"),
  key: text("Of other kinds: a fact (`agent/support-7`), what it came to (`activated`, `started`, `failed`), a refusal's code, what an administrator did", KEY_MAX), // prettier-ignore
};

export const filterQuery = {
  ...recordQuery,
  outcome: someOf(OUTCOME_STATES, "What became of the action; `missing`: nothing was said, and its answer is no longer valid"), // prettier-ignore
  from: time("From this time on"),
  to: time("Up to before this time"),
};

/** @throws Problem `parameter_invalid` for a range that is none */
export function filterOf(given: Given<typeof filterQuery>): RecordFilter {
  const { from, to, kind, key } = given;
  if (from !== undefined && to !== undefined && to <= from)
    throw new Problem("parameter_invalid", { field: "to", expected: "a time after `from`" });
  return kind === undefined && key === undefined ? { ...given, kind: JUDGED } : given;
}
