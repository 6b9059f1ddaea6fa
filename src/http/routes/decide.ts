import { Answer, DecideRequest } from "../../contract/index.js";
import type { Admit } from "../admission.js";
import { readJsonBytes } from "../body.js";
import type { HttpDeps } from "../deps.js";
import { json } from "../reply.js";
import type { Route } from "../route.js";

export function decide({ decider, metrics, limits, timers }: HttpDeps, admit: Admit): Route {
  const body = { bytes_max: limits.body_bytes_max, ms: limits.body_ms, too_large: "body_too_large" } as const;
  return {
    operation: {
      method: "post",
      path: "/decide",
      summary: "May this agent, for this purpose, do this now?",
      scope: "remit:decide",
      request: { types: ["application/json"], schema: DecideRequest },
      answers: { 200: { description: "A decision, whatever it is", schema: Answer } },
      problems: [
        "field_missing",
        "field_unknown",
        "field_type",
        "field_invalid",
        "log_unavailable",
        "overloaded",
        "bundle_missing",
        "bundle_expired",
      ],
    },
    handle: async (request) => {
      const bytes = await readJsonBytes(request, body, timers);
      const decided = await admit(() => decider.decide(bytes, request.headers.authorization));
      metrics.decided(decided);
      return json(200, decided.answer);
    },
  };
}
