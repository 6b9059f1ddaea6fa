/**
 * The door: one server. The routes that decide are answered by plain handlers in front, since a router costs more than a
 * decision; Express has every other route.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import type { ErrorRequestHandler, Express } from "express";
import { Problem } from "../contract/index.js";
import { Bag } from "../system/bag.js";
import type { Timers } from "../system/index.js";
import { isPaced } from "./chunks.js";
import { Connections } from "../system/connections.js";
import type { HttpDeps } from "./deps.js";
import { failureOf } from "./failure.js";
import { frontOf, routeFor, spokesman, type FrontRoute } from "./front.js";
import { guard } from "./guard.js";
import { readQuery } from "./query.js";
import { problemContent, send, type Content, type Live, type Streamed } from "./reply.js";
import type { Route } from "./route.js";
import { admitByCaller } from "./share.js";
import { getAgent, getAgents, patchAgent, postAgents } from "./routes/agents.js";
import { getApprovals } from "./routes/approvals.js";
import { authzenAccessRequests, authzenMetadata, authzenRoutes } from "./routes/authzen.js";
import { postBack, postDropStaged, getBundle, getBundles, postBundles } from "./routes/bundles.js";
import { decide } from "./routes/decide.js";
import { ENVOY_CALLER, envoyCheck } from "./routes/envoy.js";
import { decideBatch } from "./routes/decide_batch.js";
import { getDecision, getDecisions, getHistogram, getSummary } from "./routes/decisions.js";
import { getDecisionStream } from "./routes/decisions_stream.js";
import { getEventStream, postEcho } from "./routes/events.js";
import { getEvents, getExport, postImport } from "./routes/facts.js";
import { postExplain } from "./routes/explain.js";
import { getFinding, getFindingStream, getFindings, postApproval, postFinding } from "./routes/findings.js";
import { getGrant, getGrants, patchGrant, postGrants } from "./routes/grants.js";
import { healthz } from "./routes/healthz.js";
import { metrics } from "./routes/metrics.js";
import { getNarrowing, getNarrowings, liftNarrowing, postNarrowing } from "./routes/narrowings.js";
import { getTransmitters, postSet } from "./routes/security_events.js";
import { getAgentProfile, getBehaviorThresholds, rollBackProfile } from "./routes/profiles.js";
import { postNotice } from "./routes/notices.js";
import { postObserve } from "./routes/observe.js";
import { opaRoutes } from "./routes/opa.js";
import { opaHealth } from "./routes/opa_health.js";
import { postOpaLogs, postOpaLogsOf, postOpaStatus, postOpaStatusOf } from "./routes/opa_reports.js";
import { openapi } from "./routes/openapi.js";
import { postLogs, postMetrics, postTraces } from "./routes/otlp.js";
import { postOutcome } from "./routes/outcomes.js";
import { postRecords } from "./routes/records.js";
import { readyz } from "./routes/readyz.js";
import {
  getRevocation,
  getRevocationOfEverything,
  getRevocations,
  liftRevocation,
  liftRevocationOfEverything,
  postRevocations,
} from "./routes/revocations.js";
import { dismissNode, getCluster } from "./routes/cluster.js";
import { getCheckpoint, getConsistency, getCosigned, getLogKeys, getTile } from "./routes/log.js";
import { getWitnessed, getWitnessKey, postCheckpoint } from "./routes/witness.js";
import { getProof, getReceipt } from "./routes/receipts.js";
import {
  getSsfConfiguration,
  getSsfConfigurationOf,
  getSsfKeys,
  postSsfStream,
  getSsfStream,
  patchSsfStream,
  putSsfStream,
  deleteSsfStream,
  getSsfStatus,
  postSsfStatus,
  postSsfAddSubject,
  postSsfRemoveSubject,
  postSsfVerify,
  postSsfPoll,
} from "./routes/ssf.js";
import { getTask, getTasks, patchTask, postTaskToken, postTasks } from "./routes/tasks.js";

export interface HttpServer {
  /** @param port 0 takes a free one */
  listen(host: string, port: number): Promise<AddressInfo>;
  /** Takes no new connection and resolves when every request has been answered, or after `ms`, which cuts the rest. */
  close(ms: number): Promise<void>;
  /** Cuts the connections of a caller that is revoked. */
  cut(caller: string): void;
  /** Connections now. */
  readonly connections: number;
}

