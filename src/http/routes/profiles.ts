import {
  AgentProfile,
  BehaviorThresholds,
  Problem,
  ProfileRolledBack,
  RollBackProfile,
  parseTime,
  type Scope,
} from "../../contract/index.js";
import type { HttpDeps } from "../deps.js";
import { jsonReader } from "../json.js";
import { json } from "../reply.js";
import { authenticateAny, checkMaySee, checkMaySpeakFor, lookUp } from "../rights.js";
import type { Route } from "../route.js";

const readRollBack = jsonReader(RollBackProfile);

const READS: readonly Scope[] = ["remit:audit", "remit:review"];

export function getAgentProfile(deps: HttpDeps): Route {
  return {
    operation: {
      id: "getAgentProfile",
      method: "get",
      path: "/agents/{id}/profile",
      summary: "What is usual for an agent: its hours, habits and rates, and its risk now",
      scope: READS,
      answers: { 200: { description: "As it is now", schema: AgentProfile } },
      problems: ["agent_not_found", "agent_not_permitted"],
    },
    handle: async (request, { id = "" }) => {
      const caller = await authenticateAny(deps, request, READS);
      const { purposes, delegates } = lookUp(deps, caller, id, () => deps.facts.agent(id));
      checkMaySee(deps, caller, { agent: id, purposes: [...purposes, ...delegates] });
      return json(200, deps.profile.describe(id) satisfies AgentProfile);
    },
  };
}

export function getBehaviorThresholds(deps: HttpDeps): Route {
  return {
    operation: {
      id: "getBehaviorThresholds",
      method: "get",
      path: "/behavior/thresholds",
      summary: "The thresholds of risk in each purpose, and by how much verdicts on findings have moved them",
      scope: READS,
      answers: { 200: { description: "As they are now", schema: BehaviorThresholds } },
      problems: [],
    },
    handle: async (request) => {
      const caller = await authenticateAny(deps, request, READS);
      const { purposes: own } = deps.identity.rightsOf(caller);
      const items = deps.thresholds().filter(({ purpose }) => caller.scopes.has("remit:audit") || own === null || own.has(purpose));
      return json(200, { items: items.sort((a, b) => (a.purpose < b.purpose ? -1 : 1)) } satisfies BehaviorThresholds);
    },
  };
}

export function rollBackProfile(deps: HttpDeps): Route {
  return {
    operation: {
      id: "rollBackProfile",
      method: "post",
      path: "/agents/{id}/profile/rollback",
      summary: "Put what is usual for an agent back to what it was then: what it learned since is forgotten",
      scope: "remit:review",
      request: { types: ["application/json"], schema: RollBackProfile },
      answers: { 200: { description: "On record, and so from here on", schema: ProfileRolledBack } },
      problems: ["agent_not_found", "agent_not_permitted", "checkpoint_not_found", "time_invalid"],
    },
    handle: async (request, { id = "" }) => {
      const caller = await deps.identity.authenticate(request.headers.authorization, "remit:review");
      const { purposes, delegates } = lookUp(deps, caller, id, () => deps.facts.agent(id));
      checkMaySpeakFor(deps, caller, { agent: id, purposes: [...purposes, ...delegates] });
      const { to, reason } = await readRollBack(request, deps);
      const to_ms = parseTime(to);
      if (to_ms === null) throw new Problem("time_invalid", { field: "/to", expected: "an RFC 3339 date-time" });
      const at = await deps.profile.rollBack(id, to_ms, caller.id, reason);
      return json(200, { agent: id, to: new Date(at).toISOString() } satisfies ProfileRolledBack);
    },
  };
}
