import { hash } from "node:crypto";
import { BundlesAnswer, PublishAnswer } from "../../contract/index.js";
import { readBundleBytes } from "../body.js";
import type { HttpDeps } from "../deps.js";
import { json } from "../reply.js";
import type { Route } from "../route.js";

export function getBundles({ bundles, identity }: HttpDeps): Route {
  return {
    operation: {
      method: "get",
      path: "/bundles",
      summary: "Which bundle is wanted, which runs, and why they differ",
      scope: "remit:publish",
      answers: { 200: { description: "Both", schema: BundlesAnswer } },
      problems: [],
    },
    handle: async ({ headers }) => {
      await identity.authenticate(headers.authorization, "remit:publish");
      return json(200, bundles.status);
    },
  };
}

export function postBundles({ bundles, identity, records, limits, timers }: HttpDeps): Route {
  const body = { bytes_max: limits.bundle_bytes_max, ms: limits.body_ms, too_large: "bundle_too_large" } as const;
  return {
    operation: {
      method: "post",
      path: "/bundles",
      summary: "Publish a signed bundle",
      scope: "remit:publish",
      request: { types: ["application/gzip", "application/octet-stream", "application/vnd.openpolicyagent.bundles"] },
      answers: { 200: { description: "It was verified, tried, and decides now", schema: PublishAnswer } },
      problems: ["bundle_refused", "bundle_too_large", "log_unavailable", "log_backlog"],
    },
    handle: async (request) => {
      // Before the body is read: it may be large.
      const caller = await identity.authenticate(request.headers.authorization, "remit:publish");
      const bytes = await readBundleBytes(request, body, timers);
      await records.admin(caller.id, "publish", { bytes: bytes.length, sha256: hash("sha256", bytes) });
      const running = await bundles.publish(bytes);
      return json(200, { running } satisfies PublishAnswer);
    },
  };
}
