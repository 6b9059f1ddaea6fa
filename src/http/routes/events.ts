import { AskEcho, Problem, StreamedEvent, type ReadyEvent, type Scope } from "../../contract/index.js";
import type { Caller } from "../../decision/ports.js";
import type { TaskFact } from "../../facts/entities.js";
import { EVERYTHING_IN_SIGHT, sees, seesNothing, type Sight } from "../../facts/reach.js";
import type { HttpDeps } from "../deps.js";
import { jsonReader } from "../json.js";
import { lastEventId } from "../last_event_id.js";
import { flag, integer, readQuery, text } from "../query.js";
import { empty } from "../reply.js";
import { READERS, authenticateAny, checkScope } from "../rights.js";
import type { Route } from "../route.js";
import { REVISION_MAX } from "./facts.js";

/** Enforcement points, and whoever reads facts. */
const SUBSCRIBERS: readonly Scope[] = ["remit:decide", "remit:embed", ...READERS];

const query = {
  agent: text("Only what concerns this agent"),
  task: text("Only what concerns this task: what becomes of those that it was handed on from, too"),
  after: integer(0, REVISION_MAX, "Begin after this facts revision; `Last-Event-ID` goes before. Left out: now"),
  values: flag(
    "true: told what each key holds too, of all facts, and first of all what they hold now where nothing is named to go on after. Needs `remit:embed`",
  ),
  heartbeat_ms: integer(100, 60_000, "Something comes at least so often, where that is more often than `events.heartbeat_ms`"),
};

const TYPE = "text/event-stream";

export function getEventStream(deps: HttpDeps): Route {
  return {
    operation: {
      id: "followEvents",
      method: "get",
      path: "/events",
      summary:
        "Follow revocations and changes as they come, so that a running tool call can be stopped; a caller that only decides or registers hears of what it may ask for",
      scope: SUBSCRIBERS,
      query,
      last_event_id: "The last event's id: nothing since is missed, and nothing comes twice",
      answers: { 200: { description: "Goes on until either side ends it", type: TYPE, schema: StreamedEvent } },
      problems: [
        "last_event_id_invalid",
        "agent_not_found",
        "task_not_found",
        "agent_not_permitted",
        "subscribers_full",
        "shutting_down",
        "lease_over",
      ],
    },
    handle: async (request, _params, response) => {
      const authenticate = (): Promise<Caller> => authenticateAny(deps, request, SUBSCRIBERS);
      const caller = await authenticate();
      const { agent, task, after = null, values = false, heartbeat_ms = null } = readQuery(request, query);
      const from = lastEventId(request) ?? after;
      const { sight, chain } = followed(deps, caller, sightOf(deps, caller), agent, task);
      const head = { status: 200, type: TYPE, headers: { connection: "close", "x-accel-buffering": "no" } };
      if (values) checkScope(caller, "remit:embed");
      // What an engine heard here would be taken for the facts of now.
      const isCurrent = values && deps.cluster !== undefined ? () => (deps.cluster?.lease_left_ms ?? 0) > 0 : undefined;
      if (isCurrent?.() === false) throw new Problem("lease_over");
      const subscription = {
        sight,
        chain,
        after: from,
        caller,
        authenticate,
        values: values ? described(deps, caller) : null,
        ...(isCurrent !== undefined && { isCurrent }),
        heartbeat_ms,
      };
      return { ...head, begin: deps.events.open(response, subscription) };
    },
  };
}

const readAskEcho = jsonReader(AskEcho);

export function postEcho(deps: HttpDeps): Route {
  return {
    operation: {
      id: "askForEcho",
      method: "post",
      path: "/events/echo",
      summary: "Have a text come back on a stream of values of a cluster's node: all that the node knew by then was sent before it",
      scope: "remit:embed",
      request: { types: ["application/json"], schema: AskEcho },
      answers: { 204: { description: "It is on its way on the stream" } },
      problems: ["echo_stream_none", "lease_over"],
    },
    handle: async (request) => {
      const caller = await deps.identity.authenticate(request.headers.authorization, "remit:embed");
      const asked = await readAskEcho(request, deps);
      if (deps.cluster !== undefined && deps.cluster.lease_left_ms <= 0) throw new Problem("lease_over");
      deps.events.echo(caller.id, asked);
      return empty(204);
    },
  };
}

/** Returns the caller's rights: an engine that decides elsewhere has to know what it may decide. */
function described({ identity }: HttpDeps, caller: Caller): NonNullable<ReadyEvent["caller"]> {
  const { agents, purposes } = identity.rightsOf(caller);
  const { jti, expires_ms } = caller.token;
  return {
    id: caller.id,
    agents: agents && [...agents],
    purposes: purposes && [...purposes],
    token: { jti, expires_ms },
  };
}

/** @throws Problem `agent_not_permitted` for whom `callers` gives nothing: it would wait for ever, and not know */
function sightOf({ identity }: HttpDeps, caller: Caller): Sight {
  if (caller.scopes.has("remit:audit") || caller.scopes.has("remit:revoke")) return EVERYTHING_IN_SIGHT;
  const sight = identity.rightsOf(caller);
  if (seesNothing(sight)) throw notPermitted(caller);
  return sight;
}

/** @throws Problem `agent_not_found`, `task_not_found`, `agent_not_permitted`, `parameter_invalid` */
function followed(
  { facts: { registry } }: HttpDeps,
  caller: Caller,
  sight: Sight,
  agentId: string | undefined,
  taskId: string | undefined,
): { sight: Sight; chain: TaskFact[] | null } {
  if (agentId !== undefined) {
    if (registry.agent(agentId) === undefined) throw new Problem("agent_not_found", { field: "agent" });
    if (sight.agents?.has(agentId) === false) throw notPermitted(caller, "agent");
  }
  if (taskId === undefined) {
    const narrowed = agentId === undefined ? sight : { ...sight, agents: new Set([agentId]) };
    return { sight: narrowed, chain: null };
  }
  const task = registry.task(taskId);
  if (task === undefined) throw new Problem("task_not_found", { field: "task" });
  if (!sees(sight, task.agent, task.purpose)) throw notPermitted(caller, "task");
  if (agentId !== undefined && task.agent !== agentId)
    throw new Problem("parameter_invalid", { field: "task", expected: "a task of this agent" });
  const chain: TaskFact[] = [];
  for (let next: TaskFact | undefined = task; next !== undefined && !chain.includes(next);) {
    chain.push(next);
    next = next.parent === null ? undefined : registry.task(next.parent);
  }
  return { sight, chain };
}

function notPermitted(caller: Caller, field?: string): Problem {
  const expected = "an agent and a purpose that `callers` gives this caller";
  return new Problem("agent_not_permitted", { ...(field === undefined ? {} : { field }), expected }, { caller: caller.id });
}
