/** The OpenAPI document, put together from the routes and their schemas. */
import { PROBLEMS, ProblemSchema, SCOPES, type ProblemCode } from "../contract/index.js";
import { EXAMPLES, PATH_PARAMETERS, type RouteExample } from "./openapi_examples.js";
import { components, type Components, type OpenapiSchema } from "./openapi_schemas.js";
import type { Operation } from "./route.js";

const ANY_REQUEST: readonly ProblemCode[] = ["http_invalid", "host_refused", "origin_refused", "internal"];
const WITH_TOKEN: readonly ProblemCode[] = [
  "token_missing",
  "token_invalid",
  "token_expired",
  "caller_token_revoked",
  "caller_cut_off",
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
  const shared = components();
  for (const operation of operations) {
    // OpenAPI has no name for several segments.
    const path = operation.path.replace("{+", "{");
    paths[path] = { ...paths[path], [operation.method]: describe(operation, shared) };
  }
  return {
    openapi: "3.1.0",
    info: { title: "Remit", version, description: "A policy decision point for AI agents" },
    paths,
    components: {
      schemas: shared.schemas,
      securitySchemes: {
        bearer: {
          type: "http",
          scheme: "bearer",
          bearerFormat: "JWT",
          description: `A caller's signed token (RFC 7519). Its \`scope\` claim says what it may do. ${scopes()}`,
        },
      },
    },
  };
}

function scopes(): string {
  return Object.entries(SCOPES)
    .map(([scope, meaning]) => `\`${scope}\`: ${meaning}`)
    .join("; ");
}

function describe(operation: Operation, { use }: Components): object {
  const { id, path, summary, scope, query, if_match, last_event_id, request, answers, problems, refusals } = operation;
  const example: RouteExample = EXAMPLES[id] ?? {};
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
    const shown = "answer" in example && Number(status) < 300 ? { example: example.answer } : {};
    const contentOf = (media: string): object => ({ schema: schema === undefined ? bytes(media) : use(schema), ...shown });
    const content = schema === undefined && type === "application/json" ? {} : { content: byType([type].flat(), contentOf) };
    responses[status] = { description, ...content };
  }
  const statusOf = (code: ProblemCode): number => refusals?.statusOf(PROBLEMS[code]) ?? PROBLEMS[code].status;
  const refusal =
    refusals === undefined
      ? { "application/problem+json": { schema: use(ProblemSchema) } }
      : { [refusals.type]: { schema: { type: "string", description: "The code and what is wrong, in words" } } };
  for (const status of new Set(codes.map(statusOf))) {
    if (String(status) in responses) continue;
    const these = codes.filter((code) => statusOf(code) === status);
    responses[status] = { description: these.map((code) => `\`${code}\``).join(", "), content: refusal };
  }
  const parameters = [
    ...[...path.matchAll(/\{\+?(\w+)\}/g)].map(([place, name = ""]) => {
      const { example: value, ...told } = PATH_PARAMETERS[`${path.slice(0, path.indexOf(place)).split("/").at(-2) ?? ""}/${name}`] ?? {};
      return { name, in: "path", required: true, schema: { type: "string" }, ...told, example: value };
    }),
    ...Object.entries(query ?? {}).map(([name, { required, schema }]) => {
      const { description, ...form } = use(schema);
      return { name, in: "query", required, description, schema: form };
    }),
    ...Object.entries({ "If-Match": if_match, "Last-Event-ID": last_event_id }).flatMap(([name, description]) =>
      description === undefined ? [] : [{ name, in: "header", required: false, schema: { type: "string" }, description }],
    ),
  ];
  return {
    operationId: id,
    summary,
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(scope === null ? {} : { security: [scope].flat().map((one) => ({ bearer: [one] })) }),
    ...(request === undefined
      ? {}
      : {
          requestBody: {
            required: true,
            content: byType(request.types, (media) => ({
              schema: request.schema === undefined ? bytes(media) : use(request.schema),
              ...("request" in example ? { example: example.request } : {}),
            })),
          },
        }),
    responses,
  };
}

function byType(types: readonly string[], contentOf: (type: string) => object): Record<string, object> {
  return Object.fromEntries(types.map((type) => [type, contentOf(type)]));
}

/** Returns the schema of an answer without one: text, or bytes. */
function bytes(media: string): OpenapiSchema {
  return TEXTS.test(media) ? { type: "string" } : { type: "string", format: "binary" };
}

const TEXTS = /^text\/|jwt$/;
