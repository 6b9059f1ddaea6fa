/** Actions that wait for a person, over all findings: one list, so that nobody looks through findings for them. */
import { APPROVAL_STATES, ApprovalList, type Scope } from "../../contract/index.js";
import type { HttpDeps } from "../deps.js";
import { PAGE_LIMIT, oneOf, pageQuery, readQuery, text } from "../query.js";
import { json } from "../reply.js";
import { authenticateAny, sightOf } from "../rights.js";
import type { Route } from "../route.js";

const READS: readonly Scope[] = ["remit:review", "remit:audit"];

const query = {
  agent: text("Of this agent", 128),
  purpose: text("For this purpose", 128),
  state: oneOf(APPROVAL_STATES, "What became of it"),
  limit: pageQuery.limit,
};

export function getApprovals(deps: HttpDeps): Route {
  return {
    operation: {
      id: "listApprovals",
      method: "get",
      path: "/approvals",
      summary:
        "Actions that wait for a person, the most urgent first, and those that did; a reviewer sees those of agents that it may speak for",
      scope: READS,
      query,
      answers: { 200: { description: "The latest of each finding", schema: ApprovalList } },
      problems: [],
    },
    handle: async (request) => {
      const caller = await authenticateAny(deps, request, READS);
      const { limit = PAGE_LIMIT, ...filter } = readQuery(request, query);
      const reviewer = caller.scopes.has("remit:review") ? { id: caller.id, roles: deps.identity.rolesOf(caller) } : null;
      return json(200, await deps.desk.approvals({ filter, limit, reviewer, sight: sightOf(deps, caller) }));
    },
  };
}
