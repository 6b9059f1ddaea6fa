import { StreamedRecord } from "../../contract/index.js";
import type { Caller } from "../../decision/ports.js";
import type { HttpDeps } from "../deps.js";
import { lastEventId } from "../last_event_id.js";
import { integer, readQuery } from "../query.js";
import { filterOf, recordQuery } from "../record_query.js";
import type { Route } from "../route.js";

const query = {
  ...recordQuery,
  after: integer(0, Number.MAX_SAFE_INTEGER, "Begin after this record; `Last-Event-ID` goes before. Left out: now"),
};

const TYPE = "text/event-stream";

export function getDecisionStream({ identity, recordStreams }: HttpDeps): Route {
  return {
    operation: {
      id: "followRecords",
      method: "get",
      path: "/decisions/stream",
      summary: "Follow records that match, as they come to be on disk: every one of them, each once",
      scope: "remit:audit",
      query,
      last_event_id: "The last event's id: nothing since is missed, and nothing comes twice",
      answers: { 200: { description: "Goes on until either side ends it", type: TYPE, schema: StreamedRecord } },
      problems: ["last_event_id_invalid", "subscribers_full", "shutting_down"],
    },
    handle: async (request, _params, response) => {
      const authenticate = (): Promise<Caller> => identity.authenticate(request.headers.authorization, "remit:audit");
      const caller = await authenticate();
      const { after = null, ...given } = readQuery(request, query);
      const subscription = { filter: filterOf(given), after: lastEventId(request) ?? after, caller, authenticate };
      const head = { status: 200, type: TYPE, headers: { connection: "close", "x-accel-buffering": "no" } };
      return { ...head, begin: recordStreams.open(response, subscription) };
    },
  };
}
