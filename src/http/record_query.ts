/** Parameters by which a query asks for records. */
import type { IncomingMessage } from "node:http";
import { without } from "../system/without.js";
import type { RecordQuestion } from "../records/ask.js";
import { fromCursor } from "../records/cursor.js";
import {
  DECISIONS,
  FINDING_STATES,
  HISTOGRAM_FIELDS,
  HISTOGRAM_FIELDS_MAX,
  HISTOGRAM_STEPS,
  JUDGED,
  ORDERS,
  OUTCOME_STATES,
  Problem,
  RECORD_KINDS,
  RECORD_SUBJECTS,
  SEVERITIES,
  SUMMARY_FIELDS,
  SUMMARY_FIELDS_MAX,
  type HistogramStep,
  type RecordFilter,
} from "../contract/index.js";
import { PAGE_LIMIT, flag, matching, oneOf, pageQuery, readQuery, required, someOf, text, time, type QueryOf } from "./query.js";

const NAME_MAX = 128;
const KEY_MAX = 512;

/** Parameters about what is known of a record for good. */
export const recordQuery = {
  kind: someOf(RECORD_KINDS, "default: decision,observed; with `key` or `about`, every kind"),
  caller: text("Who asked, or did it, as its token names it"),
  agent: text("Of this agent", NAME_MAX),
  purpose: text("For this purpose", NAME_MAX),
  task: text("On this task", NAME_MAX),
  principal: text("For this person; where the policy masks persons, the mask that the records have"),
  owner: text("By agents of this owner, as the policy read it; what the service refused before any policy names none"),
  verb: text("With this verb", NAME_MAX),
  type: text("On resources of this type", NAME_MAX),
  resource: text("On the resource with this id"),
  resource_prefix: text("On resources whose id begins so"),
  decision: someOf(DECISIONS, "Decided so"),
  reason: text("With a reason of this code", NAME_MAX),
  severity: oneOf(SEVERITIES, "With a reason at least so severe"),
  bundle: matching("^sha256:[0-9a-f]{64}$", "Decided by the bundle with this digest"),
  proceed: flag("Whether it could proceed"),
  finding: flag("Whether it opened a finding"),
  key: text(
    "Of other kinds: a fact (`agent/support-7`), what it came to (`activated`, `started`, `failed`), a refusal's code, what an administrator did",
    KEY_MAX,
  ),
  about: oneOf(RECORD_SUBJECTS, "About this, whatever its kind. `policy`: what became of bundles, and what administrators did with them"),
};

/** Parameters about findings. */
export const findingsFilterQuery = {
  agent: text("Of this agent", NAME_MAX),
  purpose: text("For this purpose", NAME_MAX),
  state: oneOf(FINDING_STATES, "That stands so"),
  severity: oneOf(SEVERITIES, "At least so severe"),
  code: text("With a reason of this code", NAME_MAX),
};

const filterQuery = {
  ...recordQuery,
  outcome: someOf(OUTCOME_STATES, "What became of the action; `missing`: nothing was said, and its answer is no longer valid"),
  from: time("From this time on"),
  to: time("Up to before this time"),
};

/** Returns the filter of a query. @throws Problem `parameter_invalid` for an invalid range */
export function filterOf(given: QueryOf<typeof filterQuery>): RecordFilter {
  const { from, to, kind, key, about } = given;
  if (from !== undefined && to !== undefined && to <= from)
    throw new Problem("parameter_invalid", { field: "to", expected: "a time after `from`" });
  return kind === undefined && key === undefined && about === undefined ? { ...given, kind: JUDGED } : given;
}

type RequestUrl = Pick<IncomingMessage, "url">;

/** Parameter by which a question is for the records of one node. */
export const NODE = "node";
export const nodeQuery = { [NODE]: text("In a cluster: records of this node alone. Default: those of all nodes", NAME_MAX) };

/** Returns the node whose records are asked for; null if it names none. @throws Problem of the parameter */
export function nodeOf({ url = "" }: RequestUrl): string | null {
  const at = url.indexOf("?");
  const parts = at < 0 ? [] : url.slice(at + 1).split("&");
  return readQuery({ url: `?${parts.filter((part) => part.startsWith(`${NODE}=`)).join("&")}` }, nodeQuery)[NODE] ?? null;
}

export const pagedQuery = {
  ...filterQuery,
  ...nodeQuery,
  order: oneOf(ORDERS, "default: newest first"),
  ...pageQuery,
};

/** @throws Problem of a parameter */
export function pageAsk(request: RequestUrl): RecordQuestion {
  const { order = "newest", limit = PAGE_LIMIT, cursor, ...given } = without(readQuery(request, pagedQuery), NODE);
  const after = cursor === undefined ? null : fromCursor(cursor);
  if (cursor !== undefined && after === null)
    throw new Problem("parameter_invalid", { field: "cursor", expected: "`next` of another page" });
  return { kind: "page", filter: filterOf(given), order, after, limit };
}

const BY_EXPECTED = `one to ${SUMMARY_FIELDS_MAX} of ${SUMMARY_FIELDS.join(", ")}, or new alone`;

export const summaryQuery = {
  by: required({
    ...someOf(
      [...SUMMARY_FIELDS, "new"],
      `Counts by these fields, ${SUMMARY_FIELDS_MAX} at most. \`new\` by itself: what comes up in the range for the first time; it takes \`from\`, \`to\` and \`limit\``,
    ),
    expected: BY_EXPECTED,
  }),
  ...filterQuery,
  ...nodeQuery,
  limit: pageQuery.limit,
};

/** @throws Problem of a parameter */
export function summaryAsk(request: RequestUrl): RecordQuestion {
  const { by = [], limit = PAGE_LIMIT, ...given } = without(readQuery(request, summaryQuery), NODE);
  const filter = filterOf(given);
  const fields = by.filter((field) => field !== "new");
  if (by.length > SUMMARY_FIELDS_MAX || (fields.length < by.length && by.length > 1))
    throw new Problem("parameter_invalid", { field: "by", expected: BY_EXPECTED });
  if (fields.length > 0) return { kind: "summary", filter, by: fields, limit };
  const { from = -Infinity, to = Infinity, ...others } = given;
  const [other] = Object.keys(others);
  if (other !== undefined) throw new Problem("parameter_invalid", { field: other, expected: "not with by=new" });
  return { kind: "new", from, to, limit };
}

const STEPS = Object.keys(HISTOGRAM_STEPS) as HistogramStep[];

export const histogramQuery = {
  by: someOf(HISTOGRAM_FIELDS, `Counts by these fields, ${HISTOGRAM_FIELDS_MAX} at most; default: by time alone`),
  step: oneOf(STEPS, "Length of a step, which begins at a multiple of it in UTC; default: hour"),
  ...filterQuery,
  ...nodeQuery,
};

/** @throws Problem of a parameter */
export function histogramAsk(request: RequestUrl): RecordQuestion {
  const { by = [], step = "hour", ...given } = without(readQuery(request, histogramQuery), NODE);
  if (by.length > HISTOGRAM_FIELDS_MAX)
    throw new Problem("parameter_invalid", { field: "by", expected: `at most ${HISTOGRAM_FIELDS_MAX} of ${HISTOGRAM_FIELDS.join(", ")}` });
  return { kind: "histogram", filter: filterOf(given), by, step };
}
