/**
 * The OTLP/HTTP receiver (opentelemetry-proto, `docs/specification.md`), as Protobuf and as JSON: traces are observed, logs and metrics thrown away.
 * Each request is answered in its own form.
 */
import type { IncomingMessage } from "node:http";
import type { SentSignals, TracesReport } from "../../adapters/otlp/report.js";
import { protobufAnswer, protobufStatus } from "../../adapters/otlp/protobuf.js";
import type { Signal } from "../../adapters/otlp/read.js";
import { Problem, type ProblemCode } from "../../contract/index.js";
import { Type } from "../../contract/type.js";
import { PROTOBUF_TYPE, isProtobuf, readPackedOtlpBytes, type BodyLimits } from "../body.js";
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
  {
    additionalProperties: true,
    title: "OtlpRequest",
    description: "Export request of OTLP/HTTP in JSON, as OpenTelemetry specifies it; or the same as Protobuf",
  },
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
export function otlpRefusal(problem: Problem, request: IncomingMessage, id?: string): Content {
  const { hint } = problem.toJSON() as { hint?: string };
  // What is expected stands in a problem's message already; an exporter shows nothing else.
  const message = [problem.code, problem.detail.field, problem.message, hint, id].filter((part) => part !== undefined).join(": ");
  const code = CODES[problem.status] ?? INVALID_ARGUMENT;
  if (isProtobuf(request)) return { ...problemContent(problem), type: PROTOBUF_TYPE, body: protobufStatus(code, message) };
  return { ...problemContent(problem), type: "application/json", body: JSON.stringify({ code, message }) };
}

/** Takes the traces of a request, whatever its path. */
export function takeTraces(deps: HttpDeps): (request: IncomingMessage) => Promise<Content> {
  const { timers } = deps;
  return async (request) => {
    const caller = await deps.identity.authenticate(request.headers.authorization, "remit:observe");
    const { reports, limits } = configured(deps);
    const sent = await sentIn(request, limits, timers);
    const report = await deps.observing.admit(() => reports.traces(sent, caller), caller.id);
    deps.sensors.heard(caller.id);
    deps.metrics.observed(report.answer);
    deps.metrics.spans(report);
    return taken(request, report);
  };
}

async function sentIn(request: IncomingMessage, limits: BodyLimits, timers: HttpDeps["timers"]): Promise<SentSignals> {
  return { body: await readPackedOtlpBytes(request, limits, timers), isProtobuf: isProtobuf(request) };
}

export function postTraces(deps: HttpDeps): FrontRoute {
  return {
    ...routeOf(
      "exportTraces",
      "traces",
      "Report traces (OTLP/HTTP): calls of agents that they tell of are judged and recorded as observed",
    ),
    handle: takeTraces(deps),
  };
}

/** Returns a route for logs, which drops them, so that an application can send all its signals to one place. */
export function postLogs(deps: HttpDeps): FrontRoute {
  return { ...routeOf("exportLogs", "logs", "Takes logs (OTLP/HTTP), and keeps nothing of them"), handle: thrownAway(deps, "logs") };
}

export function postMetrics(deps: HttpDeps): FrontRoute {
  return {
    ...routeOf("exportMetrics", "metrics", "Takes metrics (OTLP/HTTP), and keeps nothing of them"),
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
      request: { types: ["application/json", PROTOBUF_TYPE], schema: Signals },
      answers: ANSWERS,
      problems: PROBLEMS,
    },
    refusal: otlpRefusal,
  };
}

function thrownAway(deps: HttpDeps, signal: "logs" | "metrics"): FrontRoute["handle"] {
  return async (request) => {
    const caller = await deps.identity.authenticate(request.headers.authorization, "remit:observe");
    const { reports, limits } = configured(deps);
    const sent = await sentIn(request, limits, deps.timers);
    await deps.observing.admit(() => reports.check(sent, signal), caller.id);
    return taken(request, { rejected: [] });
  };
}

/** @throws Problem `otlp_unmapped` */
function configured({ otlp, limits }: HttpDeps) {
  if (otlp === null) throw new Problem("otlp_unmapped");
  const body = { bytes_max: otlp.body_bytes_max, ms: limits.body_ms, too_large: "body_too_large" } as const;
  return { reports: otlp.reports, limits: body };
}

function taken(request: IncomingMessage, { rejected }: Pick<TracesReport, "rejected">): Content {
  const errorMessage = messageOf(rejected);
  if (isProtobuf(request)) return { status: 200, type: PROTOBUF_TYPE, body: protobufAnswer(rejected.length, errorMessage) };
  return json(200, rejected.length === 0 ? {} : { partialSuccess: { rejectedSpans: String(rejected.length), errorMessage } });
}

function messageOf(rejected: TracesReport["rejected"]): string {
  const named = rejected.slice(0, NAMED_MAX).map(({ of, why }) => `${of}: ${why}`);
  const more = rejected.length > NAMED_MAX ? [`and ${rejected.length - NAMED_MAX} more`] : [];
  return [...named, ...more].join("; ").slice(0, MESSAGE_MAX);
}
