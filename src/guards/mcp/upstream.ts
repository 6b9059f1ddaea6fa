/**
 * The server's side: requests under the guard's own ids, so that each answer belongs to one question of the guard's or to none.
 * A second answer, an answer to nothing and progress of nothing go nowhere.
 */
import type { End, MessageListener } from "./end.js";
import { mirrored } from "./mirrored.js";
import { ServerLoginError } from "./oauth/login_error.js";
import { CallRefusal } from "../../mapping/call_refusal.js";
import { without } from "../../system/without.js";
import { STATELESS, metaFor, subscriptionOf, unknownAnswer } from "./stateless.js";
import {
  messageOf,
  notification,
  request,
  traceOf,
  type JSONRPCMessage,
  type Notification,
  type Params,
  type Reply,
  type Request,
  type RequestId,
} from "./wire.js";

export interface UpstreamListener {
  /** The server asks the client for something. */
  request(request: Request): void;
  notification(notification: Notification): void;
  /** Called when something that the server sent was ignored. */
  ignored(what: "answer_unknown" | "progress_unknown" | "unreadable" | "request_refused"): void;
  closed(): void;
}

interface Pending {
  notified: ((notification: Notification) => void) | undefined;
  resolve: (reply: Reply) => void;
  reject: (cause: unknown) => void;
  progress: ((params: Params) => void) | undefined;
}

export interface Sending {
  /** Takes the request back. Without it, it is waited for. */
  signal?: AbortSignal;
  /** Wants to hear how far it is. */
  progress?: (params: Params) => void;
  /** Wants to hear what comes on the stream that it opens. */
  notified?: (notification: Notification) => void;
  /** Schema of the arguments, as the tool has it. */
  schema?: unknown;
}

export class ServerGone extends Error {
  override readonly name = "ServerGone";
}

export class Upstream {
  readonly #end: End;
  readonly #listener: UpstreamListener;
  readonly #pending = new Map<RequestId, Pending>();
  #last = 0;
  #closed = false;
  #isStateless = false;

  constructor(end: End, listener: UpstreamListener) {
    this.#end = end;
    this.#listener = listener;
  }

  begin(): Promise<void> {
    const listener: MessageListener = {
      message: (message) => {
        this.#take(message);
      },
      unsent: (message, cause) => {
        this.#unsent(message, cause);
      },
      unreadable: () => {
        this.#listener.ignored("unreadable");
      },
      closed: () => {
        this.#gone();
      },
    };
    return this.#end.begin(listener);
  }

  /**
   * Asks the server. Aborted, it tells the server so and is rejected with the signal's reason.
   * @throws ServerGone; CallRefusal `server_unavailable` for an answer of a kind that the server's revision doesn't have, `login_needed`
   */
  async ask(method: string, params: Params | undefined, { signal, progress, notified, schema }: Sending = {}): Promise<Reply> {
    signal?.throwIfAborted();
    if (this.#closed) throw new ServerGone("the server is gone");
    const id = ++this.#last;
    const answered = new Promise<Reply>((resolve, reject) => {
      this.#pending.set(id, { resolve, reject, progress, notified });
    });
    const cancel = (): void => {
      const pending = this.#pending.get(id);
      if (pending === undefined) return;
      this.#pending.delete(id);
      this.#end.send(notification("notifications/cancelled", { requestId: id, reason: "stopped" }));
      pending.reject(signal?.reason);
    };
    signal?.addEventListener("abort", cancel, { once: true });
    const token = progress === undefined ? null : id;
    if (this.#isStateless) {
      const sent = { ...without(params ?? {}, "_meta"), _meta: metaFor(params, token) };
      this.#end.send(request(id, method, sent), undefined, mirrored(method, sent, schema));
    } else this.#end.send(request(id, method, withToken(params, token)));
    try {
      const reply = await answered;
      const unknown = this.#isStateless ? unknownAnswer(method, reply, params) : null;
      if (unknown !== null) throw new CallRefusal("server_unavailable", { cause: unknown });
      return reply;
    } finally {
      signal?.removeEventListener("abort", cancel);
    }
  }

  /** Hands on a notification, or an answer to what the server asked. */
  send(message: JSONRPCMessage): void {
    if (!this.#closed) this.#end.send(message);
  }

  /** True where it speaks the revision without sessions. */
  get isStateless(): boolean {
    return this.#isStateless;
  }

  agreed(version: string): void {
    this.#isStateless = version === STATELESS;
    this.#end.agreed(version);
  }

  /** It never was there. */
  lost(): void {
    this.#closed = true;
  }

  close(): Promise<void> {
    this.#gone();
    return this.#end.close();
  }

  #take(received: JSONRPCMessage): void {
    const message = messageOf(received);
    if (message.kind === "request" && this.#isStateless) this.#listener.ignored("request_refused");
    else if (message.kind === "request") this.#listener.request(message.request);
    else if (message.kind === "reply") this.#answered(message.id, message.reply);
    else if (message.notification.method === "notifications/progress") this.#progress(message.notification.params ?? {});
    else {
      const stream = this.#isStateless ? subscriptionOf(message.notification.params) : undefined;
      // Some servers write every id as text; the guard's own are numbers.
      const { notified } = (stream === undefined ? undefined : this.#pending.get(Number(stream))) ?? {};
      if (notified === undefined) this.#listener.notification(message.notification);
      else notified(message.notification);
    }
  }

  #answered(id: RequestId | undefined, reply: Reply): void {
    const pending = id === undefined ? undefined : this.#pending.get(id);
    if (id === undefined || pending === undefined) {
      this.#listener.ignored("answer_unknown");
      return;
    }
    this.#pending.delete(id);
    pending.resolve(reply);
  }

  #progress(params: Params): void {
    const pending = this.#pending.get(params["progressToken"] as RequestId);
    if (pending?.progress === undefined) this.#listener.ignored("progress_unknown");
    else pending.progress(params);
  }

  /** Only what is waited for is missed. */
  #unsent(message: JSONRPCMessage, cause: unknown): void {
    if (!("method" in message && "id" in message)) return;
    const pending = this.#pending.get(message.id);
    this.#pending.delete(message.id);
    const isLogin = cause instanceof ServerLoginError;
    pending?.reject(isLogin ? new CallRefusal("login_needed", { cause }) : new ServerGone("the server takes nothing", { cause }));
  }

  #gone(): void {
    if (this.#closed) return;
    this.#closed = true;
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    for (const { reject } of pending) reject(new ServerGone("the server is gone"));
    this.#listener.closed();
  }
}

/**
 * Returns parameters with the guard's own `_meta`: its token for progress, since the client's means nothing to the server, and the trace of the
 * call. Whatever else a client writes there no policy has seen, so the server doesn't either.
 */
function withToken(params: Params | undefined, token: RequestId | null): Params | undefined {
  if (params === undefined && token === null) return undefined;
  const trace = traceOf(params);
  const meta = {
    ...(trace !== null && { traceparent: trace }),
    ...(token !== null && { progressToken: token }),
  };
  return { ...(Object.keys(meta).length > 0 && { _meta: meta }), ...without(params ?? {}, "_meta") };
}
