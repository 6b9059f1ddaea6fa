/** Findings: what people have to look into, and what they say of it. Reading and judging are different rights. */
import {
  ApproveFinding,
  FINDING_PATTERN,
  FindingPage,
  GrantAnswer,
  JudgeFinding,
  JudgedFinding,
  Problem,
  ShownFinding,
  StreamedFinding,
  type Finding,
  type ProblemCode,
  type Scope,
} from "../../contract/index.js";
import type { Caller } from "../../decision/ports.js";
import type { Reviewer } from "../../findings/verdicts.js";
import type { HttpDeps } from "../deps.js";
import { isInSight, readPlace } from "../finding_places.js";
import type { FindingOnDesk } from "../findings_desk.js";
import { NODE_PLACES, readNodePlaces } from "../fleet_stream.js";
import { jsonReader } from "../json.js";
import { lastPlace } from "../last_event_id.js";
import { PAGE_LIMIT, matching, pageQuery, readQuery, takenFrom, time } from "../query.js";
import { findingsFilterQuery } from "../record_query.js";
import { json } from "../reply.js";
import { factAnswer, ifMatch } from "../revisions.js";
import { authenticateAny, checkScope, checkMaySpeakFor, sightOf, type Concerned } from "../rights.js";
import type { Route } from "../route.js";
import { CHANGE_PROBLEMS } from "./agents.js";

const READS: readonly Scope[] = ["remit:audit", "remit:review"];
const JUDGES = "remit:review" satisfies Scope;
const FINDING_ID = new RegExp(FINDING_PATTERN);

const listQuery = { ...findingsFilterQuery, since: time("Seen at this time or later"), ...pageQuery };

export function getFindings(deps: HttpDeps): Route {
  return {
    operation: {
      id: "listFindings",
      method: "get",
      path: "/findings",
      summary:
        "Findings, the newest first; what comes later moves no page. A reviewer sees those of agents that it may speak for, who audits all",
      scope: READS,
      query: listQuery,
      answers: { 200: { description: "A page", schema: FindingPage } },
      problems: [],
    },
    handle: async (request) => {
      const caller = await authenticateAny(deps, request, READS);
      const { limit = PAGE_LIMIT, cursor, ...filter } = readQuery(request, listQuery);
      return json(200, await deps.desk.page({ filter, limit, sight: sightOf(deps, caller) }, cursor));
    },
  };
}

export function getFinding(deps: HttpDeps): Route {
  return {
    operation: {
      id: "getFinding",
      method: "get",
      path: "/findings/{id}",
      summary: "One finding, with the actions that led to it and what became of the agent meanwhile",
      scope: READS,
      answers: { 200: { description: "As it is now; `ETag` is its state's revision", schema: ShownFinding } },
      problems: ["finding_not_found", "agent_not_permitted", "index_unavailable"],
    },
    handle: async (request, { id = "" }) => {
      const caller = await authenticateAny(deps, request, READS);
      const found = await known(deps, caller, id);
      return factAnswer(200, await found.shown());
    },
  };
}

const JUDGING_PROBLEMS: readonly ProblemCode[] = [...CHANGE_PROBLEMS, "finding_not_found", "agent_not_permitted", "index_unavailable"];

const readJudge = jsonReader(JudgeFinding);

export function postFinding(deps: HttpDeps): Route {
  return {
    operation: {
      id: "judgeFinding",
      method: "post",
      path: "/findings/{id}",
      summary:
        "Say how a finding stands. `expected` teaches the profile and lets what waits proceed once, `misuse` keeps the agent out, `policy_gap` proposes entries",
      scope: JUDGES,
      if_match: "Needed: the revision that this is said of",
      request: { types: ["application/json"], schema: JudgeFinding },
      answers: {
        200: { description: "As it is now; what narrowed holds at once, durable or not", schema: JudgedFinding },
      },
      problems: [...JUDGING_PROBLEMS, "finding_state", "revision_required", "revision_stale", "facts_full"],
    },
    handle: async (request, { id = "" }) => {
      const caller = await deps.identity.authenticate(request.headers.authorization, JUDGES);
      const expected = ifMatch(request);
      const asked = await readJudge(request, deps);
      if (asked.keep_out === "revoke") checkScope(caller, "remit:revoke");
      const found = await known(deps, caller, id);
      // Whoever may not ask for an agent may not say what is usual for it, nor keep it out.
      checkMaySpeakFor(deps, caller, concerned(found.finding));
      return factAnswer(200, await found.judge(asked, expected, reviewerOf(deps, caller)));
    },
  };
}

