/** Decisions that are asked for in others' words. */
import { NAME_PATTERN } from "../../contract/index.js";
import { Type, type Static } from "../../contract/type.js";
import { KIB, MIB, amount, checkGrpc, grpcListening, ownKey, path, section, word, type ErrorAt } from "./parts.js";

/** Place of a value for an adapter: `context.purpose`, or, for names with dots in them, a pointer (RFC 6901): `/context/a.b`. */
const Place = Type.String({
  pattern: "^(?:(?:subject|action|resource|context)(?:\\.[^./]+)+|/(?:subject|action|resource|context)(?:/[^/]+)+)$",
});
const Given = Type.Object(
  { is: Type.Union([Type.String({ maxLength: 256 }), Type.Number(), Type.Boolean()]) },
  { additionalProperties: false },
);
const source = (description: string) =>
  Type.Union([Place, Given, Type.Array(Type.Union([Place, Given]), { minItems: 1, maxItems: 8 })], { description });
const sources = (description: string) =>
  Type.Record(Type.String({ pattern: NAME_PATTERN }), source("A place in the request, `{is: value}`, or a list of these"), {
    additionalProperties: false,
    description,
  });

export const authzen = section(
  {
    identifier: Type.String({
      pattern: "^https://[a-z0-9.:\\[\\]-]{1,255}(?:/[A-Za-z0-9._~-]{1,64}){0,8}$",
      description:
        "`policy_decision_point`: the URL that enforcement points know it by, without `/` at its end. Its path, as of a tenant, comes before that of every endpoint",
    }),
    subjects: Type.Record(
      ownKey(256),
      section(
        {
          agent: Type.Optional(source("Who acts; default: `subject.id`")),
          prefix: Type.Optional(
            Type.String({
              pattern: "^[A-Za-z0-9][A-Za-z0-9._:@/-]{0,63}$",
              description: "Set before what `agent` finds, so that ids of two types are two agents",
            }),
          ),
          purpose: Type.Optional(source("In place of the `purpose` of all")),
        },
        "Subjects of one type",
      ),
      {
        additionalProperties: false,
        minProperties: 1,
        description: "By their type, subjects that are agents or act through one. Subjects of another type are nobody here",
      },
    ),
    purpose: Type.Optional(source("What it is for; default: `context.purpose`. Of several places the first that has something")),
    task: Type.Optional(source("Default: `context.task`")),
    agent_token: Type.Optional(source("Default: `context.agent_token`")),
    task_token: Type.Optional(source("Default: `context.task_token`")),
    session: Type.Optional(source("Default: `context.session`")),
    source: Type.Optional(source("Default: `context.source`")),
    actions: Type.Optional(
      Type.Record(ownKey(256), word("Its verb"), {
        additionalProperties: false,
        description:
          "Action name → verb; an action that isn't here is the verb of its name. `*`: the verb of every action whose name is neither here nor a verb; left out, such an action is unknown, and denied",
      }),
    ),
    resources: Type.Optional(
      Type.Record(
        ownKey(256),
        section(
          {
            type: Type.Optional(word("As the vocabulary has it; default: the same name")),
            attributes: Type.Optional(
              sources("Attribute → where it is; an attribute that isn't here is the resource's property of its name"),
            ),
            arguments: Type.Optional(sources("Argument → where it is; an argument that isn't here is the action's property of its name")),
            related: Type.Optional(
              Type.Record(
                Type.String({ pattern: NAME_PATTERN }),
                section({ id: source("Its id"), attributes: Type.Optional(sources("Attribute → where it is")) }, "One role"),
                {
                  additionalProperties: false,
                  description:
                    "Role → another resource that the request names. The role `subject`, where the vocabulary has it, is the request's subject",
                },
              ),
            ),
          },
          "Resources of one type",
        ),
        { additionalProperties: false, description: "By their AuthZEN type, resources that aren't as the vocabulary has them" },
      ),
    ),
    meets: Type.Optional(
      Type.Array(Type.Enum(["redact", "modify", "confirm", "notify"]), {
        maxItems: 4,
        uniqueItems: true,
        description:
          "Obligations that whoever asks in AuthZEN meets; left out: none. What is permitted under any other is denied, since `decision` is all that they need to look at",
      }),
    ),
    entities: Type.Optional(
      path(
        "YAML file of what is known: type → id → properties. They stand in for what a request leaves out, and are what a search looks through",
      ),
    ),
    entities_max: amount("members", { default: 100_000, minimum: 1, maximum: 1_000_000 }, "Entities of that file"),
    page_results_max: amount("members", { default: 100, minimum: 1, maximum: 1000 }, "Results of one page of a search"),
    page_evaluations_max: amount(
      "decisions",
      { default: 200, minimum: 1, maximum: 100_000 },
      "Candidates that one page of a search looks at; the next page goes on",
    ),
  },
  "Answers AuthZEN 1.0 requests; left out, it doesn't",
);

export const envoy = section(
  {
    mapping: path("What requests are in the words of the vocabulary; see docs/envoy.md. Read at the start"),
    grpc: Type.Optional(
      section(
        {
          ...grpcListening(9191, 1024, "proxies"),
          message_bytes_max: amount(
            "bytes",
            { default: 256 * KIB, minimum: KIB, maximum: 4 * MIB },
            "One message, headers and body of the request in it",
          ),
        },
        "Where `envoy.service.auth.v3.Authorization` is served",
      ),
    ),
    path: Type.Optional(
      Type.String({
        pattern: "^/envoy(?:/[A-Za-z0-9_-]{1,64}){0,4}$",
        description:
          "Below which requests are asked about over HTTP, such as `/envoy`, on the service's own listener; the proxy's `path_prefix`",
      }),
    ),
  },
  "Envoy, and other proxies that ask as it does (`ext_authz`): over gRPC, over HTTP, or both",
);

export const opa = section(
  { mapping: path("What inputs of other products are in the words of the vocabulary; see docs/opa.md. Read at the start") },
  "Documents that other products ask an OPA for, with inputs of their own; left out, there are none",
);

export function checkEnvoy(given: Static<typeof envoy>, errorAt: ErrorAt): void {
  const { grpc, path: below } = given;
  if (grpc === undefined && below === undefined) throw errorAt(["envoy"], "give `grpc`, `path` or both");
  if (grpc !== undefined) checkGrpc(grpc, ["envoy", "grpc"], errorAt);
}
