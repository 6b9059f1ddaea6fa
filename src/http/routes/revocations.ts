import {
  CreateRevocation,
  LiftRevocation,
  Problem,
  REVOCATION_SCOPES,
  RevocationAnswer,
  RevocationChanged,
  RevocationPage,
} from "../../contract/index.js";
import { revocationId } from "../../facts/revocations.js";
import type { Caller } from "../../decision/ports.js";
import type { HttpDeps } from "../deps.js";
import { jsonReader } from "../json.js";
import { PAGE_LIMIT, flag, oneOf, pageQuery, readQuery } from "../query.js";
import { json } from "../reply.js";
import { changedAnswer, factAnswer, ifMatch } from "../revisions.js";
import { READERS, authenticateAny, checkScope, maySee } from "../rights.js";
import type { Route } from "../route.js";
import { CHANGE_PROBLEMS } from "./agents.js";

const readCreateRevocation = jsonReader(CreateRevocation);
const readLiftRevocation = jsonReader(LiftRevocation);

/** Scopes for revoking. Callers that may revoke everything see what is revoked, too. */
const REVOKERS = ["remit:revoke", "remit:revoke_all"] as const;
const REVOCATION_READERS = [...READERS, "remit:revoke_all"] as const;

/**
 * Returns the route that revokes. It is in front of the router, and not bounded by any limit of decisions: it has to work when nothing else
 * does.
 */
export function postRevocations(deps: HttpDeps): Route {
  readCreateRevocation.load();
  return {
    operation: {
      id: "revoke",
      method: "post",
      path: "/revocations",
      summary: "Cut something off at once: every decision that begins after the answer knows it. Everything: `remit:revoke_all`",
      scope: REVOKERS,
      request: { types: ["application/json"], schema: CreateRevocation },
      answers: {
        200: {
          description: "It holds, durable or not, and no decision is left that didn't know",
          schema: RevocationChanged,
        },
      },
      problems: ["fact_invalid", "identifier_not_canonical"],
    },
    handle: async (request) => {
      const caller = await authenticateAny(deps, request, REVOKERS);
      const asked = await readCreateRevocation(request, deps);
      checkScope(caller, asked.scope.everything === true ? "remit:revoke_all" : "remit:revoke");
      return changedAnswer(await deps.facts.revoke(asked, caller.id));
    },
  };
}

const query = {
  scope: oneOf(REVOCATION_SCOPES, "What is revoked"),
  in_force: flag("true: not lifted; false: lifted"),
  ...pageQuery,
};

export function getRevocations(deps: HttpDeps): Route {
  return {
    operation: {
      id: "listRevocations",
      method: "get",
      path: "/revocations",
      summary: "Revocations, those lifted too, in the order of their ids",
      scope: REVOCATION_READERS,
      query,
      answers: { 200: { description: "A page", schema: RevocationPage } },
      problems: ["field_invalid"],
    },
    handle: async (request) => {
      const caller = await authenticateAny(deps, request, REVOCATION_READERS);
      const { limit = PAGE_LIMIT, cursor = null, ...filter } = readQuery(request, query);
      return json(
        200,
        deps.facts.revocations({ limit, cursor }, filter, (one) => sees(deps, caller, one)),
      );
    },
  };
}

/** A revocation's id is a path below `/revocations`: `agent/support-7`, `everything`. */
const EVERYTHING = "/revocations/everything";
const ONE = "/revocations/{scope}/{of}";

export function getRevocation(deps: HttpDeps): Route {
  return reading(deps, "getRevocation", ONE, "One revocation; `of` is what is revoked, percent-encoded");
}

export function getRevocationOfEverything(deps: HttpDeps): Route {
  return reading(deps, "getRevocationOfEverything", EVERYTHING, "The revocation of everything");
}

export function liftRevocation(deps: HttpDeps): Route {
  return lifting(deps, "liftRevocation", `${ONE}/lift`, "Lift a revocation", "remit:revoke");
}

export function liftRevocationOfEverything(deps: HttpDeps): Route {
  return lifting(deps, "liftRevocationOfEverything", `${EVERYTHING}/lift`, "Lift the revocation of everything", "remit:revoke_all");
}

function reading(deps: HttpDeps, id: string, path: string, summary: string): Route {
  return {
    operation: {
      id,
      method: "get",
      path,
      summary,
      scope: REVOCATION_READERS,
      answers: { 200: { description: "As it is now; `ETag` is its revision", schema: RevocationAnswer } },
      problems: ["revocation_not_found"],
    },
    handle: async (request, params) => {
      const caller = await authenticateAny(deps, request, REVOCATION_READERS);
      const id = idOf(params);
      const revocation = deps.facts.revocation(id);
      if (!sees(deps, caller, revocation)) throw new Problem("revocation_not_found");
      return factAnswer(200, { ...revocation, ...deps.facts.standing(id) });
    },
  };
}

function lifting(deps: HttpDeps, id: string, path: string, summary: string, scope: (typeof REVOKERS)[number]): Route {
  return {
    operation: {
      id,
      method: "post",
      path,
      summary,
      scope,
      if_match: "Not needed",
      request: { types: ["application/json"], schema: LiftRevocation },
      answers: { 200: { description: "It no longer holds", schema: RevocationAnswer } },
      problems: [...CHANGE_PROBLEMS, "revocation_not_found", "revision_stale"],
    },
    handle: async (request, params) => {
      const caller = await deps.identity.authenticate(request.headers.authorization, scope);
      const expected = ifMatch(request);
      const asked = await readLiftRevocation(request, deps);
      return factAnswer(200, await deps.facts.lift(idOf(params), asked, expected, caller.id));
    },
  };
}

/**
 * Returns true if a caller may know of a revocation. A registrar sees those of agents, tasks and grants that it may speak for, and of
 * everything; of owners, persons, purposes, tokens and callers, which say more, if it may speak for every agent.
 */
function sees(deps: HttpDeps, caller: Caller, { scope, of }: Pick<RevocationAnswer, "scope" | "of">): boolean {
  const { registry } = deps.facts;
  if (scope === "everything" || caller.scopes.has("remit:revoke_all")) return true;
  const grant = scope === "grant" ? registry.grant(of)?.value : undefined;
  const task = registry.task(scope === "task" ? of : (grant?.task ?? ""));
  const agent = registry.agent(scope === "agent" ? of : (grant?.agent ?? task?.agent ?? ""));
  if (agent === undefined) return maySee(deps, caller, { agent: "", purposes: [] });
  return maySee(deps, caller, { agent: agent.id, purposes: task === undefined ? agent.purposes : [task.purpose] });
}

/** @throws Problem `revocation_not_found` */
function idOf({ scope: named = "everything", of = "" }: Readonly<Record<string, string>>): string {
  const [kind, source, more] = named.split("@", 3);
  const scope = REVOCATION_SCOPES.find((one) => one === kind);
  if (scope === undefined || more !== undefined || (scope === "everything") !== (of === "")) throw new Problem("revocation_not_found");
  return revocationId({ scope, of }, source);
}
