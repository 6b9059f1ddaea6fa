/**
 * One client and one server, with the guard between them. What each method of the protocol is, stands in one table: what acts
 * is decided first, what lists is shortened, what is harmless passes, and anything else is refused.
 */
import { LATEST_PROTOCOL_VERSION, SUPPORTED_PROTOCOL_VERSIONS } from "@modelcontextprotocol/sdk/types.js";
import type { Logger } from "../../system/logger.js";
import { reportGuard } from "./log_events.js";
import type { Timers } from "../../system/index.js";
import { Undecided, type ProblemSaid } from "../../client/index.js";
import { GuardedCalls, type SessionIdentity } from "./calls.js";
import { ToolCatalogue, ListFailed } from "./catalogue.js";
import type { GuardConfig } from "./config.js";
import { Downstream, type Served } from "./downstream.js";
import type { End } from "./end.js";
import { actionOf, isObject, type Mapped } from "../../mapping/call_mapping.js";
import { listen } from "./listening.js";
import { overBounds } from "./measure.js";
import { discover, initialize, type MetServer } from "./meeting.js";
import { argumentMismatch } from "./mirrored.js";
import type { Pins } from "./pins.js";
import { REFUSALS, CallRefusal } from "../../mapping/call_refusal.js";
import type { Remit } from "./remit.js";
import { STATELESS, completed, declaring, discovery, freshMs, isStateless, malformed, unsupported } from "./stateless.js";
import { Subscriptions } from "./subscriptions.js";
import { CAPABILITIES } from "./client_capabilities.js";
import { shapeOf } from "../../mapping/uri_pattern.js";
import { ServerGone, Upstream } from "./upstream.js";
import { REFUSED, RPC, reply, type Notification, type Params, type Reply, type Request, type RpcError } from "./wire.js";

export interface SessionDeps {
  config: GuardConfig;
  pins: Pins;
  /** False where no task and no grant would ever be permitted this. */
  possible: (mapped: Mapped) => boolean;
  remit: Remit;
  log: Logger;
  timers: Timers;
  /** Identifies a session's calls and their task; called when the session begins. @throws CallRefusal */
  identify: (session: string, headers: Readonly<Record<string, unknown>>) => Promise<SessionIdentity>;
  /** Resolves when all is told of a session that is over; never rejects. */
  ended: (who: SessionIdentity | null) => Promise<void>;
}

type Handler = (request: Request, served: Served) => Promise<Reply>;

/** Notifications of the client that the server gets. Others are refused. */
const TOLD_SERVER = new Set(["notifications/initialized", "notifications/roots/list_changed", "notifications/progress"]);
const PAGED = new Set(["cursor"]);
/** Parameters of a retry: state that the server gave, and answers to what it asked, which pass as other answers to it do. */
const RETRIED = ["requestState", "inputResponses"];
/** Members of a request's parameters, beside `_meta`, that are known: another one no policy would see, and the server might act on. */
const KNOWN: Readonly<Record<string, ReadonlySet<string>>> = {
  initialize: new Set(["protocolVersion", "capabilities", "clientInfo"]),
  ping: new Set(),
  "logging/setLevel": new Set(["level"]),
  "tools/list": PAGED,
  "server/discover": new Set(),
  "subscriptions/listen": new Set(["notifications"]),
  "tools/call": new Set(["name", "arguments", "task", ...RETRIED]),
  "prompts/list": PAGED,
  "prompts/get": new Set(["name", "arguments", ...RETRIED]),
  "resources/list": PAGED,
  "resources/templates/list": PAGED,
  "resources/read": new Set(["uri", ...RETRIED]),
  "resources/subscribe": new Set(["uri"]),
  "resources/unsubscribe": new Set(["uri"]),
};
/** Capabilities of a server that this guard refuses, so hides from clients. */
const NOT_OFFERED = ["tasks", "completions"];
/** Capabilities that this guard has for a client whose server speaks another revision, or none of a session's. */
const OFFERED = ["tools", "prompts", "resources"];
/** Methods of a session that a server without sessions doesn't have. */
const OF_SESSIONS = new Set(["logging/setLevel", "resources/subscribe", "resources/unsubscribe"]);
/** Tools that changed in one session. */
const REPORTED_MAX = 100;
/** Members of a tool's definition that differ, as they are reported. */
const CHANGED_MAX = 32;
const CHANGED_LENGTH_MAX = 256;
/** Characters of a text in the guard's log that somebody else has chosen. */
const LOGGED_MAX = 256;
/** Milliseconds in which a server has to say what it is. 30,000. */
const MEETING_MS_MAX = 30_000;