/** Made once: what is refused for want of time must not take any. */
const OVERLOADED = new Problem("overloaded");
const OVERLOADED_CONTENT = problemContent(OVERLOADED);

const PUBLISHING = [getBundles, postBundles, postDropStaged, postBack, getBundle];
const AFTERWARDS = [
  ...[postObserve, postRecords, postTraces, postLogs, postMetrics, postOutcome, postNotice],
  ...[postOpaLogs, postOpaLogsOf, postOpaStatus, postOpaStatusOf],
];
// What has a name of its own before what any id fits.
const LOG = [
  ...[getCheckpoint, getCosigned, getLogKeys, getConsistency, getTile, postCheckpoint, getWitnessed, getWitnessKey],
  ...[getDecisions, getDecisionStream, getSummary, getHistogram, getReceipt, getProof, getDecision, postExplain],
];
const SECURITY_EVENTS = [
  ...[postSet, getTransmitters],
  ...[getSsfConfiguration, getSsfConfigurationOf, getSsfKeys],
  ...[postSsfStream, getSsfStream, patchSsfStream, putSsfStream, deleteSsfStream],
  ...[getSsfStatus, postSsfStatus, postSsfAddSubject, postSsfRemoveSubject, postSsfVerify, postSsfPoll],
];
const FINDINGS = [getApprovals, getFindings, getFindingStream, getFinding, postFinding, postApproval];
const FACTS = [
  ...[postAgents, getAgents, getAgent, patchAgent],
  ...[postTasks, getTasks, getTask, patchTask, postTaskToken],
  ...[postGrants, getGrants, getGrant, patchGrant],
  ...[getNarrowings, getNarrowing, postNarrowing, liftNarrowing, getAgentProfile, rollBackProfile, getBehaviorThresholds],
  // Those of everything first: a route, and what a path allows, is the first that fits.
  ...[postRevocations, getRevocations],
  ...[getRevocationOfEverything, liftRevocationOfEverything, getRevocation, liftRevocation],
  ...[getEvents, getEventStream, postEcho, postImport, getExport, getCluster, dismissNode],
];

const REQUEST_TIMEOUT = "ERR_HTTP_REQUEST_TIMEOUT";
/** No more than the least of the times that requests are given. */
const CHECK_EVERY_MS = 100;

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

