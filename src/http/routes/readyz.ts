import { Type } from "../../contract/type.js";
import type { HttpDeps } from "../deps.js";
import { json } from "../reply.js";
import type { Route } from "../route.js";

const Ready = Type.Object(
  {
    ready: Type.Boolean(),
    bundle: Type.Boolean({ description: "A verified bundle is active and has not expired" }),
    facts: Type.Boolean({ description: "The facts are within their age" }),
    log: Type.Boolean({ description: "Records reach the disk" }),
    accepting: Type.Boolean({ description: "The service is not shutting down" }),
  },
  { additionalProperties: false },
);

export function readyz({ readiness }: HttpDeps): Route {
  return {
    operation: {
      method: "get",
      path: "/readyz",
      summary: "Whether decisions can be asked for",
      scope: null,
      answers: {
        200: { description: "Ready", schema: Ready },
        503: { description: "Not ready, and why", schema: Ready },
      },
      problems: [],
    },
    handle: () => {
      const parts = readiness();
      const ready = Object.values(parts).every(Boolean);
      return json(ready ? 200 : 503, { ready, ...parts });
    },
  };
}
