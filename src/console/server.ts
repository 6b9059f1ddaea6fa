/** The console: a process of its own between browsers and the service, which goes on refusing every browser. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import type { ChangeEvent, Scope } from "../contract/index.js";
import type { System } from "../system/index.js";
import type { Logger } from "../system/logger.js";
import { reportConsole } from "./log_events.js";
import { isLoopback } from "../system/config/urls.js";
import { Connections } from "../system/connections.js";
import { readBytes } from "../system/read_file.js";
import { Assets, type PageKind } from "./assets.js";
import type { ConsoleConfig } from "./config.js";
import { SECURITY_HEADERS, checkChanges, checkHost, checkReads, cookieOf, originsOf, type OwnOrigins } from "./doors.js";
import { LOGIN_LASTS_MS, Oidc } from "./oidc.js";
import { OneTime } from "./one_time.js";
import { ConsoleProblem, type ConsoleProblemCode } from "./problems.js";
import { LIVE_FILTERS, type LiveFilter } from "./pulse.js";
import { Sessions, type Person, type SignedInSession } from "./sessions.js";
import { SlackApprovals } from "./slack.js";
import { LiveStreams } from "./streams.js";
import { Tokens } from "./tokens.js";
import { ServiceUpstream, passedRoute } from "./upstream.js";

export interface RunningConsole {
  /** Origin by which browsers reach it. */
  readonly url: string;
  /** Returns an address that signs in once; null unless it runs for this machine alone. */
  readonly signIn: () => string | null;
  stop(): Promise<void>;
}

export interface ConsoleOptions {
  /** True: who has the address that it prints signs in, on loopback. */
  local: boolean;
  /** Folder of the built pages. */
  page: string;
  /** Path of the compiler as WebAssembly, for the playground. */
  opa: string;
  /** Called with a new address when somebody without a session looks for one. */
  announce?: (url: string) => void;
}

const JSON_BYTES_MAX = 256 * 1024;
const BUNDLE_BYTES_MAX = 64 * 1024 * 1024;
const SWEEP_MS = 30_000;
const JSON_TYPE = "application/json";
const BUNDLE_TYPES = ["application/gzip", "application/octet-stream"];
const SERVICE = "/api/service";
/** Request that the places which are kept for it take, and no other. */
const STOP = { method: "POST", path: `${SERVICE}/revocations` };
const KEEP_ALIVE_MS = 60_000;
/** Connections that are closed for lack of room share a line of the log within this time. */
const CROWDED_MS = 60_000;
const SLACK = "/slack/actions";
const LOGGED: ReadonlySet<ConsoleProblemCode> = new Set<ConsoleProblemCode>([
  "internal",
  "service_unreachable",
  "login_refused",
  "slack_refused",
]);

/**
 * Starts the console.
 * @throws Error saying what is wrong with the configuration, its files or its address
 */
