/** Requests of a proxy that are refused before anything is decided. They are on no record: each is counted, and some are said in the log. */
import type { CheckResult } from "../adapters/envoy/check.js";
import type { Clock } from "../system/index.js";
import type { HttpDeps } from "./deps.js";
import { report } from "../system/log_events.js";

/** Whoever sends what is refused writes no more of the log than this lets them. */
const SAID_EVERY_MS = 60_000;

export class RefusedChecks {
  readonly #deps: Pick<HttpDeps, "logger" | "metrics">;
  readonly #clock: Clock;
  /** Codes with the time at which each was last logged, and how often it has come since. */
  readonly #said = new Map<string, { at: number; times: number }>();

  constructor(deps: Pick<HttpDeps, "logger" | "metrics">, clock: Clock) {
    this.#deps = deps;
    this.#clock = clock;
  }

  /** @param request what the proxy calls it, so that its access log can be asked; null: it doesn't say */
  tell({ refusal, answer }: Pick<CheckResult, "refusal" | "answer">, request: string | null): void {
    if (refusal === null || answer !== null) return;
    const { code } = refusal.body as { code: string };
    this.#deps.metrics.checkRefused(code);
    const now = this.#clock.monotonic();
    const last = this.#said.get(code) ?? { at: -Infinity, times: 0 };
    if (now - last.at < SAID_EVERY_MS) {
      last.times++;
      return;
    }
    this.#said.set(code, { at: now, times: 0 });
    report(this.#deps.logger, "check_refused", {
      code,
      ...(request !== null && { request }),
      ...(last.times > 0 && { others_since: last.times }),
    });
  }
}
