/** Routes of OPA's status and decision log APIs, for other OPAs: what they permitted is observed, and their silence is missed. */
import type { IncomingMessage } from "node:http";
import { actionsIn } from "../../adapters/opa/decision_logs.js";
import { Problem } from "../../contract/index.js";
import { Type } from "../../contract/type.js";
import type { Caller } from "../../decision/ports.js";
import { scan } from "../../decision/scan.js";
import { readLooseJsonBytes, type BodyLimits } from "../body.js";
import type { HttpDeps } from "../deps.js";
import { json } from "../reply.js";
import type { Route } from "../route.js";
import { DECIDING_PROBLEMS } from "./decide.js";
import { report } from "../../system/log_events.js";

/** Most rejected events that are named in the log. */
const NAMED_MAX = 5;

const Events = Type.Array(Type.Unknown(), {
  title: "OpaDecisionLogs",
  description: "Events as OPA uploads them, perhaps packed with gzip",
});
const EventsAnswer = Type.Object(
  {
    observed: Type.Integer({ description: "Events that are on record as observed actions" }),
    passed_over: Type.Integer({ description: "Events that permitted nothing, so that nothing was done" }),
    rejected: Type.Integer({ description: "Events that make no action, or none that can be judged" }),
  },
  { title: "OpaDecisionLogsAnswer", description: "What became of the events" },
);
const Status = Type.Object(
  {},
  { additionalProperties: true, title: "OpaStatus", description: "A status as OPA sends it, of which nothing is kept" },
);
const Nothing = Type.Object({}, { title: "OpaStatusAnswer", description: "Nothing" });

const limitsOf = ({ limits }: HttpDeps): BodyLimits => ({
  bytes_max: limits.batch_bytes_max,
  ms: limits.body_ms,
  too_large: "body_too_large",
});

/** Authenticates a sensor, and reads what it sent. @throws Problem */
async function sentBy(request: IncomingMessage, deps: HttpDeps): Promise<{ caller: Caller; bytes: Buffer }> {
  const caller = await deps.identity.authenticate(request.headers.authorization, "remit:observe");
  return { caller, bytes: await readLooseJsonBytes(request, limitsOf(deps), deps.timers) };
}

/** Takes decision logs, at `/logs` or below it, as OPA's `partition_name` has it. */
const decisionLogs =
  (id: string, path: string) =>
  (deps: HttpDeps): Route => ({
    operation: {
      id,
      method: "post",
      path,
      summary: "Takes decision logs of other OPAs: what they permitted is judged and recorded as observed",
      scope: "remit:observe",
      request: { types: ["application/json"], schema: Events },
      answers: { 200: { description: "What could be made of them is on record; the rest need not be sent again", schema: EventsAnswer } },
      problems: [...DECIDING_PROBLEMS, "body_too_large"],
    },
    handle: async (request) => {
      const { caller, bytes } = await sentBy(request, deps);
      const events: unknown = JSON.parse(scan(bytes, { ...deps.limits, members_max: deps.limits.batch_bytes_max, inexact_numbers: true }));
      if (!Array.isArray(events)) throw new Problem("field_type", { field: "", expected: "a list of events" });
      const { lines, passed_over, rejected } = actionsIn(events as unknown[], deps.opa ?? new Map());
      const answer = await deps.observing.admit(async () => {
        const observation = deps.observer.begin(caller);
        await observation.take(Buffer.from(lines.map((line) => `${JSON.stringify(line)}\n`).join("")));
        return observation.end();
      }, caller.id);
      // All of it is sent again then; `request_id` links what came twice.
      if (answer.stopped !== null && new Problem(answer.stopped.code).status >= 500) throw new Problem(answer.stopped.code);
      deps.sensors.heard(caller.id);
      deps.metrics.observed(answer);
      const refused = answer.refused.map(({ line, code, field }) => ({
        decision_id: lines[line - 1]?.request_id ?? "",
        why: [code, field].filter((part) => part !== undefined).join(" "),
      }));
      const all = [...rejected, ...refused];
      if (all.length > 0)
        report(deps.logger, "decision_log_rejected", {
          caller: caller.id,
          count: all.length,
          first: all.slice(0, NAMED_MAX),
        });
      return json(200, { observed: answer.accepted, passed_over, rejected: events.length - passed_over - answer.accepted });
    },
  });

/** Takes a status, at `/status` or below it. The caller has been heard, which is all. */
const status =
  (id: string, path: string) =>
  (deps: HttpDeps): Route => ({
    operation: {
      id,
      method: "post",
      path,
      summary: "Takes the status of another OPA, which is a sensor that has been heard, and keeps nothing of it",
      scope: "remit:observe",
      request: { types: ["application/json"], schema: Status },
      answers: { 200: { description: "It was taken", schema: Nothing } },
      problems: ["body_too_large"],
    },
    handle: async (request) => {
      const { caller } = await sentBy(request, deps);
      deps.sensors.heard(caller.id);
      return json(200, {});
    },
  });

export const postOpaLogs = decisionLogs("takeDecisionLogs", "/logs");
export const postOpaLogsOf = decisionLogs("takeDecisionLogsOf", "/logs/{+partition}");
export const postOpaStatus = status("takeStatus", "/status");
export const postOpaStatusOf = status("takeStatusOf", "/status/{+partition}");
