/** Stands between a client and a real service, and does to each answer what it is told to. What really was answered it keeps. */
import { once } from "node:events";
import { createServer, request as httpRequest, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable, pipeline } from "node:stream";
import type { Answer } from "../../src/contract/index.js";

/** What becomes of one request. The answer is altered where a function says how. */
export type Fault =
  | "none"
  | "cut before"
  | "cut after"
  | "hang"
  | "garbage"
  | "half"
  | "half, then nothing"
  | "endless"
  | { delay_ms: number }
  | { status: number; headers?: Record<string, string | string[]>; body?: string | Buffer }
  | { alter: (answer: Answer, earlier: readonly Answer[]) => unknown };

const JSON_TYPE = { "content-type": "application/json" };

interface Whole {
  status: number;
  headers: IncomingMessage["headers"];
  body: Buffer;
}

export class FaultyProxy {
  /** The service behind it; another one after a restart. */
  target: string;
  /** Of requests that ask; told the path. */
  fault: (path: string) => Fault = () => "none";
  /** Whether the events' stream is let through. */
  events = true;
  /** What the service answered, by request id: each time. */
  readonly genuine = new Map<string, { answer: Answer; asked_ms: number }[]>();
  /** Paths that were asked for. */
  readonly asked: string[] = [];
  readonly #server: Server;
  readonly #streams = new Set<ServerResponse>();
  readonly #answers: Answer[] = [];

  static async open(target: string): Promise<FaultyProxy> {
    const proxy = new FaultyProxy(target);
    proxy.#server.listen(0, "127.0.0.1");
    await once(proxy.#server, "listening");
    return proxy;
  }

  private constructor(target: string) {
    this.target = target;
    this.#server = createServer((request, response) => {
      response.on("error", () => undefined);
      this.#take(request, response).catch(() => response.destroy());
    });
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  cutStreams(): void {
    for (const response of this.#streams) response.destroy();
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? "";
    if (path === "/events") {
      this.#stream(request, response);
      return;
    }
    this.asked.push(path);
    const asks = path.startsWith("/decide");
    const fault = asks ? this.fault(path) : "none";
    if (fault === "cut before") {
      response.destroy();
      return;
    }
    const asked_ms = performance.now();
    const whole = await this.#forward(request);
    const answers = asks && whole.status === 200 ? answersOf(path, whole.body) : [];
    for (const answer of answers) {
      const id = answer.request_id ?? "";
      this.genuine.set(id, [...(this.genuine.get(id) ?? []), { answer, asked_ms }]);
    }
    await this.#answer(response, whole, fault, path, answers);
    this.#answers.push(...answers);
  }

  async #answer(response: ServerResponse, whole: Whole, fault: Fault, path: string, answers: Answer[]): Promise<void> {
    const { status, headers, body } = whole;
    const head = { "content-type": headers["content-type"] ?? "text/plain", "content-length": body.length };
    if (typeof fault === "object") {
      if ("status" in fault) {
        response.writeHead(fault.status, { ...JSON_TYPE, ...fault.headers }).end(fault.body ?? body);
      } else if ("alter" in fault) {
        const altered = answers.map((answer) => fault.alter(structuredClone(answer), this.#answers));
        const text = JSON.stringify(path === "/decide" ? altered[0] : { answers: altered });
        response.writeHead(200, JSON_TYPE).end(text);
      } else {
        await new Promise((resolve) => setTimeout(resolve, fault.delay_ms));
        response.writeHead(status, head).end(body);
      }
      return;
    }
    switch (fault) {
      case "none":
        response.writeHead(status, head).end(body);
        break;
      case "cut before":
      case "cut after":
        response.destroy();
        break;
      case "hang":
        break;
      case "garbage":
        response.socket?.end("\u0000\u0001HTTP/9 what?\r\n\r\n");
        break;
      case "half":
      case "half, then nothing":
        response.writeHead(status, head).write(body.subarray(0, body.length / 2), () => {
          if (fault === "half") response.destroy();
        });
        break;
      case "endless":
        response.writeHead(200, JSON_TYPE);
        pipeline(Readable.from(spaces()), response, () => undefined);
    }
  }

  #stream(request: IncomingMessage, response: ServerResponse): void {
    if (!this.events) {
      response.destroy();
      return;
    }
    this.#streams.add(response);
    const upstream = httpRequest(new URL(this.target + "/events"), { headers: request.headers, agent: false }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.on("error", () => response.destroy()).pipe(response);
    });
    upstream.on("error", () => response.destroy()).end();
    response.on("close", () => {
      this.#streams.delete(response);
      upstream.destroy();
    });
  }

  async #forward(request: IncomingMessage): Promise<Whole> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const headers = { ...request.headers };
    delete headers.host;
    delete headers.connection;
    const options = { method: request.method, headers, agent: false };
    return new Promise((resolve, reject) => {
      const upstream = httpRequest(new URL(this.target + (request.url ?? "")), options, (answer) => {
        const body: Buffer[] = [];
        answer.on("data", (chunk: Buffer) => body.push(chunk)).on("error", reject);
        answer.on("end", () => {
          resolve({ status: answer.statusCode ?? 502, headers: answer.headers, body: Buffer.concat(body) });
        });
      });
      upstream.on("error", reject).end(Buffer.concat(chunks));
    });
  }
}

function* spaces(): Generator<Buffer> {
  for (const chunk = Buffer.alloc(64 * 1024, " "); ;) yield chunk;
}

function answersOf(path: string, body: Buffer): Answer[] {
  const said = JSON.parse(body.toString()) as Answer & { answers: Answer[] };
  return path === "/decide" ? [said] : said.answers;
}
