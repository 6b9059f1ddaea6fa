/** One side of a session: a transport of the SDK, with a bound on what the side hasn't taken yet. */
import type { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import type { Transport } from "@modelcontextprotocol/sdk/shared/transport.js";
import type { MessageExtraInfo } from "@modelcontextprotocol/sdk/types.js";
import { pause, type Timers } from "../../system/index.js";
import type { Asks, Hearing } from "./asks.js";
import { STATELESS } from "./stateless.js";
import type { JSONRPCMessage, Request, RequestId } from "./wire.js";

export interface MessageListener {
  message(message: JSONRPCMessage, headers: Readonly<Record<string, unknown>>): void;
  /** It can't be handed over; the side may still be there. */
  unsent(message: JSONRPCMessage, cause: unknown): void;
  /** Something came that is no message. */
  unreadable(cause: unknown): void;
  closed(): void;
}

export interface End {
  begin(listener: MessageListener): Promise<void>;
  /**
   * @param about the request of this side that it belongs to, where it isn't an answer itself
   * @param headers of the HTTP request that it goes by, where it does
   */
  send(message: JSONRPCMessage, about?: RequestId, headers?: Readonly<Record<string, string>>): void;
  /** Which revision of the protocol was agreed on. */
  agreed(version: string): void;
  close(): Promise<void>;
}

const GOODBYE_MS_MAX = 1000;
const NO_HEADERS: Readonly<Record<string, unknown>> = {};

/** The side isn't reading. */
class Unread extends Error {
  override readonly name = "Unread";
}

export function listenTo(transport: Transport, listener: MessageListener): Promise<void> {
  transport.onmessage = (message, extra?: MessageExtraInfo) => {
    listener.message(message, extra?.requestInfo?.headers ?? {});
  };
  transport.onerror = (cause) => {
    listener.unreadable(cause);
  };
  transport.onclose = () => {
    listener.closed();
  };
  return transport.start();
}

interface Waiting {
  message: JSONRPCMessage;
  bytes: number;
}

/** Returns the length of a message in UTF-16 units; 0 if it can't be written. */
export function lengthOf(message: JSONRPCMessage): number {
  try {
    return JSON.stringify(message).length;
  } catch {
    return 0;
  }
}

/** Over pipes: one message after the other, each when the one before was taken. */
export class PipeEnd implements End {
  readonly #transport: Transport;
  readonly #waiting_bytes_max: number;
  #listener: MessageListener | null = null;
  #queue: Waiting[] = [];
  #waiting_bytes = 0;
  #sending = false;

  constructor(transport: Transport, waitingBytesMax: number) {
    this.#transport = transport;
    this.#waiting_bytes_max = waitingBytesMax;
  }

  begin(listener: MessageListener): Promise<void> {
    this.#listener = listener;
    return listenTo(this.#transport, listener);
  }

  send(message: JSONRPCMessage): void {
    if (!this.#sending) {
      void this.#drain(message);
      return;
    }
    const bytes = lengthOf(message);
    this.#waiting_bytes += bytes;
    this.#queue.push({ message, bytes });
    if (this.#waiting_bytes <= this.#waiting_bytes_max) return;
    this.#queue = [];
    this.#listener?.unsent(message, new Unread(`${this.#waiting_bytes} bytes wait to be read`));
    void this.close();
  }

  async #drain(first: JSONRPCMessage): Promise<void> {
    this.#sending = true;
    for (let next: Waiting | undefined = { message: first, bytes: 0 }; next !== undefined; next = this.#queue.shift()) {
      const { message, bytes } = next;
      this.#waiting_bytes -= bytes;
      try {
        await this.#transport.send(message);
      } catch (cause) {
        this.#listener?.unsent(message, cause);
      }
    }
    this.#sending = false;
  }

  agreed(version: string): void {
    this.#transport.setProtocolVersion?.(version);
  }

  close(): Promise<void> {
    return this.#transport.close();
  }
}

/** A server over HTTP: each message is a request of its own, so none waits for another. */
export class HttpServerEnd implements End {
  readonly #transport: StreamableHTTPClientTransport;
  readonly #asks: Asks;
  readonly #timers: Timers;
  #listener: MessageListener | null = null;
  /** The server is where only the transport finds it, within its origin. */
  #isElsewhere = false;
  /** Requests under way of a revision without sessions, where one is taken back by going away; null in a session. */
  #stateless: Map<RequestId, AbortController> | null = null;

  constructor(transport: StreamableHTTPClientTransport, asks: Asks, timers: Timers) {
    this.#transport = transport;
    this.#asks = asks;
    this.#timers = timers;
  }

  begin(listener: MessageListener): Promise<void> {
    this.#listener = listener;
    return listenTo(this.#transport, listener);
  }

  send(message: JSONRPCMessage, _about?: RequestId, headers: Readonly<Record<string, string>> = {}): void {
    if (this.#stateless !== null) {
      this.#sendStateless(message, headers, this.#stateless);
      return;
    }
    const isAsked = "method" in message && "id" in message && message.method !== "initialize" && !this.#isElsewhere;
    (isAsked ? this.#ask(message as Request) : this.#transport.send(message)).catch((cause: unknown) => {
      this.#listener?.unsent(message, cause);
    });
  }

  /** Sends requests alone: a server of this revision expects no notification and asks nothing. */
  #sendStateless(message: JSONRPCMessage, headers: Readonly<Record<string, string>>, underWay: Map<RequestId, AbortController>): void {
    if (!("method" in message)) return;
    if (!("id" in message)) {
      const { requestId } = message.params ?? {};
      if (message.method === "notifications/cancelled") underWay.get(requestId as RequestId)?.abort(new Error("taken back"));
      return;
    }
    const { id } = message;
    const taken = new AbortController();
    underWay.set(id, taken);
    this.#asks
      .ask(message as Request, { protocolVersion: STATELESS, headers, signal: taken.signal, saysErrors: true }, this.#hearing)
      .then(({ how }) => {
        if (how !== "whole") throw new Error("the answer broke off");
      })
      .catch((cause: unknown) => this.#listener?.unsent(message, cause))
      .finally(() => underWay.delete(id));
  }

  get #hearing(): Hearing {
    return {
      message: (message) => this.#listener?.message(message, NO_HEADERS),
      unreadable: (cause) => this.#listener?.unreadable(cause),
    };
  }

  async #ask(request: Request): Promise<void> {
    const ended = await this.#asks.ask(request, this.#transport, this.#hearing);
    if (ended.how === "resumable") {
      await pause(this.#timers, ended.in_ms);
      await this.#transport.resumeStream(ended.after);
    }
    if (ended.how === "elsewhere") {
      this.#isElsewhere = true;
      await this.#transport.send(request);
    }
  }

  /** The connection on which this was asked is over: nothing more comes of it. */
  broken(text: string): void {
    this.#listener?.unsent(JSON.parse(text) as JSONRPCMessage, new Error("the answer broke off"));
  }

  agreed(version: string): void {
    if (version === STATELESS) this.#stateless ??= new Map();
    else this.#transport.setProtocolVersion(version);
  }

  /** The server is told, where it takes that within its time. */
  async close(): Promise<void> {
    let cancel = (): void => undefined;
    const late = new Promise<void>((resolve) => (cancel = this.#timers.after(GOODBYE_MS_MAX, resolve)));
    await Promise.race([this.#transport.terminateSession().catch(() => undefined), late]);
    cancel();
    this.#asks.close();
    await this.#transport.close();
  }
}
