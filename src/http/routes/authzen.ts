/** AuthZEN 1.0 over HTTP (section 10): errors are texts, `X-Request-ID` comes back, and what HTTP would call 415 is 400. */
import type { IncomingMessage } from "node:http";
import { AccessRequestError } from "../../adapters/authzen/access_request.js";
import { messageOf, statusOf } from "../../adapters/authzen/answer.js";
import { ENDPOINTS, type AuthzenRequest, type Authzen, type AuthzenAnswer } from "../../adapters/authzen/authzen.js";
import { SEARCHES } from "../../adapters/authzen/read.js";
import { AUTHZEN_SCHEMAS } from "../../contract/authzen.js";
import type { Problem } from "../../contract/index.js";
import { decisionsIn } from "../admission.js";
import { readJsonBytes } from "../body.js";
import type { HttpDeps } from "../deps.js";
import type { FrontRoute } from "../front.js";
import { json, problemHeaders, type Content } from "../reply.js";
import type { Route } from "../route.js";
import type { AdmitRequest } from "../share.js";
import { DECIDING_PROBLEMS } from "./decide.js";

const REQUEST_ID = "x-request-id";
const TEXT = "text/plain; charset=utf-8";

const SEARCH_IDS = {
  subject: "authzenSearchSubjects",
  resource: "authzenSearchResources",
  action: "authzenSearchActions",
} as const;

/** Returns the routes that ask for decisions. */
export function authzenRoutes(authzen: Authzen, deps: HttpDeps, admit: AdmitRequest): FrontRoute[] {
  const { body_bytes_max, batch_bytes_max, batch_actions_max } = deps.limits;
  const route = (
    id: string,
    path: string,
    summary: string,
    schemas: Schemas,
    ask: (asked: AuthzenRequest) => Promise<AuthzenAnswer>,
    decisions = decisionsIn,
  ): FrontRoute => ({
    operation: {
      id,
      method: "post",
      path: authzen.base + path,
      summary,
      scope: "remit:decide",
      request: { types: ["application/json"], schema: schemas.request },
      answers: { 200: { description: "Also where it is denied", schema: schemas.answer } },
      problems: DECIDING_PROBLEMS,
      refusals: { type: TEXT, statusOf },
    },
    refusal,
    handle: handler(deps, admit, path === ENDPOINTS.evaluations ? batch_bytes_max : body_bytes_max, ask, decisions),
  });
  const { evaluation, evaluations, search } = AUTHZEN_SCHEMAS;
  return [
    route("authzenEvaluation", ENDPOINTS.evaluation, "AuthZEN access evaluation", evaluation, (asked) => authzen.evaluation(asked)),
    route("authzenEvaluations", ENDPOINTS.evaluations, "AuthZEN access evaluations", evaluations, (asked) => authzen.evaluations(asked)),
    ...SEARCHES.map((searched) =>
      // Whatever it asks, many decisions are looked at before it is answered.
      route(
        SEARCH_IDS[searched],
        ENDPOINTS[searched],
        `AuthZEN ${searched} search`,
        search,
        (asked) => authzen.search(searched, asked),
        () => batch_actions_max,
      ),
    ),
  ];
}

type Schemas = (typeof AUTHZEN_SCHEMAS)["evaluation" | "evaluations" | "search"];

function handler(
  { flights, limits, metrics, records, timers }: HttpDeps,
  admit: AdmitRequest,
  bytes_max: number,
  ask: (asked: AuthzenRequest) => Promise<AuthzenAnswer>,
  decisions: (body: Buffer) => number,
): FrontRoute["handle"] {
  const limit = { bytes_max, ms: limits.body_ms, too_large: "body_too_large" } as const;
  return async (request, _params, response) => {
    const body = await readJsonBytes(request, limit, timers);
    flights.begin(response);
    const request_id = requestId(request);
    const { text, decided, searched } = await admit(
      () => ask({ body, authorization: request.headers.authorization, request_id }),
      request,
      decisions(body),
    );
    for (const one of decided) metrics.decided(one);
    if (searched !== undefined) {
      metrics.searched(searched.looked_at);
      records.searched(searched.caller, `authzen.${searched.of}`, searched.looked_at);
    }
    return echoing({ status: 200, type: "application/json", body: text }, request_id);
  };
}

