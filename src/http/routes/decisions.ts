/** The records, searched: pages, one by its id, counts, and what is new. */
import { fromCursor } from "../../audit/index/cursor.js";
import {
  Novelty,
  ORDERS,
  Problem,
  RecordPage,
  SUMMARY_FIELDS,
  SUMMARY_FIELDS_MAX,
  ShownRecord,
  Summary,
} from "../../contract/index.js";
import { Type } from "../../contract/type.js";
import type { HttpDeps } from "../deps.js";
import { PAGE_LIMIT, oneOf, pageQuery, readQuery, required, someOf } from "../query.js";
import { filterOf, filterQuery } from "../record_query.js";
import { jsonText } from "../reply.js";
import type { Route } from "../route.js";

const pagedQuery = {
  ...filterQuery,
  order: oneOf(ORDERS, "newest first, if unsaid"),
  ...pageQuery,
};

export function getDecisions({ identity, search }: HttpDeps): Route {
  return {
    operation: {
      method: "get",
      path: "/decisions",
      summary: "Records that match all that is given; a cursor stays good for ever, and what comes later moves no page",
      scope: "remit:audit",
      query: pagedQuery,
      answers: { 200: { description: "A page", schema: RecordPage } },
      problems: ["index_unavailable"],
    },
    handle: async (request) => {
      await identity.authenticate(request.headers.authorization, "remit:audit");
      const { order = "newest", limit = PAGE_LIMIT, cursor, ...given } = readQuery(request, pagedQuery);
      const after = cursor === undefined ? null : fromCursor(cursor);
      if (cursor !== undefined && after === null)
        throw new Problem("parameter_invalid", { field: "cursor", expected: "`next` of another page" });
      const page = await search.ask({ kind: "page", filter: filterOf(given), order, after, limit });
      return jsonText(page ?? "null");
    },
  };
}

export function getDecision({ identity, search }: HttpDeps): Route {
  return {
    operation: {
      method: "get",
      path: "/decisions/{id}",
      summary: "One record, by its decision's id or by its number, and what became of it",
      scope: "remit:audit",
      answers: { 200: { description: "The record, as it stands in the log", schema: ShownRecord } },
      problems: ["record_not_found", "index_unavailable"],
    },
    handle: async ({ headers }, { id = "" }) => {
      await identity.authenticate(headers.authorization, "remit:audit");
      const shown = await search.ask({ kind: "one", id });
      if (shown === null) throw new Problem("record_not_found");
      return jsonText(shown);
    },
  };
}

const BY_EXPECTED = `one to ${SUMMARY_FIELDS_MAX} of ${SUMMARY_FIELDS.join(", ")}, or new alone`;

const summaryQuery = {
  by: required({ ...someOf([...SUMMARY_FIELDS, "new"], `Counts by these fields, ${SUMMARY_FIELDS_MAX} at most. \`new\` by itself: what comes up in the range for the first time; it takes \`from\`, \`to\` and \`limit\``), expected: BY_EXPECTED }),
  ...filterQuery,
  limit: pageQuery.limit,
}; // prettier-ignore

export function getSummary({ identity, search }: HttpDeps): Route {
  return {
    operation: {
      method: "get",
      path: "/decisions/summary",
      summary: "How many records match, by what they have in common: who touched a resource, what was denied by which rule",
      scope: "remit:audit",
      query: summaryQuery,
      answers: { 200: { description: "Groups, or what is new", schema: Type.Union([Summary, Novelty]) } },
      problems: ["index_unavailable"],
    },
    handle: async (request) => {
      await identity.authenticate(request.headers.authorization, "remit:audit");
      const { by = [], limit = PAGE_LIMIT, ...given } = readQuery(request, summaryQuery);
      const fields = by.filter((field) => field !== "new");
      if (fields.length < by.length) {
        const { from = -Infinity, to = Infinity, ...others } = given;
        const [other] = Object.keys(others);
        if (by.length > 1) throw new Problem("parameter_invalid", { field: "by", expected: BY_EXPECTED });
        if (other !== undefined) throw new Problem("parameter_invalid", { field: other, expected: "not with by=new" });
        return jsonText((await search.ask({ kind: "new", from, to, limit })) ?? "null");
      }
      if (fields.length > SUMMARY_FIELDS_MAX) throw new Problem("parameter_invalid", { field: "by", expected: BY_EXPECTED });
      const answer = await search.ask({ kind: "summary", filter: filterOf(given), by: fields, limit });
      return jsonText(answer ?? "null");
    },
  };
} // prettier-ignore
