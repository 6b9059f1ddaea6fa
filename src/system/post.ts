/** One message at a time to a server whose answers nobody reads, and when the next may follow. */
import { exchanger, type Exchanged } from "./exchange.js";
import type { Timers } from "./index.js";

export type Posted = Pick<Exchanged, "status" | "retry_after">;

/**
 * @returns any whole answer, whatever its status
 * @throws Error where there was none in time, or none that is HTTP
 */
export type Post = (headers: Readonly<Record<string, string>>, body: Buffer) => Promise<Posted>;

/** Most bytes of an answer's body, which nobody reads. */
const ANSWER_BYTES_MAX = 1024 * 1024;
const SECOND_MS = 1000;
/** The longest wait that a receiver may ask for. */
const RETRY_AFTER_MS_MAX = 3_600_000;

/** Redirects are not followed: where records go is the configuration's to say. */
export function poster(url: URL, timeout_ms: number, timers: Timers): { post: Post; close: () => void } {
  const { exchange, close } = exchanger(url, { timeout_ms, bytes_max: ANSWER_BYTES_MAX, unread: true }, timers);
  return { post: exchange, close };
}

/** Returns the milliseconds of `Retry-After` (RFC 9110, section 10.2.3); 0 if it is missing or unreadable. */
export function retryAfterMs({ retry_after }: Posted, nowMs: number): number {
  if (retry_after === null) return 0;
  const ms = /^\d{1,9}$/.test(retry_after) ? Number(retry_after) * SECOND_MS : Date.parse(retry_after) - nowMs;
  return Number.isNaN(ms) ? 0 : Math.min(Math.max(ms, 0), RETRY_AFTER_MS_MAX);
}