export function httpServer(deps: HttpDeps, version: string): HttpServer {
  const { admission: admitted, limits, timers } = deps;
  const admit = admitByCaller(deps.identity, admitted);
  const deciding: readonly FrontRoute[] = [
    ...[decide, decideBatch].map((route) => route(deps, admit)),
    ...opaRoutes(deps, admit, version),
    ...(deps.authzen === undefined ? [] : authzenRoutes(deps.authzen, deps, admit)),
    ...(deps.envoy?.path === undefined ? [] : [envoyCheck(deps.envoy, deps.envoy.path, deps)]),
  ];
  const others = [
    healthz(),
    ...opaHealth(deps),
    readyz(deps),
    metrics(deps),
    ...[...PUBLISHING, ...LOG, ...AFTERWARDS, ...FINDINGS, ...SECURITY_EVENTS].map((route) => route(deps)),
    ...FACTS.map((route) => route(deps)),
  ];
  if (deps.authzen !== undefined) others.push(authzenMetadata(deps.authzen), ...authzenAccessRequests(deps.authzen, deps));
  const routes = [
    ...others,
    openapi(
      [...deciding, ...others].map(({ operation }) => operation),
      version,
    ),
  ];
  const front = frontOf(deciding);
  /** Waits for no module to be loaded, and stands in no queue: what stops everything has to work when nothing else does. */
  const urgent = postRevocations(deps);
  const hosts = new Set(deps.hosts);
  const reservedFor = new Set([urgent.operation.path, "/healthz", "/readyz"]);
  const connections = new Connections(limits, timers);
  let draining = false;

  function answer(request: IncomingMessage, response: ServerResponse, content: Content | Streamed | Live): void {
    send(request, response, content, timers);
  }

  /** @param route whose own words the refusal is in */
  function refuse(request: IncomingMessage, response: ServerResponse, cause: unknown, route?: FrontRoute): void {
    if (response.headersSent || response.destroyed) return;
    const contentOf = (problem: Problem, id?: string): Content => route?.refusal?.(problem, request, id) ?? problemContent(problem, id);
    const { problem, id } = failureOf(cause, deps);
    deps.metrics.problem(problem.code);
    answer(request, response, contentOf(problem, id));
  }

  function run(route: FrontRoute, request: IncomingMessage, response: ServerResponse, params: Record<string, string>): void {
    void (async () => {
      try {
        if (route.operation.query === undefined && route.below !== true) readQuery(request, {});
        const handling = (): ReturnType<FrontRoute["handle"]> => route.handle(request, params, response);
        const content = await (deps.withinTrace === undefined ? handling() : deps.withinTrace(traceparentOf(request), handling));
        if (route.operation.scope !== null) connections.proved(request.socket, () => callerIn(request));
        answer(request, response, content);
      } catch (cause) {
        refuse(request, response, cause, route);
      }
    })();
  }

  function callerIn({ headers }: IncomingMessage): string | null {
    const authorization = headers[ENVOY_CALLER]?.toString() ?? headers.authorization;
    return authorization === undefined ? null : deps.identity.knownCaller(authorization);
  }

  /** Refuses a request for lack of room. Its body is read and dropped, so that its connection can go on. */
  function shed(route: FrontRoute, request: IncomingMessage, response: ServerResponse): void {
    request.resume();
    admitted.hold(() => {
      deps.metrics.problem("overloaded");
      answer(request, response, route.refusal?.(OVERLOADED, request) ?? OVERLOADED_CONTENT);
    });
  }

  let app: Promise<Express> | null = null;

  /** Express is loaded for the first request that needs it: it would take a tenth of the time to the first decision. */
  async function runOther(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      (await (app ??= expressApp(routes, run, refuse)))(request, response);
    } catch (cause) {
      app = null;
      refuse(request, response, cause);
    }
  }

  const handler: Handler = (request, response) => {
    if (draining) response.setHeader("connection", "close");
    const owed = inFlight(request.socket);
    const place = owed.add(response);
    const { socket } = request;
    const goesOn = connections.asked(socket, request, () => callerIn(request));
    response.once("close", () => {
      owed.remove(place);
      connections.answered(socket, request);
    });
    if (!goesOn) return;
    const { url = "", method = "" } = request;
    const path = front.at(url);
    const route = path && (routeFor(path, method) ?? spokesman(path));
    try {
      guard(request, route?.anyHost === true ? null : hosts);
      if (connections.isReserved(socket)) {
        response.setHeader("connection", "close");
        if (!reservedFor.has(url)) throw OVERLOADED;
      }
      if (path === undefined || route === undefined) {
        if (url === urgent.operation.path && method === "POST") run(urgent, request, response, {});
        else void runOther(request, response);
      } else if (routeFor(path, method) === undefined) throw methodNotAllowed(response, [...path.keys()]);
      else if (admitted.full) shed(route, request, response);
      else run(route, request, response, {});
    } catch (cause) {
      refuse(request, response, cause, route);
    }
  };

  const options = {
    maxHeaderSize: limits.header_bytes_max,
    headersTimeout: limits.headers_ms,
    requestTimeout: limits.headers_ms + limits.body_ms,
    keepAliveTimeout: limits.keep_alive_ms,
    // All that are too slow by then are answered in one turn, and nobody else meanwhile.
    connectionsCheckingInterval: CHECK_EVERY_MS,
    requireHostHeader: false, // `guard` refuses it with our own problem
  };
  const server: Server =
    deps.tls === undefined ? createServer(options, handler) : createTlsServer({ ...options, ...deps.tls, minVersion: "TLSv1.2" }, handler);
  server.on("connection", (socket: Socket) => {
    connections.opened(socket);
  });
  server.on("checkExpectation", handler); // else Node answers it by itself
  server.on("clientError", (error: NodeJS.ErrnoException, socket: Socket) => {
    const problem = clientProblem(error);
    const owed = inFlight(socket);
    const broken = owed.all().find(({ req }) => !req.complete);
    if (broken !== undefined && error.code === REQUEST_TIMEOUT && isPaced(broken)) return;
    if (broken !== undefined) {
      refuse(broken.req, broken, problem);
      return;
    }
    // More of what isn't HTTP, behind what is refused already: it is taken in and not looked at.
    if (farewells.has(socket)) return;
    farewells.add(socket);
    deps.metrics.problem(problem.code);
    refuseRaw(socket, problem, owed, timers);
  });

  return {
    get connections() {
      return connections.size;
    },
    listen: (host, port) =>
      new Promise((resolve, reject) => {
        server.once("error", reject);
        server.listen(port, host, () => {
          server.off("error", reject);
          resolve(server.address() as AddressInfo);
        });
      }),
    cut: (caller) => {
      connections.cut(caller);
    },
    close: (ms) =>
      new Promise((resolve) => {
        draining = true;
        const cancel = timers.after(ms, () => {
          server.closeAllConnections();
        });
        server.close(() => {
          cancel();
          resolve();
        });
      }),
  };
}

