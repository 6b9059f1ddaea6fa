import { ChangeTask, CreateTask, Problem, TaskAnswer } from "../../contract/index.js";
import type { Caller } from "../../decision/ports.js";
import type { HttpDeps, Tasks } from "../deps.js";
import { jsonReader } from "../json.js";
import { json } from "../reply.js";
import type { Route } from "../route.js";

const readCreateTask = jsonReader(CreateTask);
const readChangeTask = jsonReader(ChangeTask);

export function postTasks(deps: HttpDeps): Route {
  return {
    operation: {
      method: "post",
      path: "/tasks",
      summary: "Create a task; for the host that gives agents their work, never for agents",
      scope: "remit:register",
      request: { types: ["application/json"], schema: CreateTask },
      answers: {
        201: { description: "Created", schema: TaskAnswer },
        200: { description: "It was there already, the same", schema: TaskAnswer },
      },
      problems: [
        "agent_not_permitted",
        "task_exists",
        "fact_invalid",
        "tasks_full",
        "bundle_missing",
        "log_unavailable",
      ],
    },
    handle: async (request) => {
      const caller = await deps.identity.authenticate(request.headers.authorization, "remit:register");
      const asked = await readCreateTask(request, deps);
      checkMaySpeakFor(deps, caller, asked);
      const { created, task } = await deps.tasks.create(asked, caller.id);
      return json(created ? 201 : 200, task);
    },
  };
}

export function patchTask(deps: HttpDeps): Route {
  return {
    operation: {
      method: "patch",
      path: "/tasks/{id}",
      summary: "Add subjects to a task, or end it",
      scope: "remit:register",
      request: { types: ["application/json"], schema: ChangeTask },
      answers: { 200: { description: "The task as it is now", schema: TaskAnswer } },
      problems: ["agent_not_permitted", "task_not_found", "fact_invalid", "bundle_missing", "log_unavailable"],
    },
    handle: async (request, { id = "" }) => {
      const caller = await deps.identity.authenticate(request.headers.authorization, "remit:register");
      const asked = await readChangeTask(request, deps);
      checkMaySpeakFor(deps, caller, deps.tasks.task(id));
      return json(200, await deps.tasks.change(id, asked, caller.id));
    },
  };
}

/** Whoever may not ask for an agent may not widen what it may do either. */
function checkMaySpeakFor({ identity }: HttpDeps, caller: Caller, task: ReturnType<Tasks["task"]>): void {
  if (task === undefined || identity.mayAskFor(caller, task.agent, task.purpose)) return;
  throw new Problem("agent_not_permitted", { expected: "an agent and a purpose that `callers` gives this caller" });
}
