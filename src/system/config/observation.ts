/** Settings of what agents do without having asked, and what people have to look into. */
import { WEBHOOK_FORMATS, WITH_SECRET } from "../../contract/index.js";
import { Type, type Static } from "../../contract/type.js";
import { DAY_MS, HOUR_MS, KIB, MIB, amount, checkGrpc, defaulted, grpcListening, ownKey, path, section, type ErrorAt } from "./parts.js";
import { OUTGOING, isOutgoingUrl } from "./urls.js";

export const observe = defaulted(
  {
    streams_max: amount(
      "requests",
      { default: 16, minimum: 1, maximum: 1024 },
      "Requests to `POST /observe` under way at once; more are answered with 503 `overloaded`",
    ),
    lines_max: amount(
      "lines",
      { default: 1_000_000, minimum: 1, maximum: 1_000_000_000 },
      "Lines of one request; a line may be as long as `limits.body_bytes_max`",
    ),
    bytes_max: amount("bytes", { default: 1024 * MIB, minimum: KIB, maximum: 1024 * 1024 * MIB }, "Body of one request"),
    refused_max: amount(
      "lines",
      { default: 1000, minimum: 1, maximum: 100_000 },
      "Lines of one request that may be refused before no more of it is read",
    ),
    age_max_ms: amount("ms", { default: DAY_MS, minimum: 1000, maximum: 366 * DAY_MS }, "How long ago what is reported may have happened"),
    idle_ms: amount(
      "ms",
      { default: 10_000, minimum: 100, maximum: 600_000 },
      "Time that a body may bring nothing; the whole may take as long as it goes on",
    ),
    sensors: Type.Optional(
      Type.Record(
        ownKey(256),
        section(
          {
            silent_after_ms: amount(
              "ms",
              { default: 300_000, minimum: 1000, maximum: 30 * DAY_MS },
              "How long it may report nothing, by the monotonic clock; then that is a finding. An empty report counts",
            ),
          },
          "One sensor",
        ),
        {
          additionalProperties: false,
          maxProperties: 1000,
          description:
            "By a token's subject (and its issuer's `name`, where it has one): callers that report regularly, and are missed when they don't",
        },
      ),
    ),
    otlp: Type.Optional(
      section(
        {
          mapping: path("YAML file of what spans mean"),
          body_bytes_max: amount(
            "bytes",
            { default: MIB, minimum: KIB, maximum: 16 * MIB },
            "Body of one request, packed and unpacked. It is read in one turn, and decisions wait for that",
          ),
          spans_max: amount("members", { default: 5000, minimum: 1, maximum: 100_000 }, "Spans of one request"),
          asked_within_ms: amount(
            "ms",
            { default: 60_000, minimum: 100, maximum: DAY_MS },
            "How long before a call its decision may have been; later than that, the call counts as one that nobody asked for",
          ),
          skew_ms: amount(
            "ms",
            { default: 1000, minimum: 0, maximum: 60_000 },
            "How far the clocks of who reports may be ahead or behind: so long after a call its decision may seem to be",
          ),
          grpc: Type.Optional(section(grpcListening(4317, 16, "senders"), "Takes them over gRPC, too; left out, it doesn't")),
        },
        "Takes traces (OTLP/HTTP) at `POST /observe` and `POST /v1/traces`; left out, it doesn't",
      ),
    ),
  },
  "What agents did without having asked",
);

export const findings = defaulted(
  {
    kept_max: amount(
      "findings",
      { default: 10_000, minimum: 100, maximum: 1_000_000 },
      "Findings kept at hand; those closed longest ago go first, and stay in the records",
    ),
    kept_days: amount("days", { default: 90, minimum: 1, maximum: 3650 }, "How far back a start looks for them"),
    approval_lasts_ms: amount(
      "ms",
      { default: 900_000, minimum: 1000, maximum: 7 * DAY_MS },
      "How long an action that was approved may be asked for again, and proceed once",
    ),
    followers_max: amount(
      "subscribers",
      { default: 64, minimum: 0, maximum: 65_535 },
      "Who may follow `GET /findings/stream` at once, each on a connection of `limits.connections_max`; more are answered with 503 `subscribers_full`",
    ),
    webhook: Type.Optional(
      section(
        {
          url: Type.String({
            minLength: 1,
            maxLength: 2048,
            description:
              "Where findings are posted to as they are opened and change: an `https` URL, or an `http` one of a loopback address. Redirects are not followed",
          }),
          format: Type.Enum([...WEBHOOK_FORMATS], {
            default: "standard",
            description:
              "Form of messages: Standard Webhooks, or what Slack, Teams (a workflow) or PagerDuty (Events API v2) takes at such an address",
          }),
          secret_file: Type.Optional(
            path(
              "File of the secrets that sign each message (Standard Webhooks), `whsec_` and Base64, one a line, or of PagerDuty's integration key; read before each message. Slack and Teams have none: their address is the secret",
            ),
          ),
          console_url: Type.Optional(
            Type.String({
              minLength: 1,
              maxLength: 1024,
              description: "Address of the console, for a link to the finding in what people read",
            }),
          ),
          buttons: Type.Boolean({
            default: false,
            description:
              "For Slack: an action that waits, and is shown whole, has a button that approves it. A console takes the press, by `slack` of its configuration",
          }),
          waiting_only: Type.Boolean({ default: false, description: "Tells only of findings with actions that wait, or did" }),
          timeout_ms: amount("ms", { default: 15_000, minimum: 100, maximum: 600_000 }, "Time for one message and its whole answer"),
          retry_ms: amount("ms", { default: 1000, minimum: 10, maximum: HOUR_MS }, "Wait after the first failure; it doubles with each"),
          retry_max_ms: amount(
            "ms",
            { default: 300_000, minimum: 10, maximum: DAY_MS },
            "Longest wait, unless the receiver asks for a longer one, of an hour at most",
          ),
        },
        "Who is told of findings, at least once each, in order. It has no influence on decisions",
      ),
    ),
  },
  "What people have to look into",
);

export function checkFindings({ webhook }: Static<typeof findings>, errorAt: ErrorAt): void {
  if (webhook === undefined) return;
  const at = ["findings", "webhook"];
  const { format, secret_file, console_url, buttons } = webhook;
  if (buttons && format !== "slack") throw errorAt([...at, "buttons"], "is for `format: slack`: no press of another could be verified");
  if (WITH_SECRET.has(format) !== (secret_file !== undefined))
    throw errorAt(
      [...at, "secret_file"],
      WITH_SECRET.has(format) ? `is required for \`format: ${format}\`` : `is not for \`format: ${format}\`: its address is the secret`,
    );
  if (console_url !== undefined && !isOutgoingUrl(console_url)) throw errorAt([...at, "console_url"], OUTGOING);
  if (!isOutgoingUrl(webhook.url)) throw errorAt([...at, "url"], OUTGOING);
  if (webhook.retry_ms > webhook.retry_max_ms) throw errorAt([...at, "retry_ms"], "must be at most `retry_max_ms`");
}

export function checkObserve({ otlp }: Static<typeof observe>, errorAt: ErrorAt): void {
  if (otlp?.grpc !== undefined) checkGrpc(otlp.grpc, ["observe", "otlp", "grpc"], errorAt);
}
