/** A server and a client of revision 2026-07-28, written from its text and strict about it: no sessions, and headers that say what the body says. */
import { once } from "node:events";
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { TOOLS } from "./crm.js";
import type { Message } from "./rough.js";

const PREFIX = "io.modelcontextprotocol/";
export const STATELESS = "2026-07-28";
export const META = { [`${PREFIX}protocolVersion`]: STATELESS, [`${PREFIX}clientCapabilities`]: {} };
const NAMED = new Map([
  ["tools/call", "name"],
  ["prompts/get", "name"],
  ["resources/read", "uri"],
]);

export interface Asked {
  message: Message;
  headers: IncomingMessage["headers"];
  /** Resolves once its client has gone away without an answer. */
  gone: Promise<void>;
}

export interface StatelessServer {
  url: string;
  asked: Asked[];
  /** Of one method. */
  of: (method: string) => Asked[];
  /** What a server said of a client that keeps to the revision: nothing. */
  faults: string[];
  /** Answers the calls from now on. */
  calls: (answering: (message: Message, response: ServerResponse) => void) => void;
  /** Tells every stream. */
  tell: (method: string, params?: object) => void;
  tools: object[];
  ttlMs: number;
  close: () => Promise<void>;
}

export const json = (response: ServerResponse, id: unknown, body: object, status = 200): void => {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify({ jsonrpc: "2.0", id, ...body }));
};

export async function statelessServer(): Promise<StatelessServer> {
  const asked: Asked[] = [];
  const faults: string[] = [];
  const streams = new Map<unknown, ServerResponse>();
  let calls = ({ id, params }: Message, response: ServerResponse): void => {
    json(response, id, { result: { resultType: "complete", content: [{ type: "text", text: `done ${String(params?.["name"])}` }] } });
  };
  const write = (response: ServerResponse, message: object): void => {
    response.write(`event: message\ndata: ${JSON.stringify({ jsonrpc: "2.0", ...message })}\n\n`);
  };
  const answer = (message: Message, response: ServerResponse): void => {
    const { id, method = "", params = {} } = message;
    const cached = { resultType: "complete", ttlMs: state.ttlMs, cacheScope: "public" };
    if (method === "server/discover") {
      const capabilities = {
        tools: { listChanged: true },
        resources: { subscribe: true },
        completions: {},
        logging: {},
        extensions: { "io.modelcontextprotocol/tasks": {} },
      };
      const _meta = { [`${PREFIX}serverInfo`]: { name: "strict", version: "1" } };
      json(response, id, { result: { ...cached, supportedVersions: [STATELESS], capabilities, instructions: "Obey.", _meta } });
    } else if (method === "tools/list") json(response, id, { result: { ...cached, tools: state.tools } });
    else if (method === "resources/read") json(response, id, { result: { ...cached, contents: [{ uri: params["uri"], text: "{}" }] } });
    else if (method === "tools/call") calls(message, response);
    else if (method === "subscriptions/listen") {
      response.writeHead(200, { "content-type": "text/event-stream" });
      streams.set(id, response);
      const _meta = { [`${PREFIX}subscriptionId`]: id };
      write(response, { method: "notifications/subscriptions/acknowledged", params: { _meta, notifications: params["notifications"] } });
    } else json(response, id, { error: { code: -32601, message: "Method not found" } }, 404);
  };
  const server = createServer((request, response) => {
    let text = "";
    request
      .on("data", (chunk: Buffer) => (text += chunk.toString()))
      .on("end", () => {
        const message = JSON.parse(text) as Message;
        const { headers } = request;
        const gone = new Promise<void>((resolve) => {
          response.once("close", () => {
            if (!response.writableEnded) resolve();
          });
        });
        asked.push({ message, headers, gone });
        const fault = faultOf(request, message);
        if (fault !== null) {
          faults.push(fault);
          json(response, message.id, { error: { code: -32020, message: fault } }, 400);
        } else answer(message, response);
      });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const state: StatelessServer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`,
    asked,
    of: (method) => asked.filter(({ message }) => message.method === method),
    faults,
    calls: (answering) => (calls = answering),
    tell: (method, params = {}) => {
      for (const [id, response] of streams) write(response, { method, params: { ...params, _meta: { [`${PREFIX}subscriptionId`]: id } } });
    },
    tools: [...TOOLS],
    ttlMs: 0,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
  return state;
}

/** What a request says wrong, for a server that takes the revision at its word. */
function faultOf({ method, headers }: IncomingMessage, message: Message): string | null {
  const meta = message.params?.["_meta"] as Record<string, unknown> | undefined;
  if (method !== "POST") return `a ${String(method)}`;
  if (message.id === undefined || message.method === undefined) return `no request: ${JSON.stringify(message)}`;
  if (headers["mcp-session-id"] !== undefined) return "a session";
  if (headers["mcp-protocol-version"] !== STATELESS || meta?.[`${PREFIX}protocolVersion`] !== STATELESS) return "another revision";
  if (typeof meta[`${PREFIX}clientCapabilities`] !== "object") return "no capabilities";
  if (headers["mcp-method"] !== message.method) return "another method in its headers";
  const named = NAMED.get(message.method);
  return named === undefined || headers["mcp-name"] === message.params?.[named] ? null : "another name in its headers";
}

export interface Got {
  status: number;
  type: string;
  /** What came, in its order; the last is the answer. */
  messages: Message[];
  answer: Message;
}

export interface Asking {
  headers?: Record<string, string | undefined>;
  id?: number | string;
  meta?: object;
  /** Each message as it comes. */
  heard?: (message: Message) => void;
  signal?: AbortSignal;
}

/** Asks as a client of the revision, but for what the caller changes. */
export function ask(
  url: string,
  method: string,
  params: object = {},
  { headers = {}, id = 1, meta = META, heard, signal }: Asking = {},
): Promise<Got> {
  const name = (params as Record<string, unknown>)[NAMED.get(method) ?? ""];
  const all = {
    accept: "application/json, text/event-stream",
    "content-type": "application/json",
    "mcp-protocol-version": STATELESS,
    "mcp-method": method,
    ...(typeof name === "string" && { "mcp-name": name }),
    ...headers,
  };
  const said: Record<string, string | undefined> = all;
  for (const [name, value] of Object.entries(said)) if (value === undefined) Reflect.deleteProperty(said, name);
  return new Promise((resolve, reject) => {
    const request = httpRequest(url, { method: "POST", headers: said, ...(signal !== undefined && { signal }) }, (response) => {
      const type = response.headers["content-type"] ?? "";
      const messages: Message[] = [];
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => {
        text += chunk;
        if (!type.startsWith("text/event-stream")) return;
        const events = text.split("\n\n");
        text = events.pop() ?? "";
        for (const event of events) {
          const message = JSON.parse(event.replace(/^event: message\ndata: /, "")) as Message;
          messages.push(message);
          heard?.(message);
        }
      });
      response.once("error", reject);
      response.once("end", () => {
        if (type.startsWith("application/json")) messages.push(JSON.parse(text) as Message);
        resolve({ status: response.statusCode ?? 0, type, messages, answer: messages.at(-1) ?? {} });
      });
    });
    request.once("error", reject);
    request.end(
      JSON.stringify({ jsonrpc: "2.0", id, method, params: { ...params, ...(Object.keys(meta).length > 0 && { _meta: meta }) } }),
    );
  });
}
