/**
 * Requests to a server over Streamable HTTP, straight from the message to its answer: without the requests, responses and streams
 * of the web that the SDK's transport makes of each, which keeps the session and everything else that belongs to it.
 */
import { EventReader, type StreamedEvent } from "../../client/event_source.js";
import type { GuardedAnswer, nodeExchange } from "../outside.js";
import { MessageCount } from "./message_count.js";
import { isMessage, type JSONRPCMessage, type Request } from "./wire.js";

export interface AsksOptions {
  url: URL;
  /** Headers of every request. */
  headers: Readonly<Record<string, string>>;
  exchange: ReturnType<typeof nodeExchange>;
  message_bytes_max: number;
}

/** Session's id and protocol version, as the SDK's transport has them. */
export interface AskedIn {
  sessionId?: string | undefined;
  protocolVersion?: string | undefined;
  /** Headers of this request alone. */
  headers?: Readonly<Record<string, string>>;
  /** Takes the request back. */
  signal?: AbortSignal;
  /** True where an error's status comes with the error itself, as it does in a revision without sessions. */
  saysErrors?: boolean;
}

/** Receives messages while an answer is read. */
export interface Hearing {
  message: (message: JSONRPCMessage) => void;
  unreadable: (cause: unknown) => void;
}

/** End of an answer: whole; or to be asked for again after this event; or the server has it elsewhere, and hasn't heard it yet. */
export type AnswerEnd = { how: "whole" } | { how: "resumable"; after: string; in_ms: number } | { how: "elsewhere" };

const ACCEPT = "application/json, text/event-stream";
/** Milliseconds before an answer is resumed if the server doesn't say. 1,000. */
const RESUME_MS = 1000;
const WHOLE: AnswerEnd = { how: "whole" };

export class Asks {
  readonly #options: AsksOptions;
  readonly #over = new AbortController();

  constructor(options: AsksOptions) {
    this.#options = options;
  }

  /** @throws Error where nothing came that answers it, and nothing will */
  async ask(request: Request, asked: AskedIn, hearing: Hearing): Promise<AnswerEnd> {
    const { sessionId, protocolVersion, signal, saysErrors = false } = asked;
    const { url, headers, exchange } = this.#options;
    const got = await exchange(url, {
      method: "POST",
      headers: {
        ...asked.headers,
        ...headers,
        accept: ACCEPT,
        "content-type": "application/json",
        ...(sessionId !== undefined && { "mcp-session-id": sessionId }),
        ...(protocolVersion !== undefined && { "mcp-protocol-version": protocolVersion }),
      },
      body: JSON.stringify(request),
      signal: signal === undefined ? this.#over.signal : AbortSignal.any([this.#over.signal, signal]),
    });
    if (got.status === 200) return this.#read(got, request, hearing);
    if (saysErrors && got.status >= 400 && got.status < 500) return this.#readError(got, request, hearing);
    await got.body.cancel();
    if (got.status === 307 || got.status === 308) return { how: "elsewhere" };
    throw new Error(`the server answers with ${got.status}`);
  }

  /** Breaks off what is being asked. */
  close(): void {
    this.#over.abort(new Error("the session is over"));
  }

  async #read(got: GuardedAnswer, { id }: Request, hearing: Hearing): Promise<AnswerEnd> {
    const seen = { answer: false };
    const take = (value: unknown): void => {
      if (!isMessage(value)) {
        hearing.unreadable(new TypeError("not a message"));
        return;
      }
      seen.answer ||= !("method" in value) && value.id === id;
      hearing.message(value);
    };
    const type = (got.headers.get("content-type") ?? "").split(";", 1)[0]?.trim().toLowerCase();
    if (type === "application/json") {
      const said: unknown = JSON.parse(await this.#text(got));
      for (const one of Array.isArray(said) ? (said as unknown[]) : [said]) take(one);
    } else if (type === "text/event-stream") {
      const resumable = await this.#events(got, ({ event, data }) => {
        if (event !== "message") return;
        try {
          take(JSON.parse(data));
        } catch (cause) {
          hearing.unreadable(cause);
        }
      });
      if (!seen.answer && resumable !== null) return resumable;
    } else {
      await got.body.cancel();
      throw new Error("the server answers in no type that is known");
    }
    if (!seen.answer) throw new Error("the answer broke off");
    return WHOLE;
  }

  /** @throws Error where it is no error of the protocol, as a server of another revision answers */
  async #readError(got: GuardedAnswer, { id }: Request, { message }: Hearing): Promise<AnswerEnd> {
    const said: unknown = JSON.parse(await this.#text(got));
    const whole: unknown = { ...(said as object), id };
    if (!isMessage(whole) || !("error" in whole)) throw new Error(`the server answers with ${got.status}`);
    message(whole);
    return WHOLE;
  }

  async #text(got: GuardedAnswer): Promise<string> {
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    await this.#chunks(got, (chunk) => {
      chunks.push(chunk);
      return (bytes += chunk.length);
    });
    return Buffer.concat(chunks).toString("utf8");
  }

  /** @returns event from which it can be resumed once it has ended, where it can */
  async #events(got: GuardedAnswer, take: (received: StreamedEvent) => void): Promise<AnswerEnd | null> {
    const reader = new EventReader();
    const message = new MessageCount();
    const resumable = (): AnswerEnd | null =>
      reader.lastId === null ? null : { how: "resumable", after: reader.lastId, in_ms: reader.retry_ms ?? RESUME_MS };
    try {
      await this.#chunks(got, (chunk) => {
        const most = message.add(chunk);
        if (most <= this.#options.message_bytes_max) for (const received of reader.read(chunk)) take(received);
        return most;
      });
    } catch (cause) {
      const again = cause instanceof TooLarge ? null : resumable();
      if (again === null) throw cause;
      return again;
    }
    return resumable();
  }

  /** @param add is told of each, and says how many bytes the message has by then. @throws TooLarge */
  async #chunks({ body }: GuardedAnswer, add: (chunk: Uint8Array) => number): Promise<void> {
    const { message_bytes_max } = this.#options;
    const reader = body.getReader();
    for (;;) {
      const { value } = await reader.read();
      if (value === undefined) return;
      if (add(value) <= message_bytes_max) continue;
      await reader.cancel();
      throw new TooLarge(`a message of more than ${message_bytes_max} bytes`);
    }
  }
}

class TooLarge extends Error {}