export class Session {
  readonly id: string;
  readonly #deps: SessionDeps;
  readonly #downstream: Downstream;
  readonly #upstream: Upstream;
  readonly #catalogue: ToolCatalogue;
  readonly #calls: GuardedCalls;
  readonly #subscribed: Subscriptions;
  /** Tools that changed, each reported once: a server that changes them to and fro would fill log and findings. */
  readonly #reported = new Set<string>();
  /** True where the client speaks the revision without sessions; null until it has said anything that tells. */
  #isStateless: boolean | null = null;
  /** The server, where the guard has begun with it by itself. */
  #meeting: Promise<MetServer> | null = null;
  #identifying: Promise<SessionIdentity> | null = null;
  #who: SessionIdentity | null = null;
  #over = false;
  #ended = Promise.resolve();

  constructor(id: string, client: End, server: End, deps: SessionDeps) {
    const { config, pins, possible, log } = deps;
    this.id = id;
    this.#deps = deps;
    this.#downstream = new Downstream(
      client,
      {
        serve: (request, served) => this.#serve(request, served),
        refused: (request, why) => refusedReply(request, new CallRefusal(why)),
        notification: (notification) => {
          this.#fromClient(notification);
        },
        answered: (of, answer) => {
          this.#upstream.send(reply(of, answer));
        },
        ignored: (what) => {
          reportGuard(log, "message_ignored", { session: id, of: "client", what });
        },
        closed: () => {
          this.#end("the client is gone");
        },
      },
      config.limits.requests_max,
    );
    this.#upstream = new Upstream(server, {
      request: (request) => {
        this.#fromServer(request);
      },
      notification: (notification) => {
        this.#told(notification);
      },
      ignored: (what) => {
        reportGuard(log, "message_ignored", { session: id, of: "server", what });
      },
      closed: () => {
        this.#end("the server is gone");
      },
    });
    this.#catalogue = new ToolCatalogue({
      mapped: config.tools,
      pins,
      possible,
      tools_max: config.limits.tools_max,
      list: (cursor) => this.#upstream.ask("tools/list", this.#listing(cursor)),
      fresh: (first) => (this.#upstream.isStateless ? freshMs(first) : null),
      timers: deps.timers,
      hidden: (why, name, detail) => {
        reportGuard(log, "tool_hidden", { session: id, tool: name, why, ...detail });
        if (why === "changed" && this.#reported.size < REPORTED_MAX && !this.#reported.has(name)) {
          this.#reported.add(name);
          this.#report(name, detail["changed"]);
        }
      },
    });
    this.#calls = new GuardedCalls({ ...deps, session: id, upstream: this.#upstream });
    this.#subscribed = new Subscriptions({
      decide: (uri) => this.#mayRead(uri),
      pass: (change) => {
        this.#downstream.tell(change);
      },
      ended: (uri, { code, decision_id }) => {
        reportGuard(log, "subscription_ended", { session: id, code, decision_id });
        this.#upstream.ask("resources/unsubscribe", { uri }).catch(() => undefined);
      },
      timers: deps.timers,
    });
  }

  /**
   * Returns the parameters of a list of tools. Without sessions clients share one, and a tool for those with some capability has to stand in it: the
   * server itself refuses a call of it to another.
   */
  #listing(cursor: string | undefined): Params | undefined {
    const params = cursor === undefined ? undefined : { cursor };
    return this.#isStateless === true && this.#upstream.isStateless ? declaring(CAPABILITIES, params) : params;
  }

  /** The client of a server that can't be reached hears so. */
  async begin(): Promise<void> {
    reportGuard(this.#deps.log, "session_began", { session: this.id });
    try {
      await this.#upstream.begin();
    } catch (cause) {
      reportGuard(this.#deps.log, "server_unavailable", { session: this.id, cause: String(cause) });
      this.#upstream.lost();
    }
    await this.#downstream.begin();
  }

  /** Whoever operates looks at findings, and maybe never at this log. */
  #report(tool: string, changed: unknown): void {
    const { config, log, remit } = this.#deps;
    const { agent, purpose, server } = config;
    const members = (Array.isArray(changed) ? (changed as unknown[]) : []).filter((one) => typeof one === "string" && one !== "");
    const said = { tool, changed: members.slice(0, CHANGED_MAX).map((one) => String(one).slice(0, CHANGED_LENGTH_MAX)) };
    remit.report({ code: "tool_changed", agent, purpose, server: nameOf(server), ...said }).catch((cause: unknown) => {
      reportGuard(log, "tool_change_unreported", {
        session: this.id,
        tool,
        reason: cause instanceof Error ? cause.message : String(cause),
      });
    });
  }

  async close(): Promise<void> {
    await Promise.allSettled([this.#downstream.close(), this.#upstream.close()]);
    await this.#ended;
  }

  /** Methods for every client. */
  readonly #common: Readonly<Record<string, Handler>> = {
    "tools/list": ({ params }) => this.#listTools(params),
    "tools/call": (request, served) => this.#callTool(request, served),
    "prompts/list": (request, served) => this.#listed(request, served, "prompts", ({ name }) => this.#prompt(name) !== undefined),
    "prompts/get": (request, served) => this.#getPrompt(request, served),
    "resources/list": (request, served) => this.#listed(request, served, "resources", ({ uri }) => this.#resource(uri) !== null),
    "resources/templates/list": (request, served) =>
      this.#listed(request, served, "resourceTemplates", ({ uriTemplate }) => this.#isMappedTemplate(uriTemplate)),
    "resources/read": (request, served) => this.#readResource(request, served),
  };

  readonly #handlers: Readonly<Record<string, Handler>> = {
    ...this.#common,
    initialize: (request, served) => this.#initialize(request, served),
    ping: (request, served) => this.#pass(request, served),
    "logging/setLevel": (request, served) => this.#pass(request, served),
    "resources/subscribe": (request, served) => this.#subscribe(request, served),
    "resources/unsubscribe": (request, served) => {
      // Whatever the server answers: the client no longer wants to hear of it.
      this.#subscribed.delete(String(request.params?.["uri"]));
      return this.#pass(request, served);
    },
  };

  /** Methods for a client without a session. */
  readonly #statelessHandlers: Readonly<Record<string, Handler>> = {
    ...this.#common,
    "server/discover": () => this.#discovered(),
    "subscriptions/listen": (request, served) => this.#listen(request, served),
  };

  async #serve(request: Request, served: Served): Promise<Reply> {
    const { method, params } = request;
    if (method !== "initialize") this.#isStateless ??= isStateless(params) ? true : null;
    if (this.#isStateless !== true) return this.#served(this.#handlers, request, served);
    const wrong = malformed(params) ?? unsupported(params);
    if (wrong !== null) return { error: wrong };
    return completed(method, await this.#served(this.#statelessHandlers, request, served));
  }

  async #served(handlers: Readonly<Record<string, Handler>>, request: Request, served: Served): Promise<Reply> {
    const { method } = request;
    try {
      const handler = Object.hasOwn(handlers, method) ? handlers[method] : undefined;
      if (handler === undefined) throw new CallRefusal("method_refused");
      const unknown = Object.keys(request.params ?? {}).find((name) => name !== "_meta" && KNOWN[method]?.has(name) !== true);
      if (unknown !== undefined) throw new CallRefusal("argument_unmapped", { argument: unknown });
      if (this.#isStateless === true) await this.#beginStateless(served);
      return await handler(request, served);
    } catch (cause) {
      if (cause instanceof ListFailed) return { error: cause.reply };
      if (cause instanceof HeadersDiffer) return { error: cause.reply };
      const refusal =
        cause instanceof CallRefusal ? cause : cause instanceof ServerGone ? new CallRefusal("server_unavailable", { cause }) : null;
      if (refusal === null) throw cause;
      if (!served.signal.aborted) this.#say(request, refusal);
      return refusedReply(request, refusal);
    }
  }

  #say({ method, params }: Request, { code, argument, decision_id, cause }: CallRefusal): void {
    const { name, uri } = params ?? {};
    const what = typeof name === "string" ? name : typeof uri === "string" ? uri : undefined;
    reportGuard(this.#deps.log, "call_refused", {
      session: this.id,
      method: method.slice(0, 64),
      ...(what !== undefined && { what: what.slice(0, LOGGED_MAX) }),
      code,
      ...(argument !== null && { argument: argument.slice(0, LOGGED_MAX) }),
      ...(decision_id !== null && { decision_id }),
      ...(cause instanceof Error && { cause: cause.name, reason: "code" in cause ? cause.code : cause.message }),
      ...(cause instanceof Undecided && cause.problem !== null && { problem: logged(cause.problem) }),
      ...(typeof cause === "string" && { reason: cause }),
    });
  }

  /** The first request of a client without a session begins all that a session has; what could not begin is begun again by the next. */
  async #beginStateless({ headers }: Served): Promise<void> {
    this.#identifying ??= this.#deps.identify(this.id, headers);
    try {
      this.#who = await this.#identifying;
    } catch (cause) {
      this.#identifying = null;
      throw cause;
    }
    await this.#met();
  }

  /** @throws CallRefusal `server_unavailable` */
  async #met(): Promise<MetServer> {
    const { config, timers } = this.#deps;
    const late = new AbortController();
    const cancel = timers.after(MEETING_MS_MAX, () => {
      late.abort(new Error(`the server has not answered within ${MEETING_MS_MAX} ms`));
    });
    try {
      this.#meeting ??=
        config.server.revision === STATELESS ? discover(this.#upstream, late.signal) : initialize(this.#upstream, late.signal);
      return await this.#meeting;
    } catch (cause) {
      this.#meeting = null;
      throw cause instanceof CallRefusal ? cause : new CallRefusal("server_unavailable", { cause });
    } finally {
      cancel();
    }
  }

  async #discovered(): Promise<Reply> {
    const { capabilities, instructions, server, ttlMs } = await this.#met();
    return { result: discovery({ capabilities: this.#offered(capabilities), instructions: this.#approved(instructions), server, ttlMs }) };
  }

  /** Capabilities of the server that its clients have through this guard, where they speak another revision, or the one without sessions. */
  #offered(capabilities: Params): Params {
    const isWhole = this.#isStateless === true && this.#upstream.isStateless;
    const offered = OFFERED.filter((name) => isObject(capabilities[name]));
    return Object.fromEntries(offered.map((name) => [name, isWhole ? capabilities[name] : {}]));
  }

  #approved(instructions: string | undefined): string | undefined {
    if (instructions === undefined || instructions === this.#deps.pins.instructions) return instructions;
    reportGuard(this.#deps.log, "instructions_hidden", { session: this.id });
    return undefined;
  }

  #listen(request: Request, { signal }: Served): Promise<Reply> {
    if (!this.#upstream.isStateless) throw new CallRefusal("method_refused");
    return listen(request, signal, {
      upstream: this.#upstream,
      mayRead: (uri) => this.#mayRead(uri),
      tell: (notification) => {
        this.#downstream.tellOf(request.id, notification);
      },
      toolsChanged: () => {
        this.#catalogue.changed();
      },
      ended: ({ code, decision_id }) => {
        reportGuard(this.#deps.log, "subscription_ended", { session: this.id, code, decision_id });
      },
      timers: this.#deps.timers,
    });
  }

  /** Answers `initialize` in place of a server without sessions. */
  async #initializeStateless(request: Request): Promise<Reply> {
    const { capabilities, instructions, server } = await this.#met();
    const approved = this.#approved(instructions);
    const { protocolVersion: asked } = request.params ?? {};
    const isSpoken = typeof asked === "string" && SUPPORTED_PROTOCOL_VERSIONS.includes(asked);
    const protocolVersion = isSpoken ? asked : LATEST_PROTOCOL_VERSION;
    this.#downstream.agreed(protocolVersion);
    return {
      result: {
        protocolVersion,
        capabilities: this.#offered(capabilities),
        serverInfo: server ?? { name: "server", version: "unknown" },
        ...(approved !== undefined && { instructions: approved }),
      },
    };
  }

  async #initialize(request: Request, served: Served): Promise<Reply> {
    if (this.#identifying !== null) throw new CallRefusal("method_refused");
    this.#isStateless = false;
    const isOther = this.#deps.config.server.revision === STATELESS;
    let answer: Reply;
    try {
      this.#identifying = this.#deps.identify(this.id, served.headers);
      this.#who = await this.#identifying;
      answer = isOther ? await this.#initializeStateless(request) : await this.#pass(request, served);
    } catch (cause) {
      this.#end("it could not begin");
      throw cause;
    }
    if ("error" in answer || isOther) return answer;
    const { capabilities, instructions, protocolVersion, ...rest } = answer.result;
    if (typeof protocolVersion === "string") {
      this.#upstream.agreed(protocolVersion);
      this.#downstream.agreed(protocolVersion);
    }
    const approved = typeof instructions === "string" ? this.#approved(instructions) : undefined;
    const offered = Object.entries(isObject(capabilities) ? capabilities : {}).filter(([name]) => !NOT_OFFERED.includes(name));
    return {
      result: {
        ...(protocolVersion !== undefined && { protocolVersion }),
        capabilities: Object.fromEntries(offered),
        ...(approved !== undefined && { instructions: approved }),
        ...rest,
      },
    };
  }

  async #pass({ method, params }: Request, { signal, progress }: Served): Promise<Reply> {
    if (this.#upstream.isStateless && method === "ping") return { result: {} };
    if (this.#upstream.isStateless && OF_SESSIONS.has(method)) throw new CallRefusal("method_refused");
    return this.#upstream.ask(method, params, { signal, ...(progress !== null && { progress }) });
  }

  async #listTools(params: Params | undefined): Promise<Reply> {
    // All there is stands on one page: no cursor is this guard's.
    if (params?.["cursor"] !== undefined) return { error: { code: RPC.invalid_params, message: "Invalid cursor" } };
    return { result: await this.#catalogue.list() };
  }

  /** A page of something that is listed, without what isn't mapped. */
  async #listed(request: Request, served: Served, member: string, shown: (item: Params) => boolean): Promise<Reply> {
    const answer = await this.#pass(request, served);
    if ("error" in answer) return answer;
    const items = answer.result[member];
    if (!Array.isArray(items)) throw new CallRefusal("server_unavailable", { cause: "not a list" });
    return { result: { ...answer.result, [member]: items.filter((item: unknown) => isObject(item) && shown(item)) } };
  }

  async #callTool(request: Request, served: Served): Promise<Reply> {
    const { name, arguments: given = {}, task } = request.params ?? {};
    if (typeof name !== "string" || !isObject(given)) throw new CallRefusal("arguments_invalid");
    if (task !== undefined) throw new CallRefusal("task_augmented");
    this.#measure(given);
    const { mapped, listed } = await this.#catalogue.tool(name);
    const { inputSchema: schema } = listed;
    const isHttp = this.#deps.config.listen !== undefined;
    const differs = this.#isStateless === true && isHttp ? argumentMismatch(served.headers, given, schema) : null;
    if (differs !== null) throw new HeadersDiffer(differs);
    return this.#calls.decided(request, served, await this.#whose(), mapped, given, schema);
  }

  async #getPrompt(request: Request, served: Served): Promise<Reply> {
    const { name, arguments: given = {} } = request.params ?? {};
    if (typeof name !== "string" || !isObject(given)) throw new CallRefusal("arguments_invalid");
    const mapped = this.#prompt(name);
    if (mapped === undefined) throw new CallRefusal("prompt_unavailable");
    this.#measure(given);
    return this.#calls.decided(request, served, await this.#whose(), mapped, given);
  }

  async #readResource(request: Request, served: Served): Promise<Reply> {
    const found = this.#resource(request.params?.["uri"]);
    if (found === null) throw new CallRefusal("resource_unavailable");
    return this.#calls.decided(request, served, await this.#whose(), found.mapped, found.values);
  }

  /** Hearing of a resource's changes is decided as reading it. */
  async #subscribe(request: Request, served: Served): Promise<Reply> {
    if (this.#upstream.isStateless) throw new CallRefusal("method_refused");
    const answer = await this.#readResource(request, served);
    if ("result" in answer) this.#subscribed.add(String(request.params?.["uri"]));
    return answer;
  }

  /** @throws CallRefusal */
  async #mayRead(uri: string): Promise<void> {
    const found = this.#resource(uri);
    if (found === null) throw new CallRefusal("resource_unavailable");
    await this.#calls.decide(await this.#whose(), found.mapped, found.values);
  }

  #prompt(name: unknown): Mapped | undefined {
    return typeof name === "string" ? this.#deps.config.prompts.get(name) : undefined;
  }

  #resource(uri: unknown): { mapped: Mapped; values: Record<string, string> } | null {
    if (typeof uri !== "string") return null;
    for (const { uri: pattern, mapped } of this.#deps.config.resources) {
      const values = pattern.match(uri);
      if (values === null) continue;
      // A variable that means nothing is none that a policy would see.
      try {
        actionOf(mapped, values);
      } catch {
        return null;
      }
      return { mapped, values };
    }
    return null;
  }

  #isMappedTemplate(template: unknown): boolean {
    return typeof template === "string" && this.#deps.config.resources.some(({ uri }) => uri.shape === shapeOf(template));
  }

  /** @throws CallRefusal `arguments_too_large`, `arguments_too_deep` */
  #measure(given: Record<string, unknown>): void {
    const over = overBounds(given, this.#deps.config.limits);
    if (over !== null) throw new CallRefusal(over);
  }

  /** @throws CallRefusal `not_decided`: before `initialize` nobody is anybody */
  async #whose(): Promise<SessionIdentity> {
    const who = await this.#identifying;
    if (who === null) throw new CallRefusal("not_decided");
    return who;
  }

  #fromClient(notification: Notification): void {
    const isTold = TOLD_SERVER.has(notification.method) && this.#isStateless !== true;
    // A server without sessions hears nothing of one.
    if (isTold && this.#upstream.isStateless) return;
    if (isTold) this.#upstream.send(notification);
    else reportGuard(this.#deps.log, "message_ignored", { session: this.id, of: "client", what: "notification_refused" });
  }

  #fromServer(request: Request): void {
    // Nobody can be asked who has no session.
    if (this.#isStateless === true) {
      this.#upstream.send(reply(request.id, { error: { code: RPC.method_not_found, message: REFUSALS.method_refused } }));
      return;
    }
    if (this.#downstream.ask(request)) return;
    this.#upstream.send(reply(request.id, { error: { code: REFUSED, message: REFUSALS.too_many_requests } }));
  }

  #told(notification: Notification): void {
    const { method, params = {} } = notification;
    if (method === "notifications/cancelled" && this.#isStateless !== true) {
      this.#downstream.takeBack(params);
      return;
    }
    if (method === "notifications/tools/list_changed") this.#catalogue.changed();
    // It belongs to no request of theirs, and they hear of nothing else.
    if (this.#isStateless === true || this.#upstream.isStateless) return;
    if (method === "notifications/resources/updated") this.#subscribed.changed(String(params["uri"]), notification);
    else this.#downstream.tell(notification);
  }

  #end(why: string): void {
    if (this.#over) return;
    this.#over = true;
    this.#subscribed.clear();
    reportGuard(this.#deps.log, "session_ended", { session: this.id, why });
    this.#ended = Promise.allSettled([this.#downstream.finish(this.#deps.timers), this.#upstream.close()]).then(() =>
      this.#deps.ended(this.#who),
    );
  }
}

