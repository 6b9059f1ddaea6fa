import {
  AmendTask,
  IssueTask,
  Problem,
  TaskChanged,
  TaskCreated,
  TaskFactAnswer,
  TaskPage,
  TaskTokenAnswer,
  type Scope,
} from "../../contract/index.js";
import type { Caller } from "../../decision/ports.js";
import { ISSUER, wantedApprover } from "../../findings/verdicts.js";
import type { HttpDeps } from "../deps.js";
import { jsonReader } from "../json.js";
import { PAGE_LIMIT, flag, pageQuery, readQuery, text } from "../query.js";
import { json } from "../reply.js";
import { changedAnswer, factAnswer, ifMatch } from "../revisions.js";
import {
  READERS,
  authenticateAny,
  checkMayMiss,
  checkMaySee,
  checkMaySpeakFor,
  checkScope,
  lookUp,
  maySee,
  type Concerned,
} from "../rights.js";
import type { Route } from "../route.js";
import { CHANGE_PROBLEMS } from "./agents.js";

const readIssueTask = jsonReader(IssueTask);
const readAmendTask = jsonReader(AmendTask);

const createQuery = { token: flag("true: answer a signed token that stands for the task, too") };

export function postTasks(deps: HttpDeps): Route {
  return {
    operation: {
      id: "createTask",
      method: "post",
      path: "/tasks",
      summary: "Create a task; for the host that gives agents their work, never for agents",
      scope: "remit:register",
      query: createQuery,
      request: { types: ["application/json"], schema: IssueTask },
      answers: {
        201: { description: "Created", schema: TaskCreated },
        200: { description: "It was there already, the same", schema: TaskCreated },
      },
      problems: [
        ...CHANGE_PROBLEMS,
        "task_exists",
        "task_over",
        "task_wider_than_parent",
        "parent_not_live",
        "delegation_not_permitted",
        "delegation_too_deep",
        "task_token_unsupported",
        "tasks_full",
        "history_unavailable",
      ],
    },
    handle: async (request) => {
      const caller = await deps.identity.authenticate(request.headers.authorization, "remit:register");
      const { token = false } = readQuery(request, createQuery);
      const asked = await readIssueTask(request, deps);
      checkMaySpeakFor(deps, caller, concerned(asked));
      // What is handed on is the parent's, and its answer says whom that is for.
      const parent = typeof asked.parent === "string" ? deps.facts.registry.task(asked.parent) : undefined;
      if (parent !== undefined) checkMaySpeakFor(deps, caller, concerned(parent));
      else if (typeof asked.parent === "string") checkMayMiss(deps, caller, null);
      // Before the task is there: else a refusal would leave it behind.
      if (token && !deps.identity.issuesTaskTokens) throw new Problem("task_token_unsupported", { field: "token" });
      const { created, fact } = await deps.facts.createTask(asked, caller.id);
      const task: TaskCreated & TaskFactAnswer = token ? { ...fact, task_token: tokenOf(deps, fact) } : fact;
      return factAnswer(created ? 201 : 200, task);
    },
  };
}

const query = {
  agent: text("Whose work it is"),
  purpose: text("What it is for"),
  parent: text("The task it is handed on from"),
  live: flag("true: neither over nor ended; false: one of these"),
  ...pageQuery,
};

export function getTasks(deps: HttpDeps): Route {
  return {
    operation: {
      id: "listTasks",
      method: "get",
      path: "/tasks",
      summary: "Tasks, in the order of their ids; a registrar sees those that it may speak for",
      scope: READERS,
      query,
      answers: { 200: { description: "A page", schema: TaskPage } },
      problems: ["field_invalid"],
    },
    handle: async (request) => {
      const caller = await authenticateAny(deps, request, READERS);
      const { limit = PAGE_LIMIT, cursor = null, ...filter } = readQuery(request, query);
      return json(
        200,
        deps.facts.tasks({ limit, cursor }, filter, (task) => maySee(deps, caller, concerned(task))),
      );
    },
  };
}