export async function startConsole(
  config: ConsoleConfig,
  options: ConsoleOptions,
  system: System,
  logger: Logger,
): Promise<RunningConsole> {
  if (options.local && config.local === undefined)
    throw new Error("`local` is missing in the configuration: who signs in, and what may that person do");
  if (options.local && !isLoopback(config.listen.host))
    throw new Error("`listen.host` is not a loopback address, and --local is for this machine alone");
  if (!options.local && config.oidc === undefined) throw new Error("`oidc` is missing in the configuration; --local signs in without it");
  const assets = new Assets(options.page, options.opa);
  const tokens = new Tokens(config.issuer, system.clock);
  const upstream = new ServiceUpstream(config.service, system.timers);
  const sessions = new Sessions(config.sessions, system);
  const oneTime = new OneTime(system);
  const slack = config.slack === undefined ? null : new SlackApprovals(config.slack, { tokens, upstream, system, logger });
  const streams = new LiveStreams({ upstream, tokens, system, changed: signOutRevoked });
  let crowded = 0;
  const connections = new Connections(
    { connections_max: config.listen.connections_max, keep_alive_ms: KEEP_ALIVE_MS },
    system.timers,
    () => {
      if (crowded++ === 0) reportCrowded(1);
    },
  );
  const timeouts = { headersTimeout: 10_000, requestTimeout: 120_000, keepAliveTimeout: KEEP_ALIVE_MS };
  const bounds = { maxHeaderSize: 16 * 1024, ...timeouts, requireHostHeader: false };
  const { tls } = config;
  const server: Server =
    tls === undefined
      ? createServer(bounds, answer)
      : createTlsServer({ ...bounds, cert: readBytes(tls.cert), key: readBytes(tls.key), minVersion: "TLSv1.2" }, answer);
  server.on("connection", (socket: Socket) => {
    connections.opened(socket);
  });
  const { port } = await listening(server, config.listen);
  const scheme = tls === undefined ? "http" : "https";
  const host = config.listen.host.includes(":") ? `[${config.listen.host}]` : config.listen.host;
  const url = config.public_url ?? `${scheme}://${host}:${port}`;
  const origins: OwnOrigins = originsOf(config.public_url === undefined ? addressesOf(scheme, host, port) : [url]);
  const oidc = config.oidc === undefined || options.local ? null : new Oidc(config.oidc, url, system);
  // Only over TLS can a cookie be kept from whoever else is at the name; on loopback the name is this machine's.
  const isSecure = url.startsWith("https:");
  const cookieName = isSecure ? "__Host-remit" : `remit-console-${port}`;
  const loginCookie = isSecure ? "__Host-remit-login" : `remit-console-login-${port}`;
  const stops = [
    system.timers.every(SWEEP_MS, () => {
      sessions.sweep();
    }),
    system.timers.every(CROWDED_MS, () => {
      if (crowded > 1) reportCrowded(crowded - 1);
      crowded = 0;
    }),
  ];
  streams.start();
  reportConsole(logger, "console_listening", { url, service: config.service.url, sign_in: options.local ? "local" : "oidc" });

  return {
    url,
    signIn: () => (options.local ? `${url}/local?code=${oneTime.next()}` : null),
    async stop() {
      for (const stop of stops) stop();
      streams.close();
      upstream.close();
      await new Promise<void>((resolve) => {
        server.close(() => {
          resolve();
        });
        server.closeAllConnections();
      });
    },
  };

  function answer(request: IncomingMessage, response: ServerResponse): void {
    for (const [name, value] of Object.entries(SECURITY_HEADERS)) response.setHeader(name, value);
    if (isSecure) response.setHeader("strict-transport-security", "max-age=31536000");
    const { socket } = request;
    const goesOn = connections.asked(socket, request, () => sessionOf(request)?.person.id ?? null);
    response.once("close", () => {
      connections.answered(socket, request);
    });
    if (!goesOn) return;
    route(request, response).catch((cause: unknown) => {
      refuse(response, cause);
    });
  }

  function refuse(response: ServerResponse, cause: unknown): void {
    const problem = cause instanceof ConsoleProblem ? cause : new ConsoleProblem("internal", null, { cause });
    if (LOGGED.has(problem.code))
      reportConsole(logger, "console_request_failed", { code: problem.code, expected: problem.expected, detail: detailOf(problem.cause) });
    if (response.headersSent) {
      response.destroy();
      return;
    }
    sendJson(response, problem.status, problem, "application/problem+json");
  }

  async function route(request: IncomingMessage, response: ServerResponse): Promise<void> {
    checkHost(request, origins);
    const [path, search] = splitOnce(request.url ?? "/", "?");
    if (connections.isReserved(request.socket)) {
      response.setHeader("connection", "close");
      if (request.method !== STOP.method || path !== STOP.path) throw new ConsoleProblem("connections_full");
    }
    const isRead = request.method === "GET" || request.method === "HEAD";
    if (path.startsWith("/assets/") && isRead) {
      if (!(await assets.sendFile(request, response, path.slice("/assets/".length)))) throw new ConsoleProblem("not_found");
      return;
    }
    if (path.startsWith("/api/")) {
      await api(request, response, path, search);
      return;
    }
    if (path === SLACK && request.method === "POST" && slack !== null) {
      await pressed(slack, request, response);
      return;
    }
    if (!isRead) throw new ConsoleProblem("method_not_allowed", "GET");
    const query = new URLSearchParams(search);
    if (path === "/local") signInLocally(request, response, query.get("code") ?? "");
    else if (path === "/login") await beginLogin(response, query);
    else if (path === "/login/callback") await endLogin(request, response, query);
    else {
      if (options.local && sessionOf(request) === null && !oneTime.isOut) options.announce?.(`${url}/local?code=${oneTime.next()}`);
      assets.sendShell(request, response, shellOf(path, query));
    }
  }

  async function api(request: IncomingMessage, response: ServerResponse, path: string, search: string): Promise<void> {
    checkReads(request, origins);
    const session = sessionOf(request);
    if (session === null) throw new ConsoleProblem("session_missing");
    if (path.startsWith(`${SERVICE}/`)) {
      await passOn(request, response, session, path.slice(SERVICE.length), search);
      return;
    }
    const { person, csrf } = session;
    switch (`${request.method ?? ""} ${path}`) {
      case "GET /api/me":
        sendJson(response, 200, {
          ...{ person: person.id, scopes: [...person.scopes], csrf, service: config.service.url, local: options.local },
          fresh: isFresh(person),
        });
        return;
      case "GET /api/stream":
        streams.open(response, session, filterOf(search));
        return;
      case "POST /api/logout":
        checkChanges(request, origins, session, [JSON_TYPE]);
        sessions.end(cookieOf(request, cookieName) ?? "");
        response.setHeader("set-cookie", cookie(cookieName, "", 0));
        response.setHeader("clear-site-data", '"cache", "storage"');
        sendJson(response, 200, { ok: true });
        return;
      default:
        throw new ConsoleProblem("not_found");
    }
  }

  async function passOn(
    request: IncomingMessage,
    response: ServerResponse,
    session: SignedInSession,
    path: string,
    search: string,
  ): Promise<void> {
    const { person } = session;
    const passed = passedRoute(request.method, path);
    // Segments that a parser behind might resolve: the path that was looked at is the one that is asked for.
    if (passed === null || /(?:^|\/)\.{1,2}(?:\/|$)|%2f|%5c|%2e|\\/i.test(path)) throw new ConsoleProblem("not_found");
    const changes = passed.method !== "GET";
    if (changes) checkChanges(request, origins, session, passed.takesBundle === true ? BUNDLE_TYPES : [JSON_TYPE]);
    const scopes: Scope[] = passed.scopes.filter((scope) => person.scopes.has(scope));
    if (passed.scopes.length > 0 && scopes.length === 0) throw new ConsoleProblem("scope_missing", passed.scopes.join(" or "));
    const body = changes ? await bodyOf(request, passed.takesBundle === true ? BUNDLE_BYTES_MAX : JSON_BYTES_MAX) : undefined;
    const said = body === undefined || passed.takesBundle === true ? null : parsed(body);
    if (passed.widens?.(said) === true && !isFresh(person)) throw new ConsoleProblem("login_stale");
    const headers: Record<string, string> = {};
    for (const name of ["content-type", "if-match"] as const) {
      const value = request.headers[name];
      if (changes && typeof value === "string") headers[name] = value;
    }
    const token = passed.scopes.length === 0 ? null : tokens.forRequest(person.id, scopes, person.signed_in_ms);
    const begun = system.clock.monotonic();
    const answered = await upstream.ask({
      method: passed.method,
      path: `${path}${search === "" ? "" : `?${search}`}`,
      token,
      headers,
      body,
    });
    const took_ms = Math.round((system.clock.monotonic() - begun) * 10) / 10;
    if (changes)
      reportConsole(logger, "change_passed_on", { person: person.id, method: passed.method, path, status: answered.status, took_ms });
    if (isCutOff(answered.status, answered.body)) sessions.endOf(person.id);
    // A browser receives JSON, a bundle's bytes or plain text, whatever type the service sent.
    const isJson = /^application\/(?:problem\+)?json\b/.test(answered.type);
    const type = isJson ? answered.type : passed.givesBundle === true ? "application/gzip" : "text/plain; charset=utf-8";
    response.writeHead(answered.status, {
      ...{ "content-type": type, "content-length": answered.body.length, "cache-control": "no-store", "x-remit-took-ms": String(took_ms) },
      ...(answered.etag !== null && { etag: answered.etag }),
    });
    response.end(answered.body);
  }

  /** Answers Slack at once: it waits for three seconds, and the service may take longer. */
  async function pressed(slack: SlackApprovals, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { "x-slack-request-timestamp": timestamp, "x-slack-signature": signature } = request.headers;
    const rest = slack.take({ timestamp, signature, body: await bodyOf(request, JSON_BYTES_MAX) });
    response.writeHead(200, { "content-length": 0, "cache-control": "no-store" }).end();
    await rest();
  }

  function signInLocally(request: IncomingMessage, response: ServerResponse, code: string): void {
    if (!options.local || config.local === undefined || !oneTime.take(code))
      throw new ConsoleProblem("login_refused", "the address that `remit console` printed last; each works once");
    signIn(request, response, { id: config.local.person, scopes: new Set(config.local.scopes), signed_in_ms: null }, "/");
  }

  async function beginLogin(response: ServerResponse, query: URLSearchParams): Promise<void> {
    if (oidc === null) throw new ConsoleProblem("not_found");
    const begun = await oidc.begin(query.get("to") ?? "/", query.get("fresh") === "1");
    response.writeHead(303, {
      location: begun.url,
      "cache-control": "no-store",
      "set-cookie": cookie(loginCookie, begun.cookie, LOGIN_LASTS_MS),
    });
    response.end();
  }

  async function endLogin(request: IncomingMessage, response: ServerResponse, query: URLSearchParams): Promise<void> {
    if (oidc === null) throw new ConsoleProblem("not_found");
    const { person, to } = await oidc.end(query, cookieOf(request, loginCookie));
    signIn(request, response, person, to);
  }

  function reportCrowded(closed: number): void {
    reportConsole(logger, "console_crowded", { closed, open: connections.size, connections_max: config.listen.connections_max });
  }

  /** Begins a session under a new id, whatever id the browser came with. */
  function signIn(request: IncomingMessage, response: ServerResponse, person: Person, to: string): void {
    const before = cookieOf(request, cookieName);
    if (before !== null) sessions.end(before);
    const id = sessions.begin(person);
    reportConsole(logger, "person_signed_in", { person: person.id });
    const cookies = [cookie(cookieName, id, config.sessions.lasts_ms), cookie(loginCookie, "", 0)];
    response.writeHead(303, { location: to, "cache-control": "no-store", "set-cookie": cookies });
    response.end();
  }

  function sessionOf(request: IncomingMessage): SignedInSession | null {
    return sessions.use(cookieOf(request, cookieName));
  }

  function cookie(name: string, value: string, lasts_ms: number): string {
    return `${name}=${value}; Path=/; Max-Age=${Math.floor(lasts_ms / 1000)}; HttpOnly; SameSite=Lax${isSecure ? "; Secure" : ""}`;
  }

  function isFresh({ signed_in_ms }: Person): boolean {
    return signed_in_ms === null || system.clock.wall() - signed_in_ms <= config.sessions.fresh_ms;
  }

  /** Signs out whoever is revoked: as a caller under any issuer's name, or as a person. */
  function signOutRevoked({ change, scope, of }: ChangeEvent): void {
    if (change !== "revoked" || (scope !== "caller" && scope !== "principal")) return;
    sessions.endOf(of);
    const colon = of.indexOf(":");
    if (scope === "caller" && colon !== -1) sessions.endOf(of.slice(colon + 1));
  }
}

