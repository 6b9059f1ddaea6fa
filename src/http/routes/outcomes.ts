import { OutcomeAnswer, Problem, ReportOutcome } from "../../contract/index.js";
import type { HttpDeps } from "../deps.js";
import { jsonReader } from "../json.js";
import { json } from "../reply.js";
import type { Route } from "../route.js";

const readReport = jsonReader(ReportOutcome);
const DECISION_ID = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

export function postOutcome(deps: HttpDeps): Route {
  return {
    operation: {
      id: "reportOutcome",
      method: "post",
      path: "/decisions/{id}/outcome",
      summary: "Say what became of an action that was permitted: once, by who asked for the decision",
      scope: "remit:decide",
      request: { types: ["application/json"], schema: ReportOutcome },
      answers: { 200: { description: "It is on record, now or since it was said before", schema: OutcomeAnswer } },
      problems: ["decision_not_found", "decision_not_permitted", "outcome_exists", "log_unavailable", "log_backlog", "index_unavailable"],
    },
    handle: async (request, { id = "" }) => {
      const caller = await deps.identity.authenticate(request.headers.authorization, "remit:decide");
      const asked = await readReport(request, deps);
      if (!DECISION_ID.test(id)) throw new Problem("decision_not_found");
      return json(200, await deps.outcomes.report(id, caller.id, asked));
    },
  };
}
