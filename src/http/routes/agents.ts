import { AGENT_STATUSES, AgentAnswer, AgentChanged, AgentPage, ChangeAgent, CreateAgent, type ProblemCode } from "../../contract/index.js";
import type { HttpDeps } from "../deps.js";
import { jsonReader } from "../json.js";
import { PAGE_LIMIT, oneOf, pageQuery, readQuery, text } from "../query.js";
import { json } from "../reply.js";
import { changedAnswer, factAnswer, ifMatch } from "../revisions.js";
import { READERS, authenticateAny, checkMaySee, checkMaySpeakFor, checkScope, lookUp, maySee, type Concerned } from "../rights.js";
import type { Route } from "../route.js";

const readCreateAgent = jsonReader(CreateAgent);
const readChangeAgent = jsonReader(ChangeAgent);

/** Problems of any change of a fact. */
export const CHANGE_PROBLEMS: readonly ProblemCode[] = [
  "fact_invalid",
  "identifier_not_canonical",
  "agent_not_permitted",
  "bundle_missing",
  "store_unavailable",
  "outcome_unknown",
  "log_unavailable",
  "log_backlog",
];

export function postAgents(deps: HttpDeps): Route {
  return {
    operation: {
      id: "createAgent",
      method: "post",
      path: "/agents",
      summary: "Register an agent; its id is never used again",
      scope: "remit:register",
      request: { types: ["application/json"], schema: CreateAgent },
      answers: {
        201: { description: "Registered", schema: AgentAnswer },
        200: { description: "It was there already, the same", schema: AgentAnswer },
      },
      problems: [...CHANGE_PROBLEMS, "agent_exists", "agent_id_used", "agent_id_similar", "credential_taken", "facts_full"],
    },
    handle: async (request) => {
      const caller = await deps.identity.authenticate(request.headers.authorization, "remit:register");
      const asked = await readCreateAgent(request, deps);
      checkMaySpeakFor(deps, caller, concerned(asked.id, asked));
      const { created, fact } = await deps.facts.createAgent(asked, caller.id);
      return factAnswer(created ? 201 : 200, fact);
    },
  };
}

const query = {
  owner: text("Who answers for it"),
  purpose: text("What it may act for"),
  status: oneOf(AGENT_STATUSES, "How it stands"),
  ...pageQuery,
};

export function getAgents(deps: HttpDeps): Route {
  return {
    operation: {
      id: "listAgents",
      method: "get",
      path: "/agents",
      summary: "Agents, in the order of their ids; a registrar sees those that it may speak for",
      scope: READERS,
      query,
      answers: { 200: { description: "A page", schema: AgentPage } },
      problems: ["field_invalid"],
    },
    handle: async (request) => {
      const caller = await authenticateAny(deps, request, READERS);
      const { limit = PAGE_LIMIT, cursor = null, ...filter } = readQuery(request, query);
      return json(
        200,
        deps.facts.agents({ limit, cursor }, filter, (agent) => maySee(deps, caller, concerned(agent.id, agent))),
      );
    },
  };
}

export function getAgent(deps: HttpDeps): Route {
  return {
    operation: {
      id: "getAgent",
      method: "get",
      path: "/agents/{id}",
      summary: "One agent",
      scope: READERS,
      answers: { 200: { description: "As it is now; `ETag` is its revision", schema: AgentAnswer } },
      problems: ["agent_not_found", "agent_not_permitted"],
    },
    handle: async (request, { id = "" }) => {
      const caller = await authenticateAny(deps, request, READERS);
      const agent = lookUp(deps, caller, id, () => deps.facts.agent(id));
      checkMaySee(deps, caller, concerned(id, agent));
      return factAnswer(200, agent);
    },
  };
}

export function patchAgent(deps: HttpDeps): Route {
  return {
    operation: {
      id: "changeAgent",
      method: "patch",
      path: "/agents/{id}",
      summary: "Change an agent; or, with `remit:revoke`, suspend, restore or retire it by its `status`",
      scope: ["remit:register", "remit:revoke"],
      if_match: "Needed, save for a status",
      request: { types: ["application/json"], schema: ChangeAgent },
      answers: {
        200: {
          description: "As it is now; suspended or revoked, it is so at once, durable or not",
          schema: AgentChanged,
        },
      },
      problems: [...CHANGE_PROBLEMS, "agent_not_found", "credential_taken", "revision_required", "revision_stale"],
    },
    handle: async (request, { id = "" }) => {
      const caller = await authenticateAny(deps, request, ["remit:register", "remit:revoke"]);
      const expected = ifMatch(request);
      const asked = await readChangeAgent(request, deps);
      if (asked.status !== undefined) checkScope(caller, "remit:revoke");
      else {
        checkScope(caller, "remit:register");
        const known = lookUp(deps, caller, id, () => deps.facts.agent(id));
        checkMaySpeakFor(deps, caller, concerned(id, known, asked));
      }
      return changedAnswer(await deps.facts.changeAgent(id, asked, expected, caller.id));
    },
  };
}

interface Purposes {
  purposes?: Iterable<string>;
  delegates?: Iterable<string>;
}

function concerned(agent: string, ...all: Purposes[]): Concerned {
  return { agent, purposes: all.flatMap(({ purposes = [], delegates = [] }) => [...purposes, ...delegates]) };
}