/** Names that lead to a loopback address that is listened at. */
function addressesOf(scheme: string, host: string, port: number): string[] {
  const names = host === "127.0.0.1" || host === "localhost" ? [...new Set([host, "localhost"])] : [host];
  return names.map((name) => `${scheme}://${name}:${port}`);
}

function listening(server: Server, { host, port }: ConsoleConfig["listen"]): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.off("error", reject);
      resolve(server.address() as AddressInfo);
    });
  });
}

/** @throws ConsoleProblem `body_too_large` */
async function bodyOf(request: IncomingMessage, bytesMax: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > bytesMax) throw new ConsoleProblem("body_too_large", `at most ${bytesMax} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** @throws ConsoleProblem `body_invalid` */
function parsed(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString("utf8"));
  } catch (cause) {
    throw new ConsoleProblem("body_invalid", "JSON", { cause });
  }
}

/** Returns true if the service says that it takes no token of this caller any more. */
function isCutOff(status: number, body: Buffer): boolean {
  return (status === 401 || status === 403) && /"code":"caller_cut_off"/.test(body.subarray(0, 2048).toString("latin1"));
}

function filterOf(search: string): LiveFilter {
  const query = new URLSearchParams(search);
  const given = LIVE_FILTERS.flatMap((name) => {
    const value = query.get(name);
    return value === null || value === "" ? [] : [[name, value.slice(0, 512)]];
  });
  return Object.fromEntries(given) as LiveFilter;
}

function sendJson(response: ServerResponse, status: number, value: unknown, type = JSON_TYPE): void {
  const body = JSON.stringify(value);
  response.writeHead(status, { "content-type": type, "content-length": Buffer.byteLength(body), "cache-control": "no-store" });
  response.end(body);
}

/** Pages that evaluate a bundle are documents of their own, since only they may. */
function shellOf(path: string, query: URLSearchParams): PageKind {
  if (path === "/policy/try") return "playground";
  return path.startsWith("/records/") && query.has("replay") ? "replay" : "app";
}

function splitOnce(text: string, by: string): [string, string] {
  const at = text.indexOf(by);
  return at === -1 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}

function detailOf(cause: unknown): string | undefined {
  return cause instanceof Error ? cause.message : undefined;
}
