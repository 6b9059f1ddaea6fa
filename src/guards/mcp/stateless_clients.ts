/**
 * Clients over HTTP of the revision that has no sessions: each request is whole in itself, and answered on its own connection. All that name
 * the same task, or none, are decided as one session of the guard's, which has a task of its own made for it, and another one before that expires.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Timers } from "../../system/index.js";
import type { GuardConfig } from "./config.js";
import { DirectCalls } from "./direct.js";
import type { End, MessageListener } from "./end.js";
import { mismatch } from "./mirrored.js";
import { CODES, malformed, underId, unsupported } from "./stateless.js";
import { RPC, TASK_HEADER, isMessage, notification, type JSONRPCMessage, type Params, type RequestId, type RpcError } from "./wire.js";

export interface StatelessDeps {
  config: GuardConfig;
  timers: Timers;
  uuid: () => string;
  /** A session of the guard's begins. */
  begin: (session: string, end: End) => Promise<void>;
  /** False where as many are open as the limit allows. */
  mayBegin: () => boolean;
}

/** Answers to a request that isn't served: status, and the error. */
type Unserved = [status: number, error: RpcError];

const JSON_TYPE = /^application\/json(?:[ \t]*;.*)?$/i;
/** Share of a task's life in which requests still begin under it. */
const TASK_SHARE = 0.5;
const BAD_REQUEST = 400;
/** Errors that the specification gives a status; others come as answers do. */
const STATUSES: ReadonlyMap<number, number> = new Map([
  [RPC.method_not_found, 404],
  [CODES.header_mismatch, BAD_REQUEST],
  [CODES.capability_missing, BAD_REQUEST],
  [CODES.version_unsupported, BAD_REQUEST],
]);

export class StatelessClients {
  readonly #deps: StatelessDeps;
  readonly #ends = new Map<string, Promise<StatelessEnd>>();

  constructor(deps: StatelessDeps) {
    this.#deps = deps;
  }

  get size(): number {
    return this.#ends.size;
  }

  /** @param body as text; null where it broke off */
  async enter(request: IncomingMessage, response: ServerResponse, body: string | null): Promise<void> {
    const [message, unserved] = requestIn(request, body);
    if (message === null) {
      answer(response, unserved, idIn(body));
      return;
    }
    const task = request.headers[TASK_HEADER];
    const key = typeof task === "string" ? task : "";
    if (!this.#ends.has(key) && !this.#deps.mayBegin()) {
      answer(response, [503, { code: RPC.invalid_request, message: "as many sessions are open as the limit allows" }], message.id);
      return;
    }
    const end = await this.#endOf(key);
    end.take(message, request.headers, response);
  }

  async close(): Promise<void> {
    await Promise.allSettled([...this.#ends.values()].map(async (end) => (await end).close()));
  }

  #endOf(key: string): Promise<StatelessEnd> {
    const open = this.#ends.get(key);
    if (open !== undefined) return open;
    const opening = this.#open(key, () => {
      if (this.#ends.get(key) === opening) this.#ends.delete(key);
    });
    this.#ends.set(key, opening);
    opening.catch(() => this.#ends.delete(key));
    return opening;
  }

  async #open(key: string, gone: () => void): Promise<StatelessEnd> {
    const { config, timers, uuid, begin } = this.#deps;
    const end = new StatelessEnd(config.limits, timers, gone);
    await begin(uuid(), end);
    // A task that the host has made is the host's to keep.
    if (key === "") {
      timers.after(config.task.lasts_ms * TASK_SHARE, () => {
        gone();
        end.retire();
      });
    }
    return end;
  }
}

type ClientRequest = JSONRPCMessage & { id: RequestId; method: string; params?: Params };

/** Takes a request apart. @returns the message, or why it isn't served */
function requestIn(
  { headers }: IncomingMessage,
  body: string | null,
): [message: ClientRequest, unserved: null] | [message: null, unserved: Unserved] {
  const { accept = "", "content-type": type = "" } = headers;
  const bad = (status: number, code: number, message: string): [null, Unserved] => [null, [status, { code, message }]];
  if (!JSON_TYPE.test(type)) return bad(415, RPC.invalid_request, "the body has to be application/json");
  if (!accept.includes("application/json") || !accept.includes("text/event-stream")) {
    return bad(406, RPC.invalid_request, "the client has to accept both application/json and text/event-stream");
  }
  let value: unknown;
  try {
    value = JSON.parse(body ?? "");
  } catch {
    return bad(BAD_REQUEST, RPC.parse, "the body is no JSON");
  }
  if (!isMessage(value) || !("method" in value) || !("id" in value)) return bad(BAD_REQUEST, RPC.invalid_request, "the body is no request");
  const message = value as ClientRequest;
  const { method, params } = message;
  const wrong = malformed(params) ?? mismatch(headers, method, params) ?? unsupported(params);
  return wrong === null ? [message, null] : [null, [BAD_REQUEST, wrong]];
}

