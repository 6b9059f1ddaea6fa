import { healthOf, healthRule } from "../../adapters/opa/health.js";
import { Type } from "../../contract/type.js";
import type { HttpDeps, Readiness } from "../deps.js";
import type { FrontRoute } from "../front.js";
import { json, type Content } from "../reply.js";
import type { Operation } from "../route.js";
import { refusal } from "./opa.js";

const Health = Type.Object(
  {
    error: Type.Optional(Type.String({ description: "What isn't healthy. Left out: all is" })),
    code: Type.Optional(Type.String({ description: "Code of the error, as OPA's clients expect it" })),
    message: Type.Optional(Type.String({ description: "The same as `error`" })),
  },
  { title: "OpaHealth", description: "OPA's answer; empty: healthy" },
);

/** Behind Express, so that nobody takes a service that has much to decide for one that is ill. */
export function opaHealth({ readiness, bundles }: HttpDeps): FrontRoute[] {
  const operation = (id: string, path: string, summary: string): Operation => ({
    id,
    method: "get",
    path,
    summary,
    scope: null,
    answers: {
      200: { description: "It is", schema: Health },
      500: { description: "It isn't, and why", schema: Health },
    },
    problems: [],
  });
  /** A store that takes nothing keeps no decision from being made. */
  const deciding = (): Omit<Readiness, "stored"> => {
    const { bundle, facts, log, accepting } = readiness();
    return { bundle, facts, log, accepting };
  };
  return [
    {
      operation: operation("opaHealth", "/health", "OPA's health API: `?bundles`, `?plugins`, `&exclude-plugin=<name>`"),
      // Its query is OPA's.
      below: true,
      refusal,
      handle: ({ url = "" }) => {
        const query = url.split(/\?(.*)/s)[1] ?? "";
        return content(healthOf(query, deciding(), bundles.status.name));
      },
    },
    {
      operation: operation("opaHealthRule", "/health/{+rule}", "OPA's health rules: `live` and `ready`"),
      below: true,
      refusal,
      handle: (_request, { rule = "" }) => content(healthRule(rule, deciding())),
    },
  ];
}

/** `error` is what OPA sends, `code` and `message` what its clients' types expect. */
function content(unhealthy: string | null): Content {
  if (unhealthy === null) return json(200, {});
  return json(500, { error: unhealthy, code: "internal_error", message: unhealthy });
}
