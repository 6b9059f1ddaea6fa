import { hash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { BundlesAnswer, Problem, PublishAnswer, StagedBundle, type Scope } from "../../contract/index.js";
import { Type } from "../../contract/type.js";
import { readBundleBytes } from "../body.js";
import { isNoneMatch, preferredWait } from "../conditions.js";
import type { HttpDeps } from "../deps.js";
import { matching, readQuery, required, text, type Parameter } from "../query.js";
import { json, type Content } from "../reply.js";
import { authenticateAny } from "../rights.js";
import type { Route } from "../route.js";

export function getBundles({ bundles, cluster, fleetStage, identity }: HttpDeps): Route {
  return {
    operation: {
      id: "getBundles",
      method: "get",
      path: "/bundles",
      summary: "Which bundle is wanted, which runs, and why they differ",
      scope: "remit:publish",
      answers: { 200: { description: "Both", schema: BundlesAnswer } },
      problems: [],
    },
    handle: async ({ headers }) => {
      await identity.authenticate(headers.authorization, "remit:publish");
      if (cluster === undefined || fleetStage === undefined) return json(200, bundles.status);
      const staged = await fleetStage.whole();
      return json(200, { ...bundles.status, staged, fleet: cluster.bundles } satisfies BundlesAnswer);
    },
  };
}

const publication = {
  reason: text("Why it is published; on record", 500),
  stage: stageOf(
    "Stages it beside the active bundle instead: `shadow` compares only, 1 to 99 is the percentage of the agents that it decides for. `back` keeps it as the way back, which decides nothing until somebody goes back",
  ),
};
const dropping = { reason: text("Why the stage ends; on record", 500) };
const goingBack = {
  reason: text("Why the service goes back; on record", 500),
  digest: required(matching("^sha256:[0-9a-f]{64}$", "Digest of the way back that `GET /bundles` shows: another one isn't activated")),
};

/** Parameter that is read as a percentage, of which 0 is shadow, or as the way back. */
function stageOf(description: string): Parameter<number | "back"> {
  return {
    schema: Type.String({ pattern: "^(?:shadow|back|[1-9][0-9]?)$", description }),
    required: false,
    expected: "`shadow`, `back`, or a whole number from 1 to 99",
    read: (given) => {
      if (given === "back") return given;
      return given === "shadow" ? 0 : /^[1-9][0-9]?$/.test(given) ? Number(given) : undefined;
    },
  };
}

export function postBundles({ bundles, identity, records, limits, timers }: HttpDeps): Route {
  const body = { bytes_max: limits.bundle_bytes_max, ms: limits.body_ms, too_large: "bundle_too_large" } as const;
  return {
    operation: {
      id: "publishBundle",
      method: "post",
      path: "/bundles",
      summary: "Publish a signed bundle",
      scope: "remit:publish",
      query: publication,
      request: { types: ["application/gzip", "application/octet-stream", "application/vnd.openpolicyagent.bundles"] },
      answers: { 200: { description: "It was verified, tried, and decides now", schema: PublishAnswer } },
      problems: [
        "bundle_refused",
        "bundle_too_large",
        "bundle_missing",
        "store_unavailable",
        "outcome_unknown",
        "log_unavailable",
        "log_backlog",
      ],
    },
    handle: async (request) => {
      // Before the body is read: it may be large.
      const caller = await identity.authenticate(request.headers.authorization, "remit:publish");
      const { reason, stage } = readQuery(request, publication);
      const bytes = await readBundleBytes(request, body, timers);
      const detail = { bytes: bytes.length, sha256: hash("sha256", bytes), ...(reason !== undefined && { reason }) };
      if (stage === undefined) {
        await records.admin(caller.id, "publish", detail);
        return json(200, await bundles.publish(bytes, { by: caller.id, reason: reason ?? null }));
      }
      if (stage === "back") {
        await records.admin(caller.id, "keep_back", detail);
        return json(200, await bundles.keepBack(bytes));
      }
      await records.admin(caller.id, "stage", { ...detail, share: stage });
      return json(200, await bundles.stage(bytes, stage, { by: caller.id, reason: reason ?? null }));
    },
  };
}

export function postDropStaged({ bundles, fleetStage, identity, records }: HttpDeps): Route {
  return {
    operation: {
      id: "dropStagedBundle",
      method: "post",
      path: "/bundles/staged/drop",
      summary: "End the stage of a bundle: the active one decides for all",
      scope: "remit:publish",
      query: dropping,
      answers: { 200: { description: "What the stage had come to", schema: StagedBundle } },
      problems: ["not_found", "store_unavailable", "outcome_unknown", "log_unavailable", "log_backlog"],
    },
    handle: async (request) => {
      const caller = await identity.authenticate(request.headers.authorization, "remit:publish");
      const { reason } = readQuery(request, dropping);
      const staged = fleetStage === undefined ? bundles.staged : await fleetStage.whole();
      if (staged === null) throw new Problem("not_found");
      const { digest } = staged.identity;
      await records.admin(caller.id, "drop_stage", { digest, ...(reason !== undefined && { reason }) });
      await bundles.dropStaged(digest, { by: caller.id, reason: reason ?? null });
      return json(200, staged);
    },
  };
}

export function postBack({ bundles, identity, records }: HttpDeps): Route {
  return {
    operation: {
      id: "goBackToBundle",
      method: "post",
      path: "/bundles/back",
      summary: "Activate the bundle that is kept as the way back",
      scope: "remit:publish",
      query: goingBack,
      answers: { 200: { description: "It was verified once more, tried, and decides now", schema: PublishAnswer } },
      problems: ["bundle_refused", "bundle_missing", "store_unavailable", "outcome_unknown", "log_unavailable", "log_backlog"],
    },
    handle: async (request) => {
      const caller = await identity.authenticate(request.headers.authorization, "remit:publish");
      const { reason, digest = "" } = readQuery(request, goingBack);
      const { back } = bundles.status;
      const of = back !== null && back.identity.digest === digest ? back.of : null;
      await records.admin(caller.id, "roll_back", { digest, of, ...(reason !== undefined && { reason }) });
      return json(200, await bundles.goBack(digest, { by: caller.id, reason: reason ?? null }));
    },
  };
}

/** Whoever publishes may also take. */
const TAKERS: readonly Scope[] = ["remit:bundle", "remit:publish"];
const ofBundle = { digest: matching("^sha256:[0-9a-f]{64}$", "Digest of the bundle; left out: the one that runs") };
/** On a 200 it says that a client may wait for the next one, too. */
const TYPE = "application/vnd.openpolicyagent.bundles";
const SUFFIX = ".tar.gz";

/**
 * Returns the route of OPA's bundle protocol (its documentation, "Bundle Service API"), so that a stock OPA can download and verify a
 * bundle.
 */
export function getBundle(deps: HttpDeps): Route {
  const { bundles, bundleWaiters } = deps;
  return {
    operation: {
      id: "downloadBundle",
      method: "get",
      path: "/bundles/{+name}",
      summary:
        "The archive of the bundle that runs, as it was verified; `{name}.tar.gz` is the same. `If-None-Match` and `Prefer: wait=<seconds>` are read. With `digest` that of an earlier one, of which the last `bundle.kept` are kept",
      scope: TAKERS,
      query: ofBundle,
      answers: {
        200: { description: "The archive; its `ETag` is the bundle's digest", type: TYPE },
        304: { description: "There is no other than those of `If-None-Match`, and there was none while it waited" },
      },
      problems: ["not_found", "bundle_missing", "bundle_expired", "subscribers_full"],
    },
    handle: async (request, { name = "" }, response) => {
      const caller = await authenticateAny(deps, request, TAKERS);
      const ours = bundles.status.name;
      if (name !== ours && name !== ours + SUFFIX) throw new Problem("not_found");
      const { digest } = readQuery(request, ofBundle);
      if (digest !== undefined) return earlier(digest, await deps.bundles.find(digest));
      const first = answerFrom(deps, request);
      const wait_ms = preferredWait(request);
      if (first.status === 200 || wait_ms === 0) return first;
      await bundleWaiters.wait(response, wait_ms, caller.id);
      if (bundleWaiters.closed) response.setHeader("connection", "close");
      // Its token may have been revoked meanwhile.
      await authenticateAny(deps, request, TAKERS);
      return answerFrom(deps, request);
    },
  };
}

/** An archive that doesn't run any more is for looking at: nothing waits for it, and it never changes. */
function earlier(digest: string, bytes: Uint8Array | null): Content {
  if (bytes === null) throw new Problem("not_found", { expected: "the digest of the active bundle, or of one of the last `bundle.kept`" });
  return { status: 200, type: TYPE, body: bytes, headers: { etag: `"${digest}"` } };
}

function answerFrom({ bundles }: HttpDeps, request: IncomingMessage): Content {
  const { bytes, identity } = bundles.running();
  const etag = `"${identity.digest}"`;
  if (isNoneMatch(request, etag)) return { status: 304, type: TYPE, body: "", headers: { etag } };
  return { status: 200, type: TYPE, body: bytes, headers: { etag } };
}