const TASK_RETRY_S = "2";

/** The access request profile: asking a person about what waits, and how that stands. */
export function authzenAccessRequests(authzen: Authzen, { identity, limits, timers }: HttpDeps): Route[] {
  const limit = { bytes_max: limits.body_bytes_max, ms: limits.body_ms, too_large: "body_too_large" } as const;
  const path = authzen.base + ENDPOINTS.request;
  const scope = "remit:decide";
  return [
    {
      operation: {
        id: "authzenRequestAccess",
        method: "post",
        path,
        summary: "AuthZEN access request: ask a person about a denial that waits",
        scope,
        request: { types: ["application/json"], schema: AUTHZEN_SCHEMAS.evaluation.request },
        answers: { 202: { description: "Asked", schema: AUTHZEN_SCHEMAS.task } },
        problems: [...DECIDING_PROBLEMS, "index_unavailable"],
      },
      handle: async (request) => {
        const body = await readJsonBytes(request, limit, timers);
        const key = request.headers["idempotency-key"];
        const asked = { body, authorization: request.headers.authorization, request_id: requestId(request) };
        return answered(request, async () => {
          const answer = await authzen.requestAccess(asked, typeof key === "string" ? key : null);
          return { ...json(202, answer), headers: { location: answer.task.status_endpoint } };
        });
      },
    },
    {
      operation: {
        id: "authzenGetAccessRequest",
        method: "get",
        path: `${path}/{id}`,
        summary: "AuthZEN access request: how it stands",
        scope,
        answers: { 200: { description: "The task", schema: AUTHZEN_SCHEMAS.task } },
        problems: ["index_unavailable"],
      },
      handle: async (request, { id = "" }) => {
        const caller = await identity.authenticate(request.headers.authorization, scope);
        return answered(request, async () => {
          const answer = await authzen.accessTask(id, caller);
          const isPending = answer.task.status === "pending";
          return { ...json(200, answer), ...(isPending ? { headers: { "retry-after": TASK_RETRY_S } } : {}) };
        });
      },
    },
  ];
}

async function answered(request: IncomingMessage, act: () => Promise<Content>): Promise<Content> {
  const content = await act().catch((cause: unknown): Content => {
    if (!(cause instanceof AccessRequestError)) throw cause;
    return { status: cause.status, type: "application/problem+json", body: JSON.stringify(cause) };
  });
  return echoing(content, requestId(request));
}

/** Section 9.1: the well-known part stands between the host and the path of the identifier. */
export function authzenMetadata({ base, metadata }: Authzen): Route {
  return {
    operation: {
      id: "authzenConfiguration",
      method: "get",
      path: `/.well-known/authzen-configuration${base}`,
      summary: "Where AuthZEN endpoints are",
      scope: null,
      answers: { 200: { description: "Metadata of this policy decision point", schema: AUTHZEN_SCHEMAS.metadata } },
      problems: [],
    },
    handle: (request) => echoing(json(200, metadata), requestId(request)),
  };
}

function refusal(problem: Problem, request: IncomingMessage, id?: string): Content {
  const body = id === undefined ? messageOf(problem) : `${messageOf(problem)} (${id})`;
  const content = { status: statusOf(problem), type: TEXT, body, headers: problemHeaders(problem) };
  return echoing(content, requestId(request));
}

function requestId({ headers }: IncomingMessage): string | null {
  const given = headers[REQUEST_ID];
  return typeof given === "string" ? given : null;
}

const ASCII = /^[\t\x20-\x7e]*$/;

/** The id goes back in the bytes that it came in. With a text as its body, Node would write the whole head as UTF-8. */
function echoing(content: Content, id: string | null): Content {
  if (id === null) return content;
  const body = ASCII.test(id) ? content.body : Buffer.from(content.body);
  return { ...content, body, headers: { ...content.headers, [REQUEST_ID]: id } };
}
