import { ClusterAnswer, DismissNode, Problem, type Scope } from "../../contract/index.js";
import type { HttpDeps } from "../deps.js";
import { jsonReader } from "../json.js";
import { empty, json } from "../reply.js";
import { READERS, authenticateAny } from "../rights.js";
import type { Route } from "../route.js";

/** Scopes that read facts, and the one that publishes bundles. */
const SEE: readonly Scope[] = [...READERS, "remit:publish"];

export function getCluster(deps: HttpDeps): Route {
  return {
    operation: {
      id: "getCluster",
      method: "get",
      path: "/cluster",
      summary: "The cluster as this node sees it: its lease, the nodes that are live or silent, and the bundles that they run",
      scope: SEE,
      answers: { 200: { description: "As it is now", schema: ClusterAnswer } },
      problems: ["cluster_none"],
    },
    handle: async (request) => {
      await authenticateAny(deps, request, SEE);
      if (deps.cluster === undefined) throw new Problem("cluster_none");
      return json(200, deps.cluster.answer);
    },
  };
}

const readDismissNode = jsonReader(DismissNode);

export function dismissNode(deps: HttpDeps): Route {
  return {
    operation: {
      id: "dismissNode",
      method: "post",
      path: "/cluster/nodes/{id}/leave",
      summary: "Say that a silent node won't come back: searches no longer miss it, and should it run after all, it allows nothing",
      scope: "remit:revoke",
      request: { types: ["application/json"], schema: DismissNode },
      answers: { 204: { description: "It is on record, and on its way to the other nodes" } },
      problems: ["cluster_none", "node_not_found", "node_live", "log_unavailable", "log_backlog"],
    },
    handle: async (request, { id = "" }) => {
      const caller = await deps.identity.authenticate(request.headers.authorization, "remit:revoke");
      const { reason } = await readDismissNode(request, deps);
      const { cluster, records } = deps;
      if (cluster === undefined) throw new Problem("cluster_none");
      const { incarnation } = cluster.silentNode(id);
      await records.admin(caller.id, "node_dismissed", { node: id, incarnation, reason });
      cluster.dismiss(id);
      return empty(204);
    },
  };
}
