import { ExplainAnswer, ExplainRequest, Problem, type ShownRecord } from "../../contract/index.js";
import type { HttpDeps } from "../deps.js";
import { jsonReader } from "../json.js";
import { json } from "../reply.js";
import type { Route } from "../route.js";

const read = jsonReader(ExplainRequest);

/** For people who may read records, since an explanation shows what a decision was made of. Agents are told a fixed sentence. */
export function postExplain(deps: HttpDeps): Route {
  const { identity, search, explain, records } = deps;
  return {
    operation: {
      id: "explainDecision",
      method: "post",
      path: "/explain",
      summary: "Why a decision on record came out so: every entry and rule that was tried, and what would have let the action pass",
      scope: "remit:audit",
      request: { types: ["application/json"], schema: ExplainRequest },
      answers: { 200: { description: "The explanation", schema: ExplainAnswer } },
      problems: ["record_not_found", "index_unavailable", "bundle_missing"],
    },
    handle: async (request) => {
      const caller = await identity.authenticate(request.headers.authorization, "remit:audit");
      const { decision_id: id } = await read(request, deps);
      const shown = await search.ask({ kind: "one", id });
      records.searched(caller.id, "explanations", 1);
      if (shown === null) throw new Problem("record_not_found");
      return json(200, await explain(JSON.parse(shown) as ShownRecord));
    },
  };
}
