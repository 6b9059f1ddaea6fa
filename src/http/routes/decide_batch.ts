import { BatchAnswer, BatchRequest } from "../../contract/index.js";
import { decisionsIn } from "../admission.js";
import { readJsonBytes } from "../body.js";
import type { HttpDeps } from "../deps.js";
import { jsonText } from "../reply.js";
import type { Route } from "../route.js";
import type { AdmitRequest } from "../share.js";
import { DECIDING_PROBLEMS } from "./decide.js";

export function decideBatch({ decider, flights, metrics, limits, timers }: HttpDeps, admit: AdmitRequest): Route {
  const body = { bytes_max: limits.batch_bytes_max, ms: limits.body_ms, too_large: "body_too_large" } as const;
  return {
    operation: {
      id: "decideBatch",
      method: "post",
      path: "/decide/batch",
      summary: "Several decisions, in order, each with its own id and record",
      scope: "remit:decide",
      request: { types: ["application/json"], schema: BatchRequest },
      answers: {
        200: { description: "An answer for each action; one malformed action refuses all", schema: BatchAnswer },
      },
      problems: DECIDING_PROBLEMS,
    },
    handle: async (request, _params, response) => {
      const bytes = await readJsonBytes(request, body, timers);
      flights.begin(response);
      const { authorization } = request.headers;
      const decided = await admit(() => decider.decideBatch(bytes, authorization), request, decisionsIn(bytes));
      for (const one of decided) metrics.decided(one);
      return jsonText(`{"answers":[${decided.map(({ text }) => text).join(",")}]}`);
    },
  };
}
