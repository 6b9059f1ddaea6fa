import { Problem, StreamedRecord } from "../../contract/index.js";
import type { Caller } from "../../decision/ports.js";
import type { HttpDeps } from "../deps.js";
import { readNodePlaces } from "../fleet_stream.js";
import { EVERYTHING_IN_SIGHT } from "../../facts/reach.js";
import { lastEventId, lastPlace } from "../last_event_id.js";
import { integer, readQuery } from "../query.js";
import { filterOf, recordQuery } from "../record_query.js";
import type { Route } from "../route.js";

const query = {
  ...recordQuery,
  after: integer(0, Number.MAX_SAFE_INTEGER, "Begin after this record; `Last-Event-ID` goes before, and alone in a cluster. Left out: now"),
};

const TYPE = "text/event-stream";

export function getDecisionStream({ identity, recordStreams, following }: HttpDeps): Route {
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
      const filter = filterOf(given);
      const head = { status: 200, type: TYPE, headers: { connection: "close", "x-accel-buffering": "no" } };
      if (following === undefined) {
        const subscription = { filter, after: lastEventId(request) ?? after, caller, authenticate };
        return { ...head, begin: recordStreams.open(response, subscription) };
      }
      // A record's number is of one node.
      if (after !== null) throw new Problem("parameter_invalid", { field: "after", expected: "`Last-Event-ID`, in a cluster" });
      const place = { after: lastPlace(request, readNodePlaces), sight: EVERYTHING_IN_SIGHT };
      const subscription = { fleet: following, findings: null, url: request.url ?? "", ...place, caller, authenticate };
      return { ...head, begin: recordStreams.openFleet(response, subscription) };
    },
  };
}
