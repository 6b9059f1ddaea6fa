/** The OTLP/HTTP receiver (opentelemetry-proto, `docs/specification.md`): traces are observed, logs and metrics thrown away. */
import type { IncomingMessage } from "node:http";
import type { TracesReport } from "../../adapters/otlp/report.js";
import type { Signal } from "../../adapters/otlp/read.js";
import { Problem, type ProblemCode } from "../../contract/index.js";
import { Type } from "../../contract/type.js";
import { readPackedJsonBytes } from "../body.js";
import type { HttpDeps } from "../deps.js";
import type { FrontRoute } from "../front.js";
import { json, problemContent, type Content } from "../reply.js";
import { DECIDING_PROBLEMS } from "./decide.js";

/** Codes of `google.rpc.Code`, by a problem's status. */
const CODES: Readonly<Record<number, number>> = { 401: 16, 403: 7, 404: 5, 405: 12, 408: 4, 500: 13, 503: 14 };
const INVALID_ARGUMENT = 3;
/** Most rejected spans that are named. */
const NAMED_MAX = 5;
const MESSAGE_MAX = 1024;

const Signals = Type.Object(
  {},
  { additionalProperties: true, title: "OtlpRequest", description: "Export request of OTLP/HTTP in JSON, as OpenTelemetry specifies it" },
);
const Taken = Type.Object(
  {
    partialSuccess: Type.Optional(
      Type.Record(Type.String(), Type.Unknown(), {
        description: "Number of rejected items and `errorMessage`, by OTLP's names. Left out: all is taken",
      }),
    ),
  },
  { title: "OtlpAnswer", description: "What became of the signals" },
);
const ANSWERS = {
  200: { description: "All is taken, but for what `partialSuccess` counts, which need not be sent again", schema: Taken },
};
const PROBLEMS: readonly ProblemCode[] = [...DECIDING_PROBLEMS, "body_too_large", "lines_too_many", "otlp_unmapped", "index_unavailable"];

/** Returns a refusal as an exporter reads it (`google.rpc.Status`); by the status it knows whether to send again. */
export function otlpRefusal(problem: Problem, _request: IncomingMessage, id?: string): Content {
  const { hint } = problem.toJSON() as { hint?: string };
  // What is expected stands in a problem's message already; an exporter shows nothing else.
  const message = [problem.code, problem.detail.field, problem.message, hint, id].filter((part) => part !== undefined).join(": ");
  const body = JSON.stringify({ code: CODES[problem.status] ?? INVALID_ARGUMENT, message });
  return { ...problemContent(problem), type: "application/json", body };
}

/** Takes the traces of a request, whatever its path. */
export function takeTraces(deps: HttpDeps): (request: IncomingMessage) => Promise<Content> {
  const { timers } = deps;
  return async (request) => {
    const caller = await deps.identity.authenticate(request.headers.authorization, "remit:observe");
    const { reports, limits } = configured(deps);
    const body = await readPackedJsonBytes(request, limits, timers);
    const report = await deps.observing.admit(() => reports.traces(body, caller), caller.id);
    deps.sensors.heard(caller.id);
    deps.metrics.observed(report.answer);
    deps.metrics.spans(report);
    return json(200, said(report));
  };
}

export function postTraces(deps: HttpDeps): FrontRoute {
  return {
    ...routeOf(
      "exportTraces",
      "traces",
      "Report traces (OTLP/HTTP JSON): calls of agents that they tell of are judged and recorded as observed",
    ),
    handle: takeTraces(deps),
  };
}

/** Returns a route for logs, which drops them, so that an application can send all its signals to one place. */
export function postLogs(deps: HttpDeps): FrontRoute {
  return { ...routeOf("exportLogs", "logs", "Takes logs (OTLP/HTTP JSON), and keeps nothing of them"), handle: thrownAway(deps, "logs") };
}

export function postMetrics(deps: HttpDeps): FrontRoute {
  return {
    ...routeOf("exportMetrics", "metrics", "Takes metrics (OTLP/HTTP JSON), and keeps nothing of them"),
    handle: thrownAway(deps, "metrics"),
  };
}

function routeOf(id: string, signal: Signal, summary: string): Omit<FrontRoute, "handle"> {
  return {
    operation: {
      id,
      method: "post",
      path: `/v1/${signal}`,
      summary,
      scope: "remit:observe",
      request: { types: ["application/json"], schema: Signals },
      answers: ANSWERS,
      problems: PROBLEMS,
    },
    refusal: otlpRefusal,
  };
}

function thrownAway(deps: HttpDeps, signal: "logs" | "metrics"): FrontRoute["handle"] {
  return async (request) => {
    await deps.identity.authenticate(request.headers.authorization, "remit:observe");
    const { reports, limits } = configured(deps);
    reports.check(await readPackedJsonBytes(request, limits, deps.timers), signal);
    return json(200, {});
  };
}

/** @throws Problem `otlp_unmapped` */
function configured({ otlp, limits }: HttpDeps) {
  if (otlp === null) throw new Problem("otlp_unmapped");
  const body = { bytes_max: otlp.body_bytes_max, ms: limits.body_ms, too_large: "body_too_large" } as const;
  return { reports: otlp.reports, limits: body };
}

function said({ rejected }: TracesReport): object {
  if (rejected.length === 0) return {};
  const named = rejected.slice(0, NAMED_MAX).map(({ of, why }) => `${of}: ${why}`);
  const more = rejected.length > NAMED_MAX ? [`and ${rejected.length - NAMED_MAX} more`] : [];
  const errorMessage = [...named, ...more].join("; ").slice(0, MESSAGE_MAX);
  return { partialSuccess: { rejectedSpans: String(rejected.length), errorMessage } };
}
