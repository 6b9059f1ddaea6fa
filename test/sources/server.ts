/** HTTP server on loopback that answers as it is told to, and remembers what it was asked. */
import { hash } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export type Answering = (request: IncomingMessage, response: ServerResponse) => void;

export class TestServer {
  readonly asked: IncomingMessage[] = [];
  readonly #server: Server;

  constructor(public answering: Answering) {
    this.#server = createServer((request, response) => {
      this.asked.push(request);
      this.answering(request, response);
    });
  }

  async start(): Promise<this> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    return this;
  }

  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  url(path = "/bundle.tar.gz"): string {
    return `http://${this.host}${path}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }
}

/** Answers with bytes under an ETag, which is their digest: two archives may well be equally long. */
export const having =
  (bytes: Buffer, etag = `"${hash("sha256", bytes)}"`): Answering =>
  ({ headers }, response) => {
    if (headers["if-none-match"] === etag) response.writeHead(304, { etag }).end();
    else response.writeHead(200, { etag, "content-length": bytes.length }).end(bytes);
  };
