/** Settings of the service's own traces, metrics and logs, sent by OTLP. */
import { Type, type Static } from "../../contract/type.js";
import { DAY_MS, amount, ownKey, path, section, type ErrorAt } from "./parts.js";
import { OUTGOING, isOutgoingUrl } from "./urls.js";

const TELEMETRY_SIGNALS = ["traces", "metrics", "logs"] as const;

export const telemetry = section(
  {
    url: Type.String({
      minLength: 1,
      maxLength: 2048,
      description:
        "Receiver of OTLP/HTTP (Protobuf), such as `http://127.0.0.1:4318`: an `https` URL, or an `http` one of a loopback address. `/v1/traces` and so on are added to it",
    }),
    headers_file: Type.Optional(path("File of headers for each request, one a line: `name: value`; read before each request")),
    signals: Type.Array(Type.Enum([...TELEMETRY_SIGNALS]), {
      default: [...TELEMETRY_SIGNALS],
      minItems: 1,
      uniqueItems: true,
      description: "What is sent: spans of decisions, the metrics of `/metrics`, the operational log",
    }),
    resource: Type.Optional(
      Type.Record(ownKey(128), Type.String({ maxLength: 256, description: "Its value" }), {
        additionalProperties: false,
        maxProperties: 32,
        description: "Attributes of the resource, such as `deployment.environment.name`, beside `service.name: remit` and its version",
      }),
    ),
    new_traces_percent: amount(
      "percent",
      { default: 10, minimum: 0, maximum: 100 },
      "Decisions that begin a trace, of those that are asked for outside of one. Within a caller's trace its sampling holds",
    ),
    metrics_interval_ms: amount("ms", { default: 60_000, minimum: 1000, maximum: DAY_MS }, "How often metrics are sent"),
    delay_ms: amount("ms", { default: 5000, minimum: 10, maximum: 600_000 }, "How long spans and log lines wait for others"),
    queue_max: amount(
      "members",
      { default: 2048, minimum: 16, maximum: 65_536 },
      "Spans, and log lines, that wait at once; more are dropped",
    ),
    timeout_ms: amount("ms", { default: 10_000, minimum: 100, maximum: 600_000 }, "Time for one request, with its repetitions"),
  },
  "Sends the service's own traces, metrics and logs by OTLP, beside Prometheus and standard error; left out, it doesn't",
);

export function checkTelemetry({ url }: Static<typeof telemetry>, errorAt: ErrorAt): void {
  if (!isOutgoingUrl(url) || new URL(url).search !== "") throw errorAt(["telemetry", "url"], `${OUTGOING}, without a query`);
}
