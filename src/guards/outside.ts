/** A client's surroundings where Node is at hand: what `fetch` and Web Crypto take for one small question is most of what asking costs. */
import { createHash } from "node:crypto";
import { Agent as HttpAgent, request as requestHttp, type IncomingMessage } from "node:http";
import { Agent as HttpsAgent, request as requestHttps } from "node:https";
import { outside, type Answered, type Outside } from "../client/outside.js";

/** Connections are kept; idle ones keep no process alive. */
export function nodeOutside(): Outside {
  const agents = { http: new HttpAgent({ keepAlive: true }), https: new HttpsAgent({ keepAlive: true }) };
  return {
    ...outside,
    exchange: (url, init) => send(url, init, agents),
    sha256: (text) => createHash("sha256").update(text).digest("hex"),
  };
}

interface Agents {
  http: HttpAgent;
  https: HttpsAgent;
}

/** As `fetch` of a text, with `redirect: "manual"`; nothing is unpacked. */
function send(url: URL, { method, headers, body, signal }: RequestInit, agents: Agents): Promise<Answered> {
  const text = body as string;
  const said = { ...(headers as Record<string, string>), host: url.host, "content-length": Buffer.byteLength(text) };
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const secure = url.protocol === "https:";
    const request = (secure ? requestHttps : requestHttp)(url, {
      agent: secure ? agents.https : agents.http,
      ...(method !== undefined && { method }),
      // As they are written, which takes less than naming each.
      headers: Object.entries(said).flat().map(String),
    });
    request.on("error", reject);
    request.once("response", (response) => {
      resolve({
        status: response.statusCode ?? 0,
        // One that is said twice is whole, as `fetch` has it, and so none of those that are expected.
        headers: { get: (name) => response.headersDistinct[name]?.join(", ") ?? null },
        body: bodyOf(response),
      });
    });
    // The option of this name costs a tenth of the request.
    signal?.addEventListener("abort", () => request.destroy(signal.reason as Error), { once: true });
    request.end(text);
  });
}

/** Read as it comes: an iterator would cost more than the parsing. */
function bodyOf(response: IncomingMessage): NonNullable<Answered["body"]> {
  const chunks: Uint8Array[] = [];
  let cut: Error | null = null;
  let over = false;
  let happened = (): void => undefined;
  response.on("data", (chunk: Uint8Array) => {
    chunks.push(chunk);
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
    return value === undefined ? {} : { value };
  };
  const cancel = (): Promise<void> => {
    response.destroy();
    return Promise.resolve();
  };
  return { getReader: () => ({ read, cancel }), cancel };
}
