/** A client's surroundings where Node is at hand: what `fetch` and Web Crypto take for one small question is most of what asking costs. */
import { createHash } from "node:crypto";
import { Agent as HttpAgent, request as requestHttp, type IncomingMessage } from "node:http";
import { Agent as HttpsAgent, request as requestHttps } from "node:https";
import { outside, type Answered, type Outside } from "../client/outside.js";

/** Milliseconds of silence after which a request fails, as with `fetch`. 300,000. */
const SILENT_MS_MAX = 300_000;

/** Most chunks kept of a body that nobody reads; then reading pauses, and the rest stays with the sender. */
const CHUNKS_MAX = 16;

/** Connections are kept; idle ones keep no process alive. */
export function nodeOutside(): Outside {
  return {
    ...outside,
    exchange: nodeExchange(),
    sha256: (text) => createHash("sha256").update(text).digest("hex"),
  };
}

export interface GuardedAnswer extends Answered {
  /** All of the head. */
  fields: [name: string, value: string][];
  body: NonNullable<Answered["body"]>;
}

/**
 * Returns a function that works like `fetch` of a text with `redirect: "manual"`; nothing is decompressed.
 * @param idle_ms milliseconds that an idle connection is kept, unless the server names a shorter time
 */
export function nodeExchange(idle_ms = SILENT_MS_MAX): (url: URL, init: RequestInit) => Promise<GuardedAnswer> {
  const kept = { keepAlive: true, timeout: idle_ms };
  const agents = { http: new HttpAgent(kept), https: new HttpsAgent(kept) };
  return (url, init) => send(url, init, agents);
}

interface Agents {
  http: HttpAgent;
  https: HttpsAgent;
}

function send(url: URL, { method, headers, body, signal }: RequestInit, agents: Agents): Promise<GuardedAnswer> {
  const text = body as string;
  const named = headers instanceof Headers ? Object.fromEntries(headers) : (headers as Record<string, string>);
  const said = { ...named, host: url.host, "content-length": Buffer.byteLength(text) };
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const secure = url.protocol === "https:";
    const request = (secure ? requestHttps : requestHttp)(url, {
      agent: secure ? agents.https : agents.http,
      ...(method !== undefined && { method }),
      timeout: SILENT_MS_MAX,
      // As they are written, which takes less than naming each.
      headers: Object.entries(said).flat().map(String),
    });
    request.on("error", reject);
    request.once("timeout", () => request.destroy(new Error(`nothing came for ${SILENT_MS_MAX} ms`)));
    request.once("response", (response) => {
      resolve({
        status: response.statusCode ?? 0,
        get fields() {
          return pairs(response.rawHeaders);
        },
        // One that is said twice is whole, as `fetch` has it, and so none of those that are expected.
        headers: { get: (name) => response.headersDistinct[name]?.join(", ") ?? null },
        body: bodyOf(response),
      });
    });
    // The option of this name costs a tenth of the request.
    const aborted = (): void => {
      request.destroy(signal?.reason as Error);
    };
    signal?.addEventListener("abort", aborted);
    request.once("close", () => signal?.removeEventListener("abort", aborted));
    request.end(text);
  });
}

function pairs(raw: readonly string[]): [string, string][] {
  return raw.flatMap((name, i): [string, string][] => (i % 2 === 0 ? [[name, raw[i + 1] ?? ""]] : []));
}

/** Read as it comes: an iterator would cost more than the parsing. */
function bodyOf(response: IncomingMessage): GuardedAnswer["body"] {
  const chunks: Uint8Array[] = [];
  let cut: Error | null = null;
  let over = false;
  let happened = (): void => undefined;
  response.on("data", (chunk: Uint8Array) => {
    chunks.push(chunk);
    if (chunks.length >= CHUNKS_MAX) response.pause();
    happened();
  });
  response.once("end", () => {
    over = true;
    happened();
  });
  response.on("error", (cause) => {
    cut = cause;
    happened();
  });
  const read = async (): Promise<{ value?: Uint8Array }> => {
    while (chunks.length === 0 && !over) {
      if (cut !== null) throw cut;
      await new Promise<void>((resolve) => (happened = resolve));
    }
    const value = chunks.shift();
    if (chunks.length === 0) response.resume();
    return value === undefined ? {} : { value };
  };
  const cancel = (): Promise<void> => {
    response.destroy();
    return Promise.resolve();
  };
  return { getReader: () => ({ read, cancel }), cancel };
}
