/** One request to somebody's server at a time, each bounded in time and in what is read of its answer. */
import { Agent as HttpAgent, request as requestHttp, type IncomingHttpHeaders } from "node:http";
import { Agent as HttpsAgent, request as requestHttps } from "node:https";
import type { Timers } from "./index.js";

export interface Exchanged {
  status: number;
  retry_after: string | null;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

/** A request that isn't a POST to the server's own URL. */
export interface ExchangeTarget {
  method: "HEAD" | "PUT";
  /** Path on the server, as it is sent. */
  path: string;
}

/**
 * @returns any whole answer, whatever its status
 * @throws Error where there was none in time, one that is too large, or none that is HTTP
 */
export type Exchange = (headers: Readonly<Record<string, string>>, body: string | Buffer, target?: ExchangeTarget) => Promise<Exchanged>;

export interface ExchangeLimits {
  timeout_ms: number;
  /** Most bytes of an answer. */
  bytes_max: number;
  /** Ignores the answers' bodies: they are counted and dropped. Otherwise a compressed one is an error. */
  unread?: true;
}

/** Redirects are not followed: who is asked is the configuration's to say. */
export function exchanger(
  url: URL,
  { timeout_ms, bytes_max, unread }: ExchangeLimits,
  timers: Pick<Timers, "after">,
): { exchange: Exchange; close: () => void } {
  const secure = url.protocol === "https:";
  const agent = secure
    ? new HttpsAgent({ keepAlive: true, maxSockets: 1, rejectUnauthorized: true })
    : new HttpAgent({ keepAlive: true, maxSockets: 1 });
  const exchange: Exchange = (headers, body, target) =>
    new Promise((resolve, reject) => {
      const fail = (cause: Error): void => {
        cancel();
        request.destroy();
        reject(cause);
      };
      const request = (secure ? requestHttps : requestHttp)(url, {
        agent,
        method: "POST",
        ...target,
        headers: { ...headers, "content-length": Buffer.byteLength(body) },
      });
      const cancel = timers.after(timeout_ms, () => {
        fail(new Error(`no whole answer within ${timeout_ms} ms`));
      });
      request.on("error", fail);
      request.on("response", (response) => {
        const { statusCode = 0, headers: answered } = response;
        if (unread === undefined && answered["content-encoding"] !== undefined) {
          fail(new Error("a compressed answer"));
          return;
        }
        const chunks: Buffer[] = [];
        let bytes = 0;
        response.on("data", (chunk: Buffer) => {
          bytes += chunk.length;
          if (bytes > bytes_max) fail(new Error(`an answer of more than ${bytes_max} bytes`));
          else if (unread === undefined) chunks.push(chunk);
        });
        // Ends cut short come as an error.
        response.on("error", fail);
        response.on("end", () => {
          cancel();
          resolve({ status: statusCode, retry_after: answered["retry-after"] ?? null, headers: answered, body: Buffer.concat(chunks) });
        });
      });
      request.end(body);
    });
  return {
    exchange,
    close() {
      agent.destroy();
    },
  };
}
