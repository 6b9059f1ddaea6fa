import { ClusterAnswer, Problem } from "../../contract/index.js";
import type { HttpDeps } from "../deps.js";
import { json } from "../reply.js";
import { READERS, authenticateAny } from "../rights.js";
import type { Route } from "../route.js";

export function getCluster(deps: HttpDeps): Route {
  return {
    operation: {
      id: "getCluster",
      method: "get",
      path: "/cluster",
      summary: "The cluster as this node sees it: its lease, and the nodes that are live",
      scope: READERS,
      answers: { 200: { description: "As it is now", schema: ClusterAnswer } },
      problems: ["cluster_none"],
    },
    handle: async (request) => {
      await authenticateAny(deps, request, READERS);
      if (deps.cluster === undefined) throw new Problem("cluster_none");
      return json(200, deps.cluster.answer);
    },
  };
}