export function getTask(deps: HttpDeps): Route {
  return {
    operation: {
      id: "getTask",
      method: "get",
      path: "/tasks/{id}",
      summary: "One task",
      scope: READERS,
      answers: { 200: { description: "As it is now; `ETag` is its revision", schema: TaskFactAnswer } },
      problems: ["task_not_found", "agent_not_permitted"],
    },
    handle: async (request, { id = "" }) => {
      const caller = await authenticateAny(deps, request, READERS);
      const task = lookUp(deps, caller, null, () => deps.facts.task(id));
      checkMaySee(deps, caller, concerned(task));
      return factAnswer(200, task);
    },
  };
}

export function patchTask(deps: HttpDeps): Route {
  return {
    operation: {
      id: "changeTask",
      method: "patch",
      path: "/tasks/{id}",
      summary:
        "Add subjects to a task, set attributes of it, or end it; with `remit:review` lower its labels, never for its agents or the person it is for",
      scope: CHANGERS,
      if_match: "Not needed: subjects are only added, and an end is one, whatever it ends",
      request: { types: ["application/json"], schema: AmendTask },
      answers: {
        200: { description: "The task as it is now; ended, it is so at once, durable or not", schema: TaskChanged },
      },
      problems: [
        ...CHANGE_PROBLEMS,
        "task_not_found",
        "task_wider_than_parent",
        "revision_stale",
        "approver_not_permitted",
        "history_unavailable",
      ],
    },
    handle: async (request, { id = "" }) => {
      const caller = await authenticateAny(deps, request, CHANGERS);
      const expected = ifMatch(request);
      const asked = await readAmendTask(request, deps);
      checkScope(caller, asked.lowers === undefined ? "remit:register" : "remit:review");
      const task = lookUp(deps, caller, null, () => deps.facts.task(id));
      checkMaySpeakFor(deps, caller, concerned(task));
      if (asked.lowers !== undefined) checkMayLower(deps, caller, task);
      return changedAnswer(await deps.facts.changeTask(id, asked, expected, caller.id));
    },
  };
}

const CHANGERS: readonly Scope[] = ["remit:register", "remit:review"];

/**
 * Labels are lowered by whoever could approve what they close.
 * @throws Problem `approver_not_permitted`
 */
function checkMayLower({ identity, facts, decider }: HttpDeps, caller: Caller, { agent, purpose, principal }: TaskFactAnswer): void {
  const roles = decider.intake.activePolicy().purposes.get(purpose)?.approvers?.roles ?? [];
  const principals = principal === null ? [] : [principal];
  const isAgent = [caller.id, caller.id.replace(ISSUER, "")].some((name) => facts.registry.agent(name) !== undefined);
  const expected = isAgent
    ? "nobody who is an agent"
    : wantedApprover({ caller: agent, principals, roles }, agent, { id: caller.id, roles: identity.rolesOf(caller) });
  if (expected !== null) throw new Problem("approver_not_permitted", { expected }, { caller: caller.id });
}

export function postTaskToken(deps: HttpDeps): Route {
  return {
    operation: {
      id: "issueTaskToken",
      method: "post",
      path: "/tasks/{id}/token",
      summary: "A signed token that stands for a task, to be handed along the call chain",
      scope: "remit:register",
      answers: { 200: { description: "It lives no longer than the task", schema: TaskTokenAnswer } },
      problems: ["task_not_found", "agent_not_permitted", "task_over", "task_token_unsupported"],
    },
    handle: async (request, { id = "" }) => {
      const caller = await deps.identity.authenticate(request.headers.authorization, "remit:register");
      const task = lookUp(deps, caller, null, () => deps.facts.task(id));
      checkMaySpeakFor(deps, caller, concerned(task));
      return json(200, { task: id, task_token: tokenOf(deps, task) } satisfies TaskTokenAnswer);
    },
  };
}

/** @throws Problem `task_over`, `task_token_unsupported` */
function tokenOf({ identity, facts }: HttpDeps, { id, agent, purpose, expires, ended }: TaskFactAnswer): string {
  if (ended !== null || facts.registry.revoked("task", id)) throw new Problem("task_over");
  return identity.issueTaskToken({
    task: id,
    agent,
    purpose,
    expires_ms: expires === null ? null : Date.parse(expires),
  });
}

function concerned({ agent, purpose }: { agent: string; purpose: string }): Concerned {
  return { agent, purposes: [purpose] };
}
