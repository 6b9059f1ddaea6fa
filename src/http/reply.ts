/** Answers and problems as bytes: the only place that writes a response. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { Readable, pipeline } from "node:stream";
import type { Problem } from "../contract/index.js";
import type { Timers } from "../system/index.js";

/** Time for which a refused body is still taken in and thrown away: a connection closed on unread bytes would lose the answer. */
const LINGER_MS = 1000;
const LINGER_BYTES = 1024 * 1024;
const RETRY_AFTER_S = "1";
/** Status codes of answers without a body; a length would be that of what isn't sent. */
const BODILESS: ReadonlySet<number> = new Set([204, 304]);

export interface Content {
  status: number;
  type: string;
  body: string | Uint8Array;
  headers?: Readonly<Record<string, string>>;
}

/** Content that is too large for one text. */
export interface Streamed extends Omit<Content, "body"> {
  parts: AsyncIterable<string>;
}

/** Content that goes on until either side ends it. */
export interface Live extends Omit<Content, "body"> {
  /** Writes to the response from here on, its head being written. */
  begin: () => void;
}

/** Returns content with a status alone. */
export function empty(status: number): Content {
  return { status, type: "", body: "" };
}

export function json(status: number, value: unknown): Content {
  return { status, type: "application/json", body: JSON.stringify(value) };
}

/** @param body JSON already */
export function jsonText(body: string): Content {
  return { status: 200, type: "application/json", body };
}

/** @param id stands in the operational log beside what went wrong, for `internal` */
export function problemContent(problem: Problem, id?: string): Content & { body: string } {
  return {
    status: problem.status,
    type: "application/problem+json",
    body: JSON.stringify({ ...problem.toJSON(), ...(id === undefined ? {} : { id }) }),
    headers: problemHeaders(problem),
  };
}

/** Beside the body, in whatever shape that is. */
export function problemHeaders({ code, status }: Problem): Record<string, string> {
  if (status === 503) return { "retry-after": RETRY_AFTER_S };
  // RFC 6750, section 3
  if (code === "token_missing") return { "www-authenticate": "Bearer" };
  if (status === 401) return { "www-authenticate": 'Bearer error="invalid_token"' };
  if (code === "scope_missing") return { "www-authenticate": 'Bearer error="insufficient_scope"' };
  return {};
}

export function send(request: IncomingMessage, response: ServerResponse, content: Content | Streamed | Live, timers: Timers): void {
  if (response.headersSent || response.destroyed) return;
  const unread = !request.complete && hasBody(request);
  const headers: Record<string, string | number> = { "cache-control": "no-store", "x-content-type-options": "nosniff" };
  if (content.type !== "") headers["content-type"] = content.type;
  // RFC 9110, section 8.6
  if ("body" in content && !BODILESS.has(content.status)) headers["content-length"] = Buffer.byteLength(content.body);
  if (unread) headers["connection"] = "close";
  response.writeHead(content.status, content.headers === undefined ? headers : { ...content.headers, ...headers });
  if ("begin" in content) {
    if (request.method === "HEAD") response.end();
    else content.begin();
  } else if ("parts" in content) stream(request, response, content.parts);
  else if (unread) linger(request, response, content.body, timers);
  else response.end(request.method === "HEAD" ? undefined : content.body);
}

/** Streams as fast as the client reads; a stream that breaks off has no last chunk, and so isn't mistaken for the whole. */
function stream(request: IncomingMessage, response: ServerResponse, parts: AsyncIterable<string>): void {
  if (request.method === "HEAD") response.end();
  else pipeline(Readable.from(parts), response, () => undefined);
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
}

function linger(request: IncomingMessage, response: ServerResponse, body: string | Uint8Array, timers: Timers): void {
  let left = LINGER_BYTES;
  const end = (): void => {
    cancel();
    response.end();
  };
  const cancel = timers.after(LINGER_MS, end);
  request.on("data", (chunk: Buffer) => {
    left -= chunk.length;
    if (left < 0) end();
  });
  request.once("end", end);
  request.once("close", end);
  // Of a request broken off, or broken, neither comes.
  request.socket.once("end", end);
  request.resume();
  response.write(body);
  if (request.socket.readableEnded) end();
}
