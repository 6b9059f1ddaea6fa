import { Type } from "../../contract/type.js";
import type { HttpDeps } from "../deps.js";
import { json } from "../reply.js";
import type { Route } from "../route.js";

const Ready = Type.Object(
  {
    ready: Type.Boolean({
      description: "Whether decisions can be asked for: all of the others are true, or `facts` is false for the store alone",
    }),
    bundle: Type.Boolean({ description: "Whether a verified bundle is active and has not expired" }),
    facts: Type.Boolean({
      description: "Whether facts are loaded, not too old, and changes of them reach the disk; decisions go on without the last",
    }),
    log: Type.Boolean({ description: "Whether records reach the disk" }),
    accepting: Type.Boolean({ description: "Whether the service takes requests: it is not shutting down" }),
  },
  { additionalProperties: false, title: "Readiness", description: "Whether decisions can be asked for, and what stands in the way" },
);

export function readyz({ readiness }: HttpDeps): Route {
  return {
    operation: {
      id: "getReadiness",
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
      const { stored, ...needed } = readiness();
      const ready = Object.values(needed).every(Boolean);
      return json(ready ? 200 : 503, { ready, ...needed, facts: needed.facts && stored });
    },
  };
}
