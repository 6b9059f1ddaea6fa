import { LiftNarrowing, NARROWED_RATE, NarrowAgent, NarrowingAnswer, NarrowingChanged, NarrowingPage } from "../../contract/index.js";
import type { HttpDeps } from "../deps.js";
import { jsonReader } from "../json.js";
import { PAGE_LIMIT, flag, pageQuery, readQuery, text } from "../query.js";
import { json } from "../reply.js";
import { changedAnswer, factAnswer, ifMatch } from "../revisions.js";
import { READERS, authenticateAny, checkMaySee, lookUp, maySee, type Concerned } from "../rights.js";
import type { Route } from "../route.js";
import { CHANGE_PROBLEMS } from "./agents.js";

const readNarrowAgent = jsonReader(NarrowAgent);
const readLiftNarrowing = jsonReader(LiftNarrowing);

const ONE = "/agents/{id}/narrowing";

const query = {
  purpose: text("Narrowed for what was unusual for it"),
  in_force: flag("true: not lifted; false: lifted"),
  ...pageQuery,
};

export function getNarrowings(deps: HttpDeps): Route {
  return {
    operation: {
      id: "listNarrowings",
      method: "get",
      path: "/narrowings",
      summary: "Which agents are narrowed, and were, in the order of their ids; a registrar sees those that it may speak for",
      scope: READERS,
      query,
      answers: { 200: { description: "A page", schema: NarrowingPage } },
      problems: ["field_invalid"],
    },
    handle: async (request) => {
      const caller = await authenticateAny(deps, request, READERS);
      const { limit = PAGE_LIMIT, cursor = null, ...filter } = readQuery(request, query);
      return json(
        200,
        deps.facts.narrowings({ limit, cursor }, filter, ({ agent }) => maySee(deps, caller, concerned(deps, agent))),
      );
    },
  };
}

export function getNarrowing(deps: HttpDeps): Route {
  return {
    operation: {
      id: "getNarrowing",
      method: "get",
      path: ONE,
      summary: "What an agent is narrowed to and why, or was",
      scope: READERS,
      answers: { 200: { description: "As it is now; `ETag` is its revision", schema: NarrowingAnswer } },
      problems: ["agent_not_found", "narrowing_not_found", "agent_not_permitted"],
    },
    handle: async (request, { id = "" }) => {
      const caller = await authenticateAny(deps, request, READERS);
      const agent = lookUp(deps, caller, id, () => concerned(deps, id));
      checkMaySee(deps, caller, agent);
      return factAnswer(200, deps.facts.narrowing(id));
    },
  };
}

export function postNarrowing(deps: HttpDeps): Route {
  return {
    operation: {
      id: "narrowAgent",
      method: "post",
      path: ONE,
      summary: "Leave an agent, and what is done on its behalf, with reading what its task is about, until somebody lifts that",
      scope: "remit:revoke",
      request: { types: ["application/json"], schema: NarrowAgent },
      answers: {
        200: {
          description: "It holds, durable or not, and no decision is left that didn't know",
          schema: NarrowingChanged,
        },
      },
      problems: ["agent_not_found"],
    },
    handle: async (request, { id = "" }) => {
      const caller = await deps.identity.authenticate(request.headers.authorization, "remit:revoke");
      const { reason, actions_per_minute = NARROWED_RATE.default } = await readNarrowAgent(request, deps);
      const asked = { reason, actions_per_minute, purpose: null, why: [], below: null, for_ms: null };
      return changedAnswer(await deps.facts.narrowAgent(id, asked, caller.id));
    },
  };
}

export function liftNarrowing(deps: HttpDeps): Route {
  return {
    operation: {
      id: "liftNarrowing",
      method: "post",
      path: `${ONE}/lift`,
      summary: "Let a narrowed agent do all that it may again; what was unusual until now isn't held against it",
      scope: "remit:revoke",
      if_match: "Not needed",
      request: { types: ["application/json"], schema: LiftNarrowing },
      answers: { 200: { description: "It no longer holds", schema: NarrowingAnswer } },
      problems: [...CHANGE_PROBLEMS, "narrowing_not_found", "revision_stale"],
    },
    handle: async (request, { id = "" }) => {
      const caller = await deps.identity.authenticate(request.headers.authorization, "remit:revoke");
      const expected = ifMatch(request);
      const asked = await readLiftNarrowing(request, deps);
      return factAnswer(200, await deps.facts.widenAgent(id, asked, expected, caller.id));
    },
  };
}

/** @throws Problem `agent_not_found` */
function concerned({ facts }: HttpDeps, agent: string): Concerned {
  const { purposes, delegates } = facts.agent(agent);
  return { agent, purposes: [...purposes, ...delegates] };
}
