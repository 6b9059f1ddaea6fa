import { HandIn, HandedIn } from "../../contract/index.js";
import { checkEnvelope } from "../../decision/read.js";
import { scan } from "../../decision/scan.js";
import { readJsonBytes } from "../body.js";
import type { HttpDeps } from "../deps.js";
import { json } from "../reply.js";
import type { Route } from "../route.js";
import { schemas } from "../../system/schemas.js";

const valid = schemas().compile<HandIn>(HandIn);
/** A record is an action with what was decided on, and stands some levels down. */
const DEPTH_MORE = 16;
const MEMBERS_MAX = 10_000;

export function postRecords(deps: HttpDeps): Route {
  const { handingIn, limits, timers } = deps;
  const body = { bytes_max: limits.batch_bytes_max, ms: limits.body_ms, too_large: "body_too_large" } as const;
  const within = { depth_max: limits.depth_max + DEPTH_MORE, members_max: MEMBERS_MAX };
  return {
    operation: {
      id: "submitRecords",
      method: "post",
      path: "/records",
      summary:
        "Hand in what an engine in an application has decided, and what became of it: recorded here too, marked as that engine's. What was handed in before is known again",
      scope: "remit:embed",
      request: { types: ["application/json"], schema: HandIn },
      answers: { 200: { description: "What became of each, once it is on record", schema: HandedIn } },
      problems: ["body_too_large", "log_unavailable", "log_backlog", "index_unavailable", "overloaded"],
    },
    handle: async (request) => {
      const caller = await deps.identity.authenticate(request.headers.authorization, "remit:embed");
      const asked: unknown = JSON.parse(scan(await readJsonBytes(request, body, timers), within));
      checkEnvelope(valid, asked);
      return json(200, await handingIn.admit(() => deps.handedIn.take(caller, asked), caller.id));
    },
  };
}
