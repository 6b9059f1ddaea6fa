/** One request to a sink at a time, each bounded in time and in what is read of its answer. */
import { Agent as HttpAgent, request as requestHttp } from "node:http";
import { Agent as HttpsAgent, request as requestHttps } from "node:https";
import type { Timers } from "../../system/index.js";

export interface Posted {
  status: number;
  retry_after: string | null;
}

/**
 * @returns any whole answer, whatever its status
 * @throws Error where there was none in time, or none that is HTTP
 */
export type Post = (headers: Readonly<Record<string, string>>, body: Buffer) => Promise<Posted>;

/** Of an answer's body, which nobody reads. */
const ANSWER_BYTES_MAX = 1024 * 1024;
const SECOND_MS = 1000;
/** The longest wait that a receiver may ask for. */
const RETRY_AFTER_MS_MAX = 3_600_000;

/** Redirects are not followed: where records go is the configuration's to say. */
export function poster(url: URL, timeout_ms: number, timers: Timers): { post: Post; close: () => void } {
  const secure = url.protocol === "https:";
  const agent = secure
    ? new HttpsAgent({ keepAlive: true, maxSockets: 1, rejectUnauthorized: true })
    : new HttpAgent({ keepAlive: true, maxSockets: 1 });
  const post: Post = (headers, body) =>
    new Promise((resolve, reject) => {
      const fail = (cause: Error): void => {
        cancel();
        request.destroy();
        reject(cause);
      };
      const request = (secure ? requestHttps : requestHttp)(url, {
        agent,
        method: "POST",
        headers: { ...headers, "content-length": body.length },
      });
      const cancel = timers.after(timeout_ms, () => {
        fail(new Error(`no whole answer within ${timeout_ms} ms`));
      });
      request.on("error", fail);
      request.on("response", (response) => {
        const { statusCode = 0, headers: answered } = response;
        let bytes = 0;
        response.on("data", (chunk: Buffer) => {
          bytes += chunk.length;
          if (bytes > ANSWER_BYTES_MAX) fail(new Error(`an answer of more than ${ANSWER_BYTES_MAX} bytes`));
        });
        // Ends cut short come as an error.
        response.on("error", fail);
        response.on("end", () => {
          cancel();
          resolve({ status: statusCode, retry_after: answered["retry-after"] ?? null });
        });
      });
      request.end(body);
    });
  return {
    post,
    close() {
      agent.destroy();
    },
  };
}

/** RFC 9110, section 10.2.3; 0 where there is none that can be read. */
export function retryAfterMs({ retry_after }: Posted, nowMs: number): number {
  if (retry_after === null) return 0;
  const ms = /^\d{1,9}$/.test(retry_after) ? Number(retry_after) * SECOND_MS : Date.parse(retry_after) - nowMs;
  return Number.isNaN(ms) ? 0 : Math.min(Math.max(ms, 0), RETRY_AFTER_MS_MAX);
}
