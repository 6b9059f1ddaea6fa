/** The records, searched: pages, one by its id, counts, and what is new. */
import { Histogram, Problem, RecordPage, ShownRecord, SummaryOrNovelty } from "../../contract/index.js";
import type { HttpDeps } from "../deps.js";
import { histogramAsk, histogramQuery, pageAsk, pagedQuery, summaryAsk, summaryQuery } from "../record_query.js";
import { jsonText } from "../reply.js";
import type { Route } from "../route.js";

export function getDecisions({ identity, records, search }: HttpDeps): Route {
  return {
    operation: {
      id: "searchRecords",
      method: "get",
      path: "/decisions",
      summary: "Records that match all that is given; a cursor stays good for ever, and what comes later moves no page",
      scope: "remit:audit",
      query: pagedQuery,
      answers: { 200: { description: "A page", schema: RecordPage } },
      problems: ["index_unavailable"],
    },
    handle: async (request) => {
      const { id } = await identity.authenticate(request.headers.authorization, "remit:audit");
      const page = await search.ask(pageAsk(request));
      records.searched(id, "records", 0);
      return jsonText(page ?? "null");
    },
  };
}

export function getDecision({ identity, records, search }: HttpDeps): Route {
  return {
    operation: {
      id: "getRecord",
      method: "get",
      path: "/decisions/{id}",
      summary: "One record, by its decision's id or by its number, and what became of it",
      scope: "remit:audit",
      answers: { 200: { description: "The record, as it stands in the log", schema: ShownRecord } },
      problems: ["record_not_found", "index_unavailable"],
    },
    handle: async ({ headers }, { id = "" }) => {
      const caller = await identity.authenticate(headers.authorization, "remit:audit");
      const shown = await search.ask({ kind: "one", id });
      records.searched(caller.id, "record", 0);
      if (shown === null) throw new Problem("record_not_found");
      return jsonText(shown);
    },
  };
}

export function getSummary({ identity, records, search }: HttpDeps): Route {
  return {
    operation: {
      id: "summarizeRecords",
      method: "get",
      path: "/decisions/summary",
      summary: "How many records match, by what they have in common: who touched a resource, what was denied by which rule",
      scope: "remit:audit",
      query: summaryQuery,
      answers: { 200: { description: "Groups, or what is new", schema: SummaryOrNovelty } },
      problems: ["index_unavailable"],
    },
    handle: async (request) => {
      const { id } = await identity.authenticate(request.headers.authorization, "remit:audit");
      const answer = await search.ask(summaryAsk(request));
      records.searched(id, "summary", 0);
      return jsonText(answer ?? "null");
    },
  };
}

export function getHistogram({ identity, records, search }: HttpDeps): Route {
  return {
    operation: {
      id: "countRecordsOverTime",
      method: "get",
      path: "/decisions/histogram",
      summary: "How many records match over time, by up to two fields",
      scope: "remit:audit",
      query: histogramQuery,
      answers: { 200: { description: "Counts of each step", schema: Histogram } },
      problems: ["index_unavailable"],
    },
    handle: async (request) => {
      const { id } = await identity.authenticate(request.headers.authorization, "remit:audit");
      const answer = await search.ask(histogramAsk(request));
      records.searched(id, "histogram", 0);
      return jsonText(answer ?? "null");
    },
  };
}
