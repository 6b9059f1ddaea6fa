/** The client's side: its requests under way, each with what takes it back, and what the server asks of the client. */
import type { Timers } from "../../system/index.js";
import type { End, MessageListener } from "./end.js";
import { isObject } from "../../mapping/call_mapping.js";
import {
  RPC,
  keyOf,
  messageOf,
  notification,
  reply,
  request as requestMessage,
  type JSONRPCMessage,
  type Notification,
  type Params,
  type Reply,
  type Request,
  type RequestId,
} from "./wire.js";

/** A request of the client's, being served. */
export interface Served {
  /** Fires when the client takes it back, or is gone. */
  signal: AbortSignal;
  /** Tells the client how far it is; null where it doesn't want to hear. */
  progress: ((params: Params) => void) | null;
  /** Headers of the HTTP request that brought it. */
  headers: Readonly<Record<string, unknown>>;
}

export interface DownstreamListener {
  serve(request: Request, served: Served): Promise<Reply>;
  /** There are as many as the limit allows, or one of this id already. */
  refused(request: Request, why: "too_many_requests" | "id_in_use"): Reply;
  notification(notification: Notification): void;
  /** Receives the client's reply to a request of the server, under the server's own id. */
  answered(id: RequestId, reply: Reply): void;
  ignored(what: "answer_unknown" | "progress_unknown" | "unreadable"): void;
  closed(): void;
}

const FINISH_MS_MAX = 1000;

interface PendingRequest {
  /** Id that the server gave the request. */
  id: RequestId;
  token: RequestId | undefined;
}

export class Downstream {
  readonly #end: End;
  readonly #listener: DownstreamListener;
  readonly #requests_max: number;
  readonly #serving = new Map<string, { id: RequestId; controller: AbortController }>();
  /** Requests of the server under way, by the guard's own ids. */
  readonly #asked = new Map<RequestId, PendingRequest>();
  #last = 0;
  #closed = false;
  #served: () => void = () => undefined;

  constructor(end: End, listener: DownstreamListener, requestsMax: number) {
    this.#end = end;
    this.#listener = listener;
    this.#requests_max = requestsMax;
  }

  begin(): Promise<void> {
    const listener: MessageListener = {
      message: (message, headers) => {
        this.#take(message, headers);
      },
      unsent: (message) => {
        this.#unsent(message);
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

  /** Hands on what the server asks of the client. @returns false where too much is being asked */
  ask({ id, method, params }: Request): boolean {
    if (this.#asked.size >= this.#requests_max) return false;
    const own = ++this.#last;
    const meta = params?.["_meta"];
    const token = isObject(meta) ? (meta["progressToken"] as RequestId | undefined) : undefined;
    this.#asked.set(own, { id, token });
    this.#send(requestMessage(own, method, params), this.#youngest);
    return true;
  }

  /** The server takes back what it asked. */
  takeBack(params: Params): void {
    const own = [...this.#asked].find(([, asked]) => asked.id === params["requestId"])?.[0];
    if (own === undefined) return;
    this.#asked.delete(own);
    this.#send(notification("notifications/cancelled", { ...params, requestId: own }), this.#youngest);
  }

  tell({ method, params }: Notification): void {
    this.#send(notification(method, params), this.#youngest);
  }

  /** Tells what belongs to this request. */
  tellOf(about: RequestId, { method, params }: Notification): void {
    this.#send(notification(method, params), about);
  }

  agreed(version: string): void {
    this.#end.agreed(version);
  }

  /** Closes the client's side once requests under way are answered, after at most `FINISH_MS_MAX` milliseconds. */
  async finish(timers: Timers): Promise<void> {
    if (this.#serving.size > 0 && !this.#closed) {
      let cancel = (): void => undefined;
      await new Promise<void>((resolve) => {
        this.#served = () => {
          if (this.#serving.size === 0) resolve();
        };
        cancel = timers.after(FINISH_MS_MAX, resolve);
      });
      cancel();
    }
    await this.close();
  }

  close(): Promise<void> {
    this.#gone();
    return this.#end.close();
  }

  /** Id of the newest request: a message that belongs to no request in particular most likely belongs to it. */
  get #youngest(): RequestId | undefined {
    return [...this.#serving.values()].at(-1)?.id;
  }

  #send(message: JSONRPCMessage, about?: RequestId): void {
    if (!this.#closed) this.#end.send(message, about);
  }

  #take(received: JSONRPCMessage, headers: Readonly<Record<string, unknown>>): void {
    const message = messageOf(received);
    if (message.kind === "request") void this.#serve(message.request, headers);
    else if (message.kind === "reply") this.#answered(message.id, message.reply);
    else this.#noted(message.notification);
  }

  async #serve(request: Request, headers: Readonly<Record<string, unknown>>): Promise<void> {
    const { id } = request;
    const key = keyOf(id);
    const full = this.#serving.size >= this.#requests_max;
    const why = this.#serving.has(key) ? "id_in_use" : full ? "too_many_requests" : null;
    if (why !== null) {
      this.#send(reply(id, this.#listener.refused(request, why)));
      return;
    }
    const controller = new AbortController();
    this.#serving.set(key, { id, controller });
    const { signal } = controller;
    const answer = await this.#listener
      .serve(request, { signal, progress: this.#progressOf(request), headers })
      .catch((): Reply => ({ error: { code: RPC.internal, message: "Internal error" } }));
    this.#serving.delete(key);
    // Of what was taken back nothing is wanted any more.
    if (!signal.aborted) this.#send(reply(id, answer));
    this.#served();
  }

  /** The specification wants it to grow with each; what doesn't isn't told. */
  #progressOf({ id, params }: Request): Served["progress"] {
    const meta = params?.["_meta"];
    const progressToken = isObject(meta) ? meta["progressToken"] : undefined;
    if (progressToken === undefined) return null;
    let last = -Infinity;
    return (said) => {
      const { progress } = said;
      if (typeof progress !== "number" || progress <= last || !this.#serving.has(keyOf(id))) return;
      last = progress;
      this.#send(notification("notifications/progress", { ...said, progressToken }), id);
    };
  }

  #answered(id: RequestId | undefined, answer: Reply): void {
    const asked = id === undefined ? undefined : this.#asked.get(id);
    if (id === undefined || asked === undefined) {
      this.#listener.ignored("answer_unknown");
      return;
    }
    this.#asked.delete(id);
    this.#listener.answered(asked.id, answer);
  }

  #noted(noted: Notification): void {
    const { method, params = {} } = noted;
    if (method === "notifications/cancelled") {
      const id = params["requestId"] as RequestId | undefined;
      if (id !== undefined) this.#serving.get(keyOf(id))?.controller.abort(new Error("the client took it back"));
      return;
    }
    const known =
      method !== "notifications/progress" ||
      [...this.#asked.values()].some(({ token }) => token !== undefined && token === params["progressToken"]);
    if (known) this.#listener.notification(noted);
    else this.#listener.ignored("progress_unknown");
  }

  /** Replaces an answer that can't be written, being nested too deeply for that, by an error: the client is owed an answer anyway. */
  #unsent(message: JSONRPCMessage): void {
    if ("result" in message) this.#send(reply(message.id, { error: { code: RPC.internal, message: "The answer can't be handed on." } }));
  }

  #gone(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const { controller } of this.#serving.values()) controller.abort(new Error("the client is gone"));
    this.#listener.closed();
  }
}