/** Returns the id that an error answers; null if the request has none that can be read. */
function idIn(body: string | null): RequestId | null {
  try {
    const { id } = JSON.parse(body ?? "") as { id?: unknown };
    return typeof id === "string" || typeof id === "number" ? id : null;
  } catch {
    return null;
  }
}

function answer(response: ServerResponse, [status, error]: Unserved, id: RequestId | null): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify({ jsonrpc: "2.0", id, error }));
}

interface OpenRequest {
  /** The client's own. */
  id: RequestId;
  response: ServerResponse;
}

/** Requests of many clients, each under an id of the guard's own, since two may give the same. */
class StatelessEnd implements End {
  readonly #limits: GuardConfig["limits"];
  readonly #timers: Timers;
  readonly #gone: () => void;
  readonly #direct: DirectCalls;
  readonly #open = new Map<RequestId, OpenRequest>();
  #listener: MessageListener | null = null;
  #last = 0;
  #stopIdle: () => void = () => undefined;
  #isRetired = false;
  #isOver = false;

  constructor(limits: GuardConfig["limits"], timers: Timers, gone: () => void) {
    this.#limits = limits;
    this.#timers = timers;
    this.#gone = gone;
    this.#direct = new DirectCalls(null, limits.message_bytes_max, timers);
  }

  begin(listener: MessageListener): Promise<void> {
    this.#listener = listener;
    return Promise.resolve();
  }

  take(message: ClientRequest, headers: IncomingMessage["headers"], response: ServerResponse): void {
    if (this.#isOver || this.#listener === null) {
      answer(response, [503, { code: RPC.internal, message: "the session is over" }], message.id);
      return;
    }
    this.#stopIdle();
    const own = ++this.#last;
    this.#open.set(own, { id: message.id, response });
    // Whoever goes away takes the request back.
    response.once("close", () => {
      if (this.#open.delete(own)) this.#listener?.message(notification("notifications/cancelled", { requestId: own }), {});
      if (this.#open.size === 0) this.#rest();
    });
    this.#direct.open(own, response, () => this.#listener?.message({ ...message, id: own }, headers));
  }

  /** Drops what belongs to no request, and questions: nobody here can be asked. */
  send(message: JSONRPCMessage, about?: RequestId): void {
    const isAnswer = !("method" in message);
    const own = isAnswer ? message.id : "id" in message ? undefined : about;
    const open = own === undefined ? undefined : this.#open.get(own);
    if (own === undefined || open === undefined) return;
    try {
      const waiting = this.#direct.send(underClientId(message, open.id), own, statusOf(message));
      if (waiting > this.#limits.waiting_bytes_max) open.response.destroy();
      else if (isAnswer) this.#open.delete(own);
    } catch (cause) {
      this.#listener?.unsent(message, cause);
    }
  }

  agreed(): void {
    // Each request says it.
  }

  /** Serves what is open, and nothing more. */
  retire(): void {
    this.#isRetired = true;
    if (this.#open.size === 0) void this.close();
  }

  close(): Promise<void> {
    if (this.#isOver) return Promise.resolve();
    this.#isOver = true;
    this.#stopIdle();
    this.#direct.close();
    this.#gone();
    this.#listener?.closed();
    return Promise.resolve();
  }

  #rest(): void {
    if (this.#isOver) return;
    this.#stopIdle();
    if (this.#isRetired) void this.close();
    else this.#stopIdle = this.#timers.after(this.#limits.session_idle_ms, () => void this.close());
  }
}

function underClientId(message: JSONRPCMessage, id: RequestId): JSONRPCMessage {
  if ("method" in message) return { ...message, params: underId(message.params, id) };
  if ("result" in message) return { ...message, id, result: underId(message.result, id) };
  return { ...message, id };
}

function statusOf(message: JSONRPCMessage): number {
  return "error" in message ? (STATUSES.get(message.error.code) ?? 200) : 200;
}
