import type { HttpDeps } from "../deps.js";
import type { Route } from "../route.js";

export function metrics({ metrics: { registry }, identity }: HttpDeps): Route {
  return {
    operation: {
      id: "getMetrics",
      method: "get",
      path: "/metrics",
      summary: "Figures for Prometheus",
      scope: "remit:audit",
      answers: { 200: { description: "Prometheus text format", type: "text/plain" } },
      problems: [],
    },
    handle: async ({ headers }) => {
      await identity.authenticate(headers.authorization, "remit:audit");
      return { status: 200, type: registry.contentType, body: await registry.metrics() };
    },
  };
}
