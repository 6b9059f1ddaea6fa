/** The OpenAPI document, put together from the routes and their schemas. */
import { PROBLEMS, SCOPES, type ProblemCode } from "../contract/index.js";
import type { Operation } from "./route.js";

const ANY_REQUEST: readonly ProblemCode[] = ["http_invalid", "host_refused", "origin_refused", "internal"];
const WITH_TOKEN: readonly ProblemCode[] = [
  "token_missing",
  "token_invalid",
  "token_expired",
  "caller_token_revoked",
  "scope_missing",
  "keys_unavailable",
];
const WITH_QUERY: readonly ProblemCode[] = ["parameter_unknown", "parameter_missing", "parameter_invalid"];
const WITH_BODY: readonly ProblemCode[] = ["body_timeout", "content_type_unsupported", "content_encoding_unsupported"];
const WITH_JSON: readonly ProblemCode[] = [
  "body_empty",
  "body_too_large",
  "utf8_invalid",
  "json_invalid",
  "json_duplicate_key",
  "json_too_deep",
  "json_too_wide",
  "number_not_exact",
  "surrogate_lone",
];

export function openApi(operations: readonly Operation[], version: string): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const operation of operations) {
    // OpenAPI has no name for several segments.
    const path = operation.path.replace("{+", "{");
    paths[path] = { ...paths[path], [operation.method]: describe(operation) };
  }
  return {
    openapi: "3.1.0",
    info: { title: "Remit", version, description: "A policy decision point for AI agents" },
    paths,
    components: {
      schemas: { Problem: problemSchema() },
      securitySchemes: {
        bearer: {
          type: "http",
          scheme: "bearer",
          bearerFormat: "JWT",
          description: Object.entries(SCOPES)
            .map(([scope, meaning]) => `\`${scope}\`: ${meaning}`)
            .join("; "),
        },
      },
    },
  };
}

function describe({ path, summary, scope, query, if_match, last_event_id, request, answers, problems, refusals }: Operation): object {
  const codes = [
    ...ANY_REQUEST,
    ...(scope === null ? [] : WITH_TOKEN),
    ...(query === undefined ? (["parameter_unknown"] as const) : WITH_QUERY),
    ...(if_match === undefined ? [] : (["if_match_invalid"] as const)),
    ...(request === undefined ? [] : WITH_BODY),
    ...(request?.types.includes("application/json") === true ? WITH_JSON : []),
    ...problems,
  ];
  const responses: Record<string, object> = {};
  for (const [status, { description, type = "application/json", schema }] of Object.entries(answers)) {
    const content = Object.fromEntries([type].flat().map((one) => [one, { schema: schema ?? { type: "string" } }]));
    responses[status] = { description, content };
  }
  const statusOf = (code: ProblemCode): number => refusals?.statusOf(PROBLEMS[code]) ?? PROBLEMS[code].status;
  const refusal =
    refusals === undefined
      ? { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } }
      : { [refusals.type]: { schema: { type: "string" } } };
  for (const status of new Set(codes.map(statusOf))) {
    if (String(status) in responses) continue;
    const these = codes.filter((code) => statusOf(code) === status);
    responses[status] = { description: these.map((code) => `\`${code}\``).join(", "), content: refusal };
  }
  const parameters = [
    ...[...path.matchAll(/\{\+?(\w+)\}/g)].map(([, name]) => ({ name, in: "path", required: true, schema: { type: "string" } })),
    ...Object.entries(query ?? {}).map(([name, { required, schema }]) => ({ name, in: "query", required, schema })),
    ...Object.entries({ "If-Match": if_match, "Last-Event-ID": last_event_id }).flatMap(([name, description]) =>
      description === undefined ? [] : [{ name, in: "header", required: false, schema: { type: "string" }, description }],
    ),
  ];
  return {
    summary,
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(scope === null ? {} : { security: [scope].flat().map((one) => ({ bearer: [one] })) }),
    ...(request === undefined
      ? {}
      : {
          requestBody: {
            required: true,
            content: Object.fromEntries(
              request.types.map((type) => [type, request.schema === undefined ? {} : { schema: request.schema }]),
            ),
          },
        }),
    responses,
  };
}

function problemSchema(): object {
  return {
    type: "object",
    description: "RFC 9457; an enforcement point takes any of these as a deny",
    required: ["type", "title", "status", "code"],
    properties: {
      type: { type: "string" },
      title: { type: "string" },
      status: { type: "integer" },
      code: { type: "string", enum: Object.keys(PROBLEMS) },
      field: { type: "string", description: "JSON pointer, or a header's name" },
      expected: { type: "string" },
      hint: { type: "string" },
      item: { type: "integer", description: "Index of the malformed action of a batch" },
      reason: { type: "string", description: "Why a bundle was refused" },
      id: { type: "string", description: "Of an unexpected failure, in the operational log" },
    },
  };
}
