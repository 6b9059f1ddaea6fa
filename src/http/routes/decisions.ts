/** The records, searched: pages, one by its id, counts, and what is new. */
import type { IncomingMessage } from "node:http";
import { Histogram, Problem, RecordPage, ShownRecord, SummaryOrNovelty } from "../../contract/index.js";
import type { HttpDeps } from "../deps.js";
import type { RecordQuestion } from "../../records/ask.js";
import type { FleetRecords } from "../fleet_records.js";
import { histogramAsk, histogramQuery, nodeOf, nodeQuery, pageAsk, pagedQuery, summaryAsk, summaryQuery } from "../record_query.js";
import { readQuery } from "../query.js";
import { jsonText } from "../reply.js";
import type { Route } from "../route.js";

/** Answers from the records of this service, of one node of its cluster or of all of them. @throws Problem `cluster_none`, and those of the question */
async function answered(
  { search, fleet }: Pick<HttpDeps, "search" | "fleet">,
  request: Pick<IncomingMessage, "url">,
  ask: (request: Pick<IncomingMessage, "url">) => RecordQuestion,
  ofAll: (fleet: FleetRecords, url: string) => Promise<string | null>,
): Promise<string | null> {
  const node = nodeOf(request);
  const { url = "" } = request;
  if (fleet !== undefined) return node === null ? ofAll(fleet, url) : fleet.ofNode(node, url);
  if (node !== null) throw new Problem("cluster_none");
  return search.ask(ask(request));
}

export function getDecisions({ identity, records, ...found }: HttpDeps): Route {
  return {
    operation: {
      id: "searchRecords",
      method: "get",
      path: "/decisions",
      summary: "Records that match all that is given; a cursor stays good for ever, and what comes later moves no page",
      scope: "remit:audit",
      query: pagedQuery,
      answers: { 200: { description: "A page", schema: RecordPage } },
      problems: ["index_unavailable", "cluster_none"],
    },
    handle: async (request) => {
      const { id } = await identity.authenticate(request.headers.authorization, "remit:audit");
      const page = await answered(found, request, pageAsk, (fleet, url) => fleet.page(url));
      records.searched(id, "records", 0);
      return jsonText(page ?? "null");
    },
  };
}

export function getDecision({ identity, records, search, fleet }: HttpDeps): Route {
  return {
    operation: {
      id: "getRecord",
      method: "get",
      path: "/decisions/{id}",
      summary: "One record, by its decision's id or by its number, and what became of it",
      scope: "remit:audit",
      query: nodeQuery,
      answers: { 200: { description: "The record, as it stands in the log", schema: ShownRecord } },
      problems: ["record_not_found", "index_unavailable", "cluster_none"],
    },
    handle: async (request, { id = "" }) => {
      const caller = await identity.authenticate(request.headers.authorization, "remit:audit");
      readQuery(request, nodeQuery);
      const shown = await answered(
        { search, fleet },
        request,
        () => ({ kind: "one", id }),
        (all) => all.one(id),
      );
      records.searched(caller.id, "record", 0);
      if (shown === null) throw new Problem("record_not_found");
      return jsonText(shown);
    },
  };
}

export function getSummary({ identity, records, ...found }: HttpDeps): Route {
  return {
    operation: {
      id: "summarizeRecords",
      method: "get",
      path: "/decisions/summary",
      summary: "How many records match, by what they have in common: who touched a resource, what was denied by which rule",
      scope: "remit:audit",
      query: summaryQuery,
      answers: { 200: { description: "Groups, or what is new", schema: SummaryOrNovelty } },
      problems: ["index_unavailable", "cluster_none"],
    },
    handle: async (request) => {
      const { id } = await identity.authenticate(request.headers.authorization, "remit:audit");
      const answer = await answered(found, request, summaryAsk, (fleet, url) => fleet.summary(url));
      records.searched(id, "summary", 0);
      return jsonText(answer ?? "null");
    },
  };
}

export function getHistogram({ identity, records, ...found }: HttpDeps): Route {
  return {
    operation: {
      id: "countRecordsOverTime",
      method: "get",
      path: "/decisions/histogram",
      summary: "How many records match over time, by up to two fields",
      scope: "remit:audit",
      query: histogramQuery,
      answers: { 200: { description: "Counts of each step", schema: Histogram } },
      problems: ["index_unavailable", "cluster_none"],
    },
    handle: async (request) => {
      const { id } = await identity.authenticate(request.headers.authorization, "remit:audit");
      const answer = await answered(found, request, histogramAsk, (fleet, url) => fleet.histogram(url));
      records.searched(id, "histogram", 0);
      return jsonText(answer ?? "null");
    },
  };
}
