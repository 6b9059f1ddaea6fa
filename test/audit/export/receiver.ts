/** A sink on loopback that keeps what it is sent, and answers as it is told to. */
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { gunzipSync } from "node:zlib";

type Json = Record<string, unknown>;

export interface Received {
  method: string;
  path: string;
  headers: IncomingMessage["headers"];
  /** As it was sent, not compressed any more. */
  text: string;
  bytes: number;
  events: Json[];
}

/** Answers one request. Whatever isn't a 2xx in full may be sent again. */
export type Answer = (received: Received, response: ServerResponse, request: IncomingMessage) => void;

export const status =
  (code: number, headers: Record<string, string> = {}): Answer =>
  (_received, response) => {
    response.writeHead(code, headers).end();
  };

export class Receiver {
  /** All requests, in order. */
  readonly received: Received[] = [];
  /** Of requests that were answered with 2xx, in order. */
  readonly taken: Json[] = [];
  answer: Answer = status(204);
  readonly #server: Server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const body = Buffer.concat(chunks);
      const text = (request.headers["content-encoding"] === "gzip" ? gunzipSync(body) : body).toString();
      const { method = "", url: path = "", headers } = request;
      const received = { method, path, headers, text, bytes: body.length, events: eventsIn(text) };
      this.received.push(received);
      response.on("finish", () => {
        if (response.statusCode >= 200 && response.statusCode <= 299) this.taken.push(...received.events);
      });
      this.answer(received, response, request);
    });
  });

  async start(port = 0): Promise<void> {
    this.#server.listen(port, "127.0.0.1");
    await once(this.#server, "listening");
    this.port = (this.#server.address() as AddressInfo).port;
  }

  /** Stays what it was when it has stopped. */
  port = 0;

  get url(): string {
    return `http://127.0.0.1:${this.port}/logs`;
  }

  async stop(): Promise<void> {
    if (!this.#server.listening) return;
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, "close");
  }
}

function eventsIn(text: string): Json[] {
  if (text.startsWith("[")) return JSON.parse(text) as Json[];
  return text.split("\n").flatMap((line) => (line === "" ? [] : [JSON.parse(line) as Json]));
}