function traceparentOf({ headers }: IncomingMessage): string | undefined {
  const { traceparent } = headers;
  return typeof traceparent === "string" ? traceparent : undefined;
}

async function expressApp(
  routes: readonly Route[],
  run: (route: Route, request: IncomingMessage, response: ServerResponse, params: Record<string, string>) => void,
  refuse: (request: IncomingMessage, response: ServerResponse, cause: unknown) => void,
): Promise<Express> {
  const { default: express } = await import("express");
  const app = express();
  app.disable("x-powered-by");
  app.disable("etag");
  app.enable("case sensitive routing");
  app.enable("strict routing");
  app.set("query parser", false);
  const methods = new Map<string, string[]>();
  for (const route of routes) {
    const { method } = route.operation;
    const path = route.operation.path.replace(/\{(\w+)\}/g, ":$1").replace(/\{\+(\w+)\}/, "*$1");
    app[method](path, (request, response) => {
      run(route, request, response, textParams(request.params));
    });
    methods.set(path, [...(methods.get(path) ?? []), method.toUpperCase()]);
  }
  for (const [path, allowed] of methods) {
    app.all(path, (request, response) => {
      refuse(request, response, methodNotAllowed(response, allowed));
    });
  }
  app.use((request, response) => {
    refuse(request, response, new Problem("not_found"));
  });
  const onError: ErrorRequestHandler = (cause: unknown, request, response, _next) => {
    // The router itself only fails on a path that it cannot decode.
    refuse(request, response, cause instanceof URIError ? new Problem("http_invalid", { expected: "a path that can be decoded" }) : cause);
  };
  app.use(onError);
  return app;
}

/** Returns parameters as texts. For a name that stands for several segments Express gives a list. */
function textParams(params: Readonly<Record<string, string | string[]>>): Record<string, string> {
  const texts = Object.entries(params).map(([name, value]) => [name, Array.isArray(value) ? value.join("/") : value]);
  return Object.fromEntries(texts) as Record<string, string>;
}

function methodNotAllowed(response: ServerResponse, allowed: readonly string[]): Problem {
  response.setHeader("allow", allowed.join(", "));
  return new Problem("method_not_allowed", { expected: allowed.join(", ") });
}

const responses = new WeakMap<Socket, Bag<ServerResponse>>();

/** The answers that a connection still owes. */
function inFlight(socket: Socket): Bag<ServerResponse> {
  let owed = responses.get(socket);
  if (owed === undefined) responses.set(socket, (owed = new Bag()));
  return owed;
}

function clientProblem({ code }: NodeJS.ErrnoException): Problem {
  if (code === "HPE_HEADER_OVERFLOW") return new Problem("headers_too_large");
  if (code === REQUEST_TIMEOUT) return new Problem("body_timeout");
  return new Problem("http_invalid");
}

/** Connections that are ended, since what came over them wasn't HTTP. */
const farewells = new WeakSet<Socket>();
/** Time that whoever is refused so may take to read it: a connection that is cut on bytes that nobody has read takes back what was sent. */
const FAREWELL_MS = 1000;

/** Refuses what isn't HTTP, once, after the answers to earlier requests on the same connection. */
function refuseRaw(socket: Socket, problem: Problem, owed: Bag<ServerResponse>, timers: Pick<Timers, "after">): void {
  const [one] = owed.all();
  if (one !== undefined) {
    one.once("close", () => {
      refuseRaw(socket, problem, owed, timers);
    });
    return;
  }
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const { status, type, body } = problemContent(problem);
  const cancel = timers.after(FAREWELL_MS, () => socket.destroy());
  socket.once("close", cancel);
  socket.end(
    `HTTP/1.1 ${status} Refused\r\ncontent-type: ${type}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n` +
      `cache-control: no-store\r\nconnection: close\r\n\r\n${body}`,
  );
}
