/** Answers in the shape of OPA's data and batch APIs. Texts are put together, since a decision's is there already. */
import type { PolicyIdentity } from "../../contract/index.js";
import type { OpaError } from "./errors.js";
import type { Parameters } from "./target.js";

/** Result of a data request. */
export interface DataResult {
  decision_id: string;
  /** JSON; undefined: OPA's "undefined". */
  result: string | undefined;
  /** Milliseconds of the decision's stages; null if nothing was decided. */
  stages: { read: number; evaluate: number; record: number } | null;
  /** Policy that decided, or would have. */
  policy: PolicyIdentity | null;
  /** Why nothing was decided, of an input in a product's own words. */
  warning?: OpaError["body"];
}

export const INPUT_MISSING = `{"code":"api_usage_warning","message":"'input' key missing from the request"}`;

/** Members in OPA's order. @param more JSON members that come after */
export function dataText(outcome: DataResult, asked: Pick<Parameters, "metrics" | "provenance">, version: string, more = ""): string {
  const { decision_id, result } = outcome;
  let text = `{"decision_id":"${decision_id}"`;
  if (asked.metrics) text += `,"metrics":${metricsText(outcome)}`;
  if (asked.provenance) text += `,"provenance":${provenanceText(outcome, version)}`;
  if (result !== undefined) text += `,"result":${result}`;
  if (outcome.warning !== undefined) text += `,"warning":${JSON.stringify(outcome.warning)}`;
  return `${text}${more}}`;
}

/** Returns OPA's metrics, in nanoseconds. The policy is compiled ahead, so its query is always at hand; it resolves nothing outside. */
function metricsText({ stages }: DataResult): string {
  if (stages === null) return "{}";
  const ns = (ms: number): number => Math.round(ms * 1e6);
  const { read, evaluate, record } = stages;
  return JSON.stringify({
    counter_server_query_cache_hit: 1,
    timer_rego_external_resolve_ns: 0,
    timer_rego_input_parse_ns: ns(read),
    timer_rego_query_eval_ns: ns(evaluate),
    timer_server_handler_ns: ns(read + evaluate + record),
  });
}

/** Without OPA's `build_timestamp`: its own client refuses one that is empty, as in OPA where it isn't a release. */
function provenanceText({ policy }: DataResult, version: string): string {
  const bundles = policy === null ? {} : { [policy.bundle]: { revision: policy.revision } };
  return JSON.stringify({ version, build_commit: "", build_hostname: "", bundles });
}

export function prettyText(text: string): string {
  return `${JSON.stringify(JSON.parse(text), null, 2)}\n`;
}

/** An input's answer, or why it has none. */
export type BatchItem = { outcome: DataResult } | { decision_id: string; error: OpaError };

/** 200: each has an answer; 207: some have; 500: none has. A deny is an answer. */
export function batchText(
  batchId: string,
  items: readonly (readonly [key: string, item: BatchItem])[],
  asked: Pick<Parameters, "metrics" | "provenance">,
  version: string,
): { status: 200 | 207 | 500; text: string } {
  const failed = items.filter(([, item]) => "error" in item).length;
  const status = failed === 0 ? 200 : failed === items.length ? 500 : 207;
  const answered = status === 200 ? "" : `,"http_status_code":"200"`;
  const responses = items.map(([key, item]) => {
    const text =
      "error" in item
        ? JSON.stringify({ ...item.error.body, decision_id: item.decision_id, http_status_code: "500" })
        : dataText(item.outcome, asked, version, answered);
    return `${JSON.stringify(key)}:${text}`;
  });
  return { status, text: `{"batch_decision_id":"${batchId}","responses":{${responses.join(",")}}}` };
}
