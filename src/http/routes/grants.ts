import { CreateGrant, EndGrant, GRANT_STATES, GrantAnswer, GrantChanged, GrantPage } from "../../contract/index.js";
import type { HttpDeps } from "../deps.js";
import { jsonReader } from "../json.js";
import { PAGE_LIMIT, flag, oneOf, pageQuery, readQuery, text } from "../query.js";
import { json } from "../reply.js";
import { changedAnswer, factAnswer, ifMatch } from "../revisions.js";
import { READERS, authenticateAny, checkMayMiss, checkMaySee, checkMaySpeakFor, lookUp, maySee, type Concerned } from "../rights.js";
import type { Route } from "../route.js";
import { CHANGE_PROBLEMS } from "./agents.js";

const readCreateGrant = jsonReader(CreateGrant);
const readEndGrant = jsonReader(EndGrant);

export function postGrants(deps: HttpDeps): Route {
  return {
    operation: {
      id: "createGrant",
      method: "post",
      path: "/grants",
      summary: "Permit an agent or a task something for a while, never for ever",
      scope: "remit:register",
      request: { types: ["application/json"], schema: CreateGrant },
      answers: {
        201: { description: "Granted", schema: GrantAnswer },
        200: { description: "It was there already, the same", schema: GrantAnswer },
      },
      problems: [...CHANGE_PROBLEMS, "grant_exists", "facts_full"],
    },
    handle: async (request) => {
      const caller = await deps.identity.authenticate(request.headers.authorization, "remit:register");
      const asked = await readCreateGrant(request, deps);
      const holder = concerned(deps, asked);
      if (holder !== null) checkMaySpeakFor(deps, caller, holder);
      else checkMayMiss(deps, caller, asked.agent ?? null);
      const { created, fact } = await deps.facts.createGrant(asked, caller.id);
      return factAnswer(created ? 201 : 200, fact);
    },
  };
}

const query = {
  agent: text("Who may"),
  task: text("On which task"),
  state: oneOf(GRANT_STATES, "How it stands now"),
  unused: flag("true: given and never used; false: used"),
  ...pageQuery,
};

export function getGrants(deps: HttpDeps): Route {
  return {
    operation: {
      id: "listGrants",
      method: "get",
      path: "/grants",
      summary: "Grants, in the order of their ids; a registrar sees those of agents that it may speak for",
      scope: READERS,
      query,
      answers: { 200: { description: "A page", schema: GrantPage } },
      problems: ["field_invalid"],
    },
    handle: async (request) => {
      const caller = await authenticateAny(deps, request, READERS);
      const { limit = PAGE_LIMIT, cursor = null, ...filter } = readQuery(request, query);
      return json(
        200,
        deps.facts.grants({ limit, cursor }, filter, (grant) => maySee(deps, caller, concernedBy(deps, grant))),
      );
    },
  };
}

export function getGrant(deps: HttpDeps): Route {
  return {
    operation: {
      id: "getGrant",
      method: "get",
      path: "/grants/{id}",
      summary: "One grant: how it stands and how often it was used",
      scope: READERS,
      answers: { 200: { description: "As it is now; `ETag` is its revision", schema: GrantAnswer } },
      problems: ["grant_not_found", "agent_not_permitted"],
    },
    handle: async (request, { id = "" }) => {
      const caller = await authenticateAny(deps, request, READERS);
      const grant = lookUp(deps, caller, null, () => deps.facts.grant(id));
      checkMaySee(deps, caller, concernedBy(deps, grant));
      return factAnswer(200, grant);
    },
  };
}

export function patchGrant(deps: HttpDeps): Route {
  return {
    operation: {
      id: "endGrant",
      method: "patch",
      path: "/grants/{id}",
      summary: "End a grant before its time; that holds at once",
      scope: "remit:register",
      if_match: "Not needed: an end is one, whatever it ends",
      request: { types: ["application/json"], schema: EndGrant },
      answers: { 200: { description: "As it is now", schema: GrantChanged } },
      problems: [...CHANGE_PROBLEMS, "grant_not_found", "revision_stale"],
    },
    handle: async (request, { id = "" }) => {
      const caller = await deps.identity.authenticate(request.headers.authorization, "remit:register");
      const expected = ifMatch(request);
      const asked = await readEndGrant(request, deps);
      const grant = lookUp(deps, caller, null, () => deps.facts.grant(id));
      checkMaySpeakFor(deps, caller, concernedBy(deps, grant));
      return changedAnswer(await deps.facts.endGrant(id, asked, expected, caller.id));
    },
  };
}

interface Holder {
  agent?: string | null;
  task?: string | null;
}

/** A grant of an agent counts for all its purposes. Null where the holder isn't known: nothing can be granted to it. */
function concerned({ facts: { registry } }: HttpDeps, holder: Holder): Concerned | null {
  if (typeof holder.agent === "string") {
    const agent = registry.agent(holder.agent);
    return agent === undefined ? null : { agent: agent.id, purposes: agent.purposes };
  }
  const task = registry.task(holder.task ?? "");
  return task === undefined ? null : { agent: task.agent, purposes: [task.purpose] };
}

/** Returns whom an existing grant concerns. If its task is forgotten, it is for callers that may ask for any agent. */
function concernedBy(deps: HttpDeps, grant: Holder): Concerned {
  return concerned(deps, grant) ?? { agent: "", purposes: [] };
}