const readApprove = jsonReader(ApproveFinding);

export function postApproval(deps: HttpDeps): Route {
  return {
    operation: {
      id: "approveWaitingAction",
      method: "post",
      path: "/findings/{id}/approvals",
      summary: "Let one action that waits proceed once: it is permitted when it is asked for again",
      scope: JUDGES,
      request: { types: ["application/json"], schema: ApproveFinding },
      answers: {
        201: { description: "Approved; `state` is `live` once enough callers have", schema: GrantAnswer },
        200: { description: "The caller had approved it already", schema: GrantAnswer },
      },
      problems: [...JUDGING_PROBLEMS, "approval_none", "approver_not_permitted", "facts_full"],
    },
    handle: async (request, { id = "" }) => {
      const caller = await deps.identity.authenticate(request.headers.authorization, JUDGES);
      const asked = await readApprove(request, deps);
      const found = await known(deps, caller, id);
      checkMaySpeakFor(deps, caller, concerned(found.finding));
      const { created, fact } = await found.approve(asked, reviewerOf(deps, caller));
      return factAnswer(created ? 201 : 200, fact);
    },
  };
}

const PLACE = "^(?:0|[1-9]\\d{0,14})-(?:0|[1-9]\\d{0,14})$";
const streamQuery = {
  ...findingsFilterQuery,
  after: matching(`${PLACE}|${NODE_PLACES}`, "Begin after this: an event's id; `Last-Event-ID` goes before. Left out: now"),
};
const TYPE = "text/event-stream";

export function getFindingStream(deps: HttpDeps): Route {
  return {
    operation: {
      id: "followFindings",
      method: "get",
      path: "/findings/stream",
      summary: "Follow findings as they are opened and change, each as it then is; whoever was away hears of each once",
      scope: READS,
      query: streamQuery,
      last_event_id: "The last event's id: no finding that has changed since is missed",
      answers: { 200: { description: "Goes on until either side ends it", type: TYPE, schema: StreamedFinding } },
      problems: ["last_event_id_invalid", "subscribers_full", "shutting_down"],
    },
    handle: async (request, _params, response) => {
      const authenticate = (): Promise<Caller> => authenticateAny(deps, request, READS);
      const caller = await authenticate();
      const { after, ...filter } = readQuery(request, streamQuery);
      const { streams } = deps.findings;
      const head = { status: 200, type: TYPE, headers: { connection: "close", "x-accel-buffering": "no" } };
      const sight = sightOf(deps, caller);
      const { following } = deps;
      if (following === undefined) {
        const place = lastPlace(request, readPlace) ?? (after === undefined ? null : placeOf(after, readPlace));
        const subscription = { filter, sees: (finding: Finding) => isInSight(sight, finding), after: place, caller, authenticate };
        return { ...head, begin: streams.open(response, subscription) };
      }
      const places = lastPlace(request, readNodePlaces) ?? (after === undefined ? null : placeOf(after, readNodePlaces));
      const { others: url } = takenFrom(request.url ?? "", "after");
      const subscription = { fleet: following, findings: filter, url, sight, after: places, caller, authenticate };
      return { ...head, begin: streams.openFleet(response, subscription) };
    },
  };
}

/** @throws Problem `parameter_invalid` */
function placeOf<T>(after: string, read: (text: string) => T | null): T {
  const place = read(after);
  if (place === null) throw new Problem("parameter_invalid", { field: "after", expected: "the id of an event" });
  return place;
}

/** @throws Problem `finding_not_found`, `agent_not_permitted`, `index_unavailable` */
async function known(deps: HttpDeps, caller: Caller, id: string): Promise<FindingOnDesk> {
  if (!FINDING_ID.test(id)) throw new Problem("finding_not_found");
  const found = await deps.desk.find(id);
  const expected = "an agent and a purpose that `callers` gives this caller";
  if (!isInSight(sightOf(deps, caller), found.finding)) throw new Problem("agent_not_permitted", { expected }, { caller: caller.id });
  return found;
}

function reviewerOf({ identity }: HttpDeps, caller: Caller): Reviewer {
  return { id: caller.id, roles: identity.rolesOf(caller) };
}

/** Returns whom a finding concerns. Findings of agents that nobody has registered are for callers that may ask for any agent. */
function concerned({ agent, purpose }: Finding): Concerned {
  return { agent: agent ?? "", purposes: purpose === null ? [] : [purpose] };
}
