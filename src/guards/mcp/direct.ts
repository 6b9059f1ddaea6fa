/**
 * Calls of clients over Streamable HTTP, straight from a request to its response: what comes on its own goes back as one JSON text in
 * one piece, and becomes a stream of events where something else comes first, or nothing for a while. Everything else of a session,
 * and whatever isn't plainly such a call, is the SDK's transport's.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { SUPPORTED_PROTOCOL_VERSIONS } from "@modelcontextprotocol/sdk/types.js";
import type { Timers } from "../../system/index.js";
import { isMessage, keyOf, type JSONRPCMessage, type RequestId } from "./wire.js";

/** Milliseconds before an open answer becomes a stream: a fast answer needs no stream, a slow one must show that it is alive. 1,000. */
const SILENT_MS_MAX = 1000;
const CALL = "tools/call";
const JSON_TYPE = /^application\/json(?:[ \t]*;[ \t]*charset=(?:utf-8|"utf-8"))?$/i;
const STREAM = { "content-type": "text/event-stream", "cache-control": "no-cache, no-transform", "x-accel-buffering": "no" };

interface Open {
  response: ServerResponse;
  isStream: boolean;
  stopSilence: () => void;
}

export class DirectCalls {
  readonly #session: Readonly<Record<string, string>>;
  readonly #bytes_max: number;
  readonly #timers: Pick<Timers, "after">;
  readonly #open = new Map<string, Open>();

  /**
   * @param session id of the session; null for clients without sessions
   * @param bytesMax of a message
   */
  constructor(session: string | null, bytesMax: number, timers: Pick<Timers, "after">) {
    this.#session = session === null ? {} : { "mcp-session-id": session };
    this.#bytes_max = bytesMax;
    this.#timers = timers;
  }

  /** Returns true if a request on a session that has begun may be a call, judging by its head. */
  mayBe({ method, headers }: IncomingMessage): boolean {
    const { accept = "", "content-type": type = "", "content-length": length } = headers;
    const version = headers["mcp-protocol-version"];
    return (
      method === "POST" &&
      length !== undefined &&
      Number(length) <= this.#bytes_max &&
      accept.includes("application/json") &&
      accept.includes("text/event-stream") &&
      JSON_TYPE.test(type) &&
      (version === undefined || (typeof version === "string" && SUPPORTED_PROTOCOL_VERSIONS.includes(version)))
    );
  }

  /**
   * Takes a request whose body has come whole.
   * @param hand is given the call, and may answer it at once
   * @returns whether it was one
   */
  take(message: unknown, response: ServerResponse, hand: (call: JSONRPCMessage) => void): boolean {
    if (!isMessage(message) || !("method" in message) || !("id" in message) || message.method !== CALL) return false;
    this.open(message.id, response, () => {
      hand(message);
    });
    return true;
  }

  /** Keeps a response for the answer to a request. @param hand is given the request, and may answer it at once */
  open(id: RequestId, response: ServerResponse, hand: () => void): void {
    const key = keyOf(id);
    // Of two with one id the later is refused at once, and that goes to who asked it.
    const before = this.#open.get(key);
    const one: Open = { response, isStream: false, stopSilence: () => undefined };
    this.#open.set(key, one);
    hand();
    if (before !== undefined && !this.#open.has(key)) this.#open.set(key, before);
    if (this.#open.get(key) !== one) return;
    one.stopSilence = this.#timers.after(SILENT_MS_MAX, () => {
      this.#begin(one);
    });
    response.once("close", () => {
      one.stopSilence();
      if (this.#open.get(key) === one) this.#open.delete(key);
    });
  }

  /** Returns true if messages about this request go through here. */
  has(about: RequestId | undefined): boolean {
    return about !== undefined && this.#open.has(keyOf(about));
  }

  /**
   * @param status of an answer that begins here
   * @returns bytes that wait to be read of the response that it went to
   * @throws RangeError for what is too deep to be written
   */
  send(message: JSONRPCMessage, about: RequestId, status = 200): number {
    const key = keyOf(about);
    const one = this.#open.get(key);
    if (one === undefined) return 0;
    const text = JSON.stringify(message);
    const { response } = one;
    if ("method" in message) {
      this.#begin(one);
      response.write(eventOf(text));
      return response.writableLength;
    }
    this.#open.delete(key);
    one.stopSilence();
    if (one.isStream) response.end(eventOf(text));
    else {
      const head = { "content-type": "application/json", "content-length": Buffer.byteLength(text) };
      response.writeHead(status, { ...head, ...this.#session });
      response.end(text);
    }
    return response.writableLength;
  }

  /** Ends what is open: nothing more comes. */
  close(): void {
    for (const one of this.#open.values()) {
      one.stopSilence();
      this.#begin(one);
      one.response.end();
    }
    this.#open.clear();
  }

  #begin(one: Open): void {
    if (one.isStream) return;
    one.isStream = true;
    one.response.writeHead(200, { ...STREAM, ...this.#session });
    one.response.flushHeaders();
  }
}

/** A request's body has more bytes than a message may have. */
export class BodyTooLarge extends Error {
  override readonly name = "BodyTooLarge";
}

/**
 * @returns the whole body as text; null where it broke off, or is longer than its head said
 * @throws BodyTooLarge
 */
export async function bodyOf(request: IncomingMessage, bytesMax = Infinity): Promise<string | null> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  return new Promise((resolve, reject) => {
    request.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > bytesMax) reject(new BodyTooLarge(`more than ${bytesMax} bytes`));
      else chunks.push(chunk);
    });
    request.once("end", () => {
      const [first] = chunks;
      resolve(chunks.length === 1 && first !== undefined ? first.toString("utf8") : Buffer.concat(chunks).toString("utf8"));
    });
    request.once("error", () => {
      resolve(null);
    });
  });
}

function eventOf(text: string): string {
  return `event: message\ndata: ${text}\n\n`;
}
