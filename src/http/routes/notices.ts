import { NoticeAnswer, ReportNotice } from "../../contract/index.js";
import type { HttpDeps } from "../deps.js";
import { jsonReader } from "../json.js";
import { json } from "../reply.js";
import { checkMaySpeakFor } from "../rights.js";
import type { Route } from "../route.js";

const readReport = jsonReader(ReportNotice);

export function postNotice(deps: HttpDeps): Route {
  return {
    operation: {
      id: "reportNotice",
      method: "post",
      path: "/notices",
      summary: "Report that enforcement isn't as it should be: it is recorded, and a finding",
      scope: "remit:decide",
      request: { types: ["application/json"], schema: ReportNotice },
      answers: { 200: { description: "It is on record", schema: NoticeAnswer } },
      problems: ["agent_not_found", "agent_not_permitted", "log_unavailable", "log_backlog"],
    },
    handle: async (request) => {
      const caller = await deps.identity.authenticate(request.headers.authorization, "remit:decide");
      const { code, agent, purpose, ...detail } = await readReport(request, deps);
      checkMaySpeakFor(deps, caller, { agent, purposes: [purpose] });
      // Names that a caller makes up would each be a finding, and crowd out those of agents that there are.
      deps.facts.agent(agent);
      const changed = detail.changed.length === 0 ? "" : `: ${detail.changed.join(", ")}`;
      const message = `tool ${detail.tool} of ${detail.server} is not what was approved${changed}`;
      const { id, finding } = await deps.notices.note({ code, caller: caller.id, agent, purpose, message, detail });
      return json(200, { id, finding: finding ?? "" });
    },
  };
}
