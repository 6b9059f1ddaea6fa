/** Turns what went wrong into the problem that its caller is told; of a fault the log has the cause. */
import { Problem } from "../contract/index.js";
import { report } from "../system/log_events.js";
import type { HttpDeps } from "./deps.js";

export interface ToldFailure {
  problem: Problem;
  /** Name under which `request_failed` in the log has the cause of one that nobody expected. */
  id?: string;
}

/** Returns what to tell a caller; whoever has no right to what was asked is noted. */
export function failureOf(cause: unknown, { logger, newId, records }: Pick<HttpDeps, "logger" | "newId" | "records">): ToldFailure {
  if (cause instanceof Problem && cause.code !== "internal") {
    if (cause.status === 401 || cause.status === 403) records.refused(cause.code, cause.caller);
    return { problem: cause };
  }
  const id = newId();
  report(logger, "request_failed", { id, detail: cause instanceof Error ? (cause.stack ?? cause.message) : String(cause) });
  return { problem: new Problem("internal"), id };
}
