/**
 * Clients over Streamable HTTP: one session each, with the SDK's transport for it. Whoever reaches this acts as the agent, so
 * a browser's page doesn't unless its origin is listed, nor anybody without the token where there is one.
 */
import { timingSafeEqual, hash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { once } from "node:events";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import { SUPPORTED_PROTOCOL_VERSIONS } from "@modelcontextprotocol/sdk/types.js";
import type { Timers } from "../../system/index.js";
import type { GuardConfig } from "./config.js";
import { BodyTooLarge, DirectCalls, bodyOf } from "./direct.js";
import { lengthOf, listenTo, type End, type MessageListener } from "./end.js";
import { isObject } from "../../mapping/call_mapping.js";
import { AllowedOrigins } from "./origins.js";
import { isStateless } from "./stateless.js";
import { StatelessClients } from "./stateless_clients.js";
import { RPC, type JSONRPCMessage, type RequestId } from "./wire.js";

const SESSION = "mcp-session-id";
const VERSION = "mcp-protocol-version";
/** For a whole request to arrive. */
const REQUEST_MS_MAX = 30_000;
const LOCAL = ["localhost", "127.0.0.1", "[::1]"];

interface ClientsDeps {
  config: GuardConfig;
  timers: Timers;
  /** Token that clients must send; null: none is required. */
  token: string | null;
  uuid: () => string;
  /** A client has come. */
  begin: (session: string, end: End) => Promise<void>;
}

export interface Clients {
  url: string;
  close: () => Promise<void>;
}

/** @throws Error where nothing can be listened on */
export async function listenForClients(deps: ClientsDeps): Promise<Clients> {
  const { listen } = deps.config;
  if (listen === undefined) throw new TypeError("the configuration has no `listen`");
  const door = new Door(deps, listen);
  const server = createServer({ requestTimeout: REQUEST_MS_MAX }, (request, response) => {
    void door.enter(request, response);
  });
  server.listen(listen.port, listen.host);
  await once(server, "listening");
  const { port, address, family } = server.address() as AddressInfo;
  return {
    url: `http://${family === "IPv6" ? `[${address}]` : address}:${port}${listen.path}`,
    close: async () => {
      await door.close();
      await closed(server);
    },
  };
}

async function closed(server: Server): Promise<void> {
  const over = once(server, "close");
  server.close();
  server.closeAllConnections();
  await over;
}

type DoorRefusal = [status: number, why: string];

class Door {
  readonly #deps: ClientsDeps;
  readonly #path: string;
  readonly #hosts: readonly string[];
  readonly #origins: AllowedOrigins;
  readonly #ends = new Map<string, HttpClientEnd>();
  readonly #stateless: StatelessClients;
  /** Requests that may yet begin a session. */
  #beginning = 0;

  constructor(deps: ClientsDeps, { path, hosts = LOCAL, origins = [] }: NonNullable<GuardConfig["listen"]>) {
    this.#deps = deps;
    this.#path = path;
    this.#hosts = hosts;
    this.#origins = new AllowedOrigins(origins);
    this.#stateless = new StatelessClients({ ...deps, mayBegin: () => this.#mayBegin() });
  }

  async enter(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const stranger = this.#strangerRefusal(request);
    if (stranger !== null) {
      refuse(response, ...stranger);
      return;
    }
    this.#origins.expose(request, response);
    const refused = this.#pathRefusal(request);
    // A browser asks before it has been given any token.
    if (refused === null && this.#origins.preflight(request, response)) return;
    const unserved = refused ?? this.#tokenRefusal(request);
    if (unserved !== null) {
      refuse(response, ...unserved);
      return;
    }
    const { [SESSION]: named, [VERSION]: version } = request.headers;
    const { message_bytes_max } = this.#deps.config.limits;
    try {
      // That revision has no sessions: an id of one beside it is ignored.
      if (request.method === "POST" && typeof version === "string" && !SUPPORTED_PROTOCOL_VERSIONS.includes(version))
        await this.#stateless.enter(request, response, await bodyOf(request, message_bytes_max));
      else if (typeof named === "string") {
        const end = this.#ends.get(named);
        if (end === undefined) refuse(response, 404, "there is no such session");
        else await end.handle(request, response);
      } else if (request.method !== "POST") refuse(response, 400, `there is no ${SESSION}`);
      else {
        const text = await bodyOf(request, message_bytes_max);
        const message = parsed(text);
        // It says so in its body alone, which is for its client to mend.
        if (isStateless(paramsOf(message))) await this.#stateless.enter(request, response, text);
        else if (!this.#mayBegin()) refuse(response, 503, "as many sessions are open as the limit allows");
        else await this.#begin(request, response, message);
      }
    } catch (cause) {
      if (cause instanceof BodyTooLarge && !response.headersSent) {
        response.setHeader("connection", "close");
        refuse(response, 413, "the body is larger than a message may be");
      } else if (!response.headersSent) refuse(response, 500, "it failed");
      else response.destroy();
    }
  }

  async close(): Promise<void> {
    await Promise.allSettled([...[...this.#ends.values()].map((end) => end.close()), this.#stateless.close()]);
  }

  #mayBegin(): boolean {
    return this.#ends.size + this.#beginning + this.#stateless.size < this.#deps.config.limits.sessions_max;
  }

  /** The host comes first: a page whose own name leads here has an origin that seems right to it. */
  #strangerRefusal(request: IncomingMessage): DoorRefusal | null {
    const host = (request.headers.host ?? "").replace(/:\d{1,5}$/, "").toLowerCase();
    if (!this.#hosts.includes(host)) return [421, "the Host is not one that this guard answers for"];
    return this.#origins.allows(request) ? null : [403, "requests from browsers are not served"];
  }

  #pathRefusal({ url = "" }: IncomingMessage): DoorRefusal | null {
    return url.split("?")[0] === this.#path ? null : [404, "there is nothing here"];
  }

  #tokenRefusal({ headers }: IncomingMessage): DoorRefusal | null {
    const { token } = this.#deps;
    return token === null || isBearer(headers.authorization, token) ? null : [401, "no bearer token, or not the right one"];
  }

  /** Whatever comes without a session is taken for the first message of one; the transport refuses what isn't. */
  async #begin(request: IncomingMessage, response: ServerResponse, message: unknown): Promise<void> {
    const { config, timers, uuid, begin } = this.#deps;
    const id = uuid();
    let begun = false;
    this.#beginning++;
    const over = (): void => {
      if (!begun) this.#beginning--;
      begun = true;
    };
    const end = new HttpClientEnd({
      limits: config.limits,
      timers,
      session: id,
      open: async () => {
        over();
        this.#ends.set(id, end);
        await begin(id, end);
      },
      closed: () => {
        this.#ends.delete(id);
      },
    });
    try {
      await end.handle(request, response, message);
    } finally {
      over();
      // What only knocked, and has begun no session, leaves nothing behind.
      if (!this.#ends.has(id)) await end.close();
    }
  }
}

interface EndDeps {
  limits: GuardConfig["limits"];
  timers: Timers;
  session: string;
  /** A client has begun the session. */
  open: () => Promise<void>;
  closed: () => void;
}

/** The client's side of one session. */
class HttpClientEnd implements End {
  readonly #deps: EndDeps;
  readonly #transport: StreamableHTTPServerTransport;
  readonly #direct: DirectCalls;
  /** Responses that are open; the one that isn't to a request of the client's stands open for everything else. */
  readonly #open = new Set<ServerResponse>();
  #standing: ServerResponse | null = null;
  /** Handed over, and not written to any of them yet. */
  #waiting_bytes = 0;
  #listener: MessageListener | null = null;
  #stopIdle: () => void = () => undefined;
  #isOver = false;

  constructor(deps: EndDeps) {
    this.#deps = deps;
    this.#direct = new DirectCalls(deps.session, deps.limits.message_bytes_max, deps.timers);
    this.#transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: () => deps.session,
      onsessioninitialized: () => deps.open(),
      maxRequestBodySize: deps.limits.message_bytes_max,
    });
  }

  /** @param read its body, where that has been read */
  async handle(request: IncomingMessage, response: ServerResponse, read?: unknown): Promise<void> {
    this.#watch(response);
    if (request.method === "GET") this.#standing = response;
    if (this.#listener === null || !this.#direct.mayBe(request)) {
      await this.#passOn(request, response, read);
      return;
    }
    const { headers } = request;
    const message = parsed(await bodyOf(request));
    // The transport knows how to say so.
    const isCall =
      !this.#isOver &&
      this.#direct.take(message, response, (call) => {
        this.#listener?.message(call, headers);
      });
    if (!isCall) await this.#passOn(request, response, message);
  }

  begin(listener: MessageListener): Promise<void> {
    this.#listener = listener;
    return listenTo(this.#transport, {
      ...listener,
      closed: () => {
        this.#isOver = true;
        this.#stopIdle();
        this.#direct.close();
        this.#deps.closed();
        listener.closed();
      },
    });
  }

  send(message: JSONRPCMessage, about?: RequestId): void {
    const of = "method" in message ? about : message.id;
    const isProgress = "method" in message && message.method === "notifications/progress";
    if (of !== undefined && this.#direct.has(of) && (isProgress || this.#standing === null || !("method" in message))) {
      this.#sendDirect(message, of);
      return;
    }
    this.#waiting_bytes += lengthOf(message);
    if (this.#waiting_bytes > this.#deps.limits.waiting_bytes_max && this.#isStuck()) {
      void this.close();
      return;
    }
    const related = this.#standing !== null && !isProgress ? undefined : about;
    this.#transport.send(message, related === undefined ? {} : { relatedRequestId: related }).catch((cause: unknown) => {
      this.#listener?.unsent(message, cause);
    });
  }

  #sendDirect(message: JSONRPCMessage, about: RequestId): void {
    try {
      if (this.#direct.send(message, about) > this.#deps.limits.waiting_bytes_max) void this.close();
    } catch (cause) {
      this.#listener?.unsent(message, cause);
    }
  }

  agreed(): void {
    // The transport reads the revision from each request.
  }

  close(): Promise<void> {
    return this.#transport.close();
  }

  /** Returns true if any response is waiting for its reader; if none is, resets the count: messages for nobody were never written. */
  #isStuck(): boolean {
    const stuck = [...this.#open].some((response) => response.writableNeedDrain);
    if (!stuck) this.#waiting_bytes = 0;
    return stuck;
  }

  /** To the transport, which writes when it can: what it has written waits no longer. */
  async #passOn(request: IncomingMessage, response: ServerResponse, message?: unknown): Promise<void> {
    const write = response.write.bind(response) as (...args: unknown[]) => boolean;
    response.write = ((chunk: string | Uint8Array, ...rest: unknown[]) => {
      this.#waiting_bytes = Math.max(0, this.#waiting_bytes - chunk.length);
      return write(chunk, ...rest);
    }) as ServerResponse["write"];
    await this.#transport.handleRequest(request, response, message);
  }

  #watch(response: ServerResponse): void {
    const { limits, timers } = this.#deps;
    this.#stopIdle();
    this.#open.add(response);
    response.once("close", () => {
      this.#open.delete(response);
      if (this.#standing === response) this.#standing = null;
      if (this.#open.size > 0) return;
      this.#stopIdle();
      this.#stopIdle = timers.after(limits.session_idle_ms, () => void this.close());
    });
  }
}

function isBearer(header: string | undefined, token: string): boolean {
  const digest = (text: string): Buffer => hash("sha256", text, "buffer");
  return timingSafeEqual(digest(header ?? ""), digest(`Bearer ${token}`));
}

/** Parses JSON; returns null, which isn't a message either, if it can't be parsed. */
function parsed(text: string | null): unknown {
  try {
    return JSON.parse(text ?? "null");
  } catch {
    return null;
  }
}

function paramsOf(message: unknown): Record<string, unknown> | undefined {
  const { params } = isObject(message) ? message : {};
  return isObject(params) ? params : undefined;
}

function refuse(response: ServerResponse, status: number, message: string): void {
  const body = JSON.stringify({ jsonrpc: "2.0", id: null, error: { code: RPC.invalid_request, message } });
  response.writeHead(status, { "content-type": "application/json" });
  response.end(body);
}