/** A request over HTTP says something else in its headers than in its body. */
class HeadersDiffer extends Error {
  constructor(readonly reply: RpcError) {
    super(reply.message);
  }
}

/** Members of a problem that say what to mend, cut: whoever answers at the service's address may have written it. */
function logged({ status, code, field, expected }: ProblemSaid): object {
  const cut = (text: string): string => text.slice(0, LOGGED_MAX);
  return {
    status,
    code: cut(code),
    ...(field !== undefined && { field: cut(field) }),
    ...(expected !== undefined && { expected: cut(expected) }),
  };
}

/** Without what it is called with, and without what a URL may hold beside its place: neither is for a record. */
function nameOf({ command, url }: GuardConfig["server"]): string {
  const name = url === undefined ? command?.[0] : new URL(url).origin + new URL(url).pathname;
  return (name ?? "").slice(0, CHANGED_LENGTH_MAX);
}

/** The model sees why a tool wasn't called; whoever asks for anything else gets an error. */
export function refusedReply({ method }: Pick<Request, "method">, refusal: CallRefusal): Reply {
  const { code, tell, argument, decision_id } = refusal;
  // What the mapping doesn't name is the model's own text, which is for the log.
  const isNamed = argument !== null && code !== "argument_unmapped";
  const about = {
    code,
    ...(isNamed && { argument }),
    ...(decision_id !== null && { decision_id }),
  };
  if (method === "tools/call") {
    return { result: { content: [{ type: "text", text: tell }], isError: true, _meta: { "remit/refused": about } } };
  }
  if (code === "method_refused") return { error: { code: RPC.method_not_found, message: tell } };
  if (code.startsWith("argument")) return { error: { code: RPC.invalid_params, message: tell, data: about } };
  return { error: { code: REFUSED, message: tell, data: about } };
}
