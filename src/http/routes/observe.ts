import type { IncomingMessage, ServerResponse } from "node:http";
import { ObservedAction, ObservedAnswer, Problem } from "../../contract/index.js";
import type { Observation } from "../../decision/observe.js";
import { JSON_LINES_TYPES, checkJsonLines, isJson } from "../body.js";
import { Chunks } from "../chunks.js";
import type { HttpDeps } from "../deps.js";
import type { FrontRoute } from "../front.js";
import { json, problemContent } from "../reply.js";
import { DECIDING_PROBLEMS } from "./decide.js";
import { otlpRefusal, takeOtlp } from "./otlp.js";

/** Its streams are bounded apart from decisions, which have the first call on everything that they share. */
export function postObserve(deps: HttpDeps): FrontRoute {
  const { limits, observing } = deps;
  const traces = takeOtlp(deps, "traces");
  return {
    operation: {
      id: "observeActions",
      method: "post",
      path: "/observe",
      summary:
        "Report what agents did without having asked, an action a line: judged as a decision would be, recorded in order, and never permitted. `request_id` links what is sent again. Traces (OTLP/HTTP JSON) are taken and answered as at `/v1/traces`",
      scope: "remit:observe",
      request: { types: [...JSON_LINES_TYPES, "application/json"], schema: ObservedAction },
      answers: {
        200: {
          description: "What became of the lines, once they are on record. Without this answer, what was sent may be on record or not",
          schema: ObservedAnswer,
        },
      },
      problems: [
        ...DECIDING_PROBLEMS,
        "body_too_large",
        "line_too_long",
        "lines_too_many",
        "refused_too_many",
        "otlp_unmapped",
        "index_unavailable",
      ],
    },
    refusal: (problem, request, id) => (isJson(request) ? otlpRefusal(problem, request, id) : problemContent(problem, id)),
    handle: async (request, _params, response) => {
      if (isJson(request)) return traces(request);
      const caller = await deps.identity.authenticate(request.headers.authorization, "remit:observe");
      checkJsonLines(request, limits.observe.bytes_max);
      const answer = await observing.admit(() => observe(deps, deps.observer.begin(caller), request, response), caller.id);
      // Nothing was taken, so all of it can be sent again.
      if (answer.stopped?.line === 1) throw new Problem(answer.stopped.code);
      deps.sensors.heard(caller.id);
      deps.metrics.observed(answer);
      return json(200, answer);
    },
  };
}

async function observe(
  { limits, timers }: HttpDeps,
  observation: Observation,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<ObservedAnswer> {
  const chunks = new Chunks(request, response, timers, limits.observe.idle_ms);
  try {
    for (let chunk = await chunks.next(); chunk !== null; chunk = await chunks.next()) {
      await observation.take(chunk);
      if (observation.stopped) break;
    }
  } catch (cause) {
    if (!(cause instanceof Problem)) throw cause;
    observation.stop(cause.code);
  }
  return observation.end();
}
