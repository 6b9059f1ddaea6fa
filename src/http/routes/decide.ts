import { Answer, DecideRequest, type ProblemCode } from "../../contract/index.js";
import { decisionsIn } from "../admission.js";
import { readJsonBytes } from "../body.js";
import type { HttpDeps } from "../deps.js";
import { jsonText } from "../reply.js";
import type { Route } from "../route.js";
import type { AdmitRequest } from "../share.js";

/** Problems of asking for a decision, one at a time or in a batch. */
export const DECIDING_PROBLEMS: readonly ProblemCode[] = [
  "field_missing",
  "field_unknown",
  "field_type",
  "field_invalid",
  "identifier_not_canonical",
  "path_not_canonical",
  "time_invalid",
  "resource_id_required",
  "resource_id_forbidden",
  "agent_token_unsupported",
  "task_token_unsupported",
  "facts_behind",
  "grant_uncounted",
  "history_unavailable",
  "log_unavailable",
  "log_backlog",
  "overloaded",
  "bundle_missing",
  "bundle_expired",
];

export function decide({ decider, flights, metrics, limits, timers }: HttpDeps, admit: AdmitRequest): Route {
  const body = { bytes_max: limits.body_bytes_max, ms: limits.body_ms, too_large: "body_too_large" } as const;
  return {
    operation: {
      id: "decide",
      method: "post",
      path: "/decide",
      summary: "May this agent, for this purpose, do this now?",
      scope: "remit:decide",
      request: { types: ["application/json"], schema: DecideRequest },
      answers: { 200: { description: "A decision, whatever it is", schema: Answer } },
      problems: DECIDING_PROBLEMS,
    },
    handle: async (request, _params, response) => {
      const bytes = await readJsonBytes(request, body, timers);
      flights.begin(response);
      const { authorization } = request.headers;
      const decided = await admit(() => decider.decide(bytes, authorization), request, decisionsIn(bytes));
      metrics.decided(decided);
      return jsonText(decided.text);
    },
  };
}
