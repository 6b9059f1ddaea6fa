import { healthOf, healthRule } from "../../adapters/opa/health.js";
import { Type } from "../../contract/type.js";
import type { HttpDeps } from "../deps.js";
import type { FrontRoute } from "../front.js";
import { json, type Content } from "../reply.js";
import type { Operation } from "../route.js";
import { refusal } from "./opa.js";

const Health = Type.Object({
  error: Type.Optional(Type.String()),
  code: Type.Optional(Type.String()),
  message: Type.Optional(Type.String()),
});

/** Behind Express, so that nobody takes a service that has much to decide for one that is ill. */
export function opaHealth({ readiness, bundles }: HttpDeps): FrontRoute[] {
  const operation = (path: string, summary: string): Operation => ({
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
  return [
    {
      operation: operation("/health", "OPA's health API: `?bundles`, `?plugins`, `&exclude-plugin=<name>`"),
      // Its query is OPA's.
      below: true,
      refusal,
      handle: ({ url = "" }) => {
        const query = url.split(/\?(.*)/s)[1] ?? "";
        return content(healthOf(query, readiness(), bundles.status.name));
      },
    },
    {
      operation: operation("/health/{+rule}", "OPA's health rules: `live` and `ready`"),
      below: true,
      refusal,
      handle: (_request, { rule = "" }) => content(healthRule(rule, readiness())),
    },
  ];
}

/** `error` is what OPA sends, `code` and `message` what its clients' types expect. */
function content(unhealthy: string | null): Content {
  if (unhealthy === null) return json(200, {});
  return json(500, { error: unhealthy, code: "internal_error", message: unhealthy });
}
