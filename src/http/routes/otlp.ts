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
import { PROTOBUF_TYPE, isProtobuf, readPackedOtlpBytes } from "../body.js";
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

/** Returns the code and text of a `google.rpc.Status`, as an exporter reads it; by the code it knows whether to send again. */
export function statusOf(problem: Problem, id?: string): { code: number; message: string } {
  const { hint } = problem.toJSON() as { hint?: string };
  // What is expected stands in a problem's message already; an exporter shows nothing else.
  const message = [problem.code, problem.detail.field, problem.message, hint, id].filter((part) => part !== undefined).join(": ");
  return { code: CODES[problem.status] ?? INVALID_ARGUMENT, message };
}

export function otlpRefusal(problem: Problem, request: IncomingMessage, id?: string): Content {
  const { code, message } = statusOf(problem, id);
  if (isProtobuf(request)) return { ...problemContent(problem), type: PROTOBUF_TYPE, body: protobufStatus(code, message) };
  return { ...problemContent(problem), type: "application/json", body: JSON.stringify({ code, message }) };
}

/** Takes signals of a caller that is known only by its token, whatever brings them: traces are observed, of others nothing is kept. */
export async function takeSignals(
  deps: Pick<HttpDeps, "identity" | "metrics" | "observing" | "otlp" | "sensors">,
  signal: Signal,
  authorization: string | undefined,
  read: (bytes_max: number) => SentSignals | Promise<SentSignals>,
): Promise<Pick<TracesReport, "rejected">> {
  const caller = await deps.identity.authenticate(authorization, "remit:observe");
  const { otlp } = deps;
  if (otlp === null) throw new Problem("otlp_unmapped");
  const sent = await read(otlp.body_bytes_max);
  if (signal !== "traces") {
    await deps.observing.admit(() => otlp.reports.check(sent, signal), caller.id);
    return { rejected: [] };
  }
  const report = await deps.observing.admit(() => otlp.reports.traces(sent, caller), caller.id);
  deps.sensors.heard(caller.id);
  deps.metrics.observed(report.answer);
  deps.metrics.spans(report);
  return report;
}

/** Returns a handler that takes a signal's requests, whatever their path. */
export function takeOtlp(deps: HttpDeps, signal: Signal): (request: IncomingMessage) => Promise<Content> {
  return async (request) => {
    const { rejected } = await takeSignals(deps, signal, request.headers.authorization, async (bytes_max) => {
      const limits = { bytes_max, ms: deps.limits.body_ms, too_large: "body_too_large" } as const;
      return { body: await readPackedOtlpBytes(request, limits, deps.timers), isProtobuf: isProtobuf(request) };
    });
    return taken(request, rejected);
  };
}

export function postTraces(deps: HttpDeps): FrontRoute {
  return {
    ...routeOf(
      "exportTraces",
      "traces",
      "Report traces (OTLP/HTTP): calls of agents that they tell of are judged and recorded as observed",
    ),
    handle: takeOtlp(deps, "traces"),
  };
}

/** Returns a route for logs, which drops them, so that an application can send all its signals to one place. */
export function postLogs(deps: HttpDeps): FrontRoute {
  return { ...routeOf("exportLogs", "logs", "Takes logs (OTLP/HTTP), and keeps nothing of them"), handle: takeOtlp(deps, "logs") };
}

export function postMetrics(deps: HttpDeps): FrontRoute {
  return {
    ...routeOf("exportMetrics", "metrics", "Takes metrics (OTLP/HTTP), and keeps nothing of them"),
    handle: takeOtlp(deps, "metrics"),
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

function taken(request: IncomingMessage, rejected: TracesReport["rejected"]): Content {
  if (isProtobuf(request)) return { status: 200, type: PROTOBUF_TYPE, body: rejectionAnswer(rejected) };
  if (rejected.length === 0) return json(200, {});
  return json(200, { partialSuccess: { rejectedSpans: String(rejected.length), errorMessage: messageOf(rejected) } });
}

/** Returns an answer in Protobuf, over HTTP or gRPC. */
export function rejectionAnswer(rejected: TracesReport["rejected"]): Uint8Array {
  return protobufAnswer(rejected.length, messageOf(rejected));
}

function messageOf(rejected: TracesReport["rejected"]): string {
  const named = rejected.slice(0, NAMED_MAX).map(({ of, why }) => `${of}: ${why}`);
  const more = rejected.length > NAMED_MAX ? [`and ${rejected.length - NAMED_MAX} more`] : [];
  return [...named, ...more].join("; ").slice(0, MESSAGE_MAX);
}
