/**
 * Polls a transmitter for Security Event Tokens (RFC 8936): a long poll at a time, each saying what became of the tokens of the one
 * before. What couldn't be taken for the moment is neither acknowledged nor refused, and comes again.
 */
import { Problem } from "../../contract/index.js";
import { Type, type Static } from "../../contract/type.js";
import { scan, type ScanLimits } from "../../decision/scan.js";
import type { System } from "../../system/index.js";
import { readToken } from "../../system/read_file.js";
import { schemas } from "../../system/schemas.js";
import { Attempts, type RetryOptions } from "../../system/attempts.js";
import type { Exchange } from "../../system/exchange.js";
import { SetRefused, isOfTheMoment } from "./refusals.js";

export interface PollerOptions extends RetryOptions {
  /** Holds a token that the transmitter takes as a bearer's (RFC 6750); read before each request. */
  token_file?: string | undefined;
  /** Tokens of one answer. */
  events_max: number;
  json: ScanLimits;
}

export interface PollerDeps {
  /** @throws SetRefused, Problem of the moment */
  take: (token: string) => Promise<void>;
  exchange: Exchange;
  system: System;
  events: PollerEvents;
}

export interface PollerEvents {
  /** Once per change of how it fails. */
  failing: (detail: string) => void;
  polling: () => void;
  refused: (jti: string, code: string, description: string) => void;
}

const Polled = Type.Object({
  sets: Type.Record(Type.String({ minLength: 1, maxLength: 512 }), Type.String()),
  moreAvailable: Type.Optional(Type.Boolean()),
});
const isPolled = schemas().compile<Static<typeof Polled>>(Polled);
/** An answer that came at once without a token: whoever doesn't hold a poll open is asked no more often. */
const EMPTY_PAUSE_MS = 1000;

/** Report on received tokens, sent with the next poll. */
interface PollReport {
  ack: string[];
  setErrs: Record<string, { err: string; description: string }>;
}

export class Poller {
  readonly #options: PollerOptions;
  readonly #deps: PollerDeps;
  readonly #attempts: Attempts;
  #said: PollReport = { ack: [], setErrs: {} };

  constructor(options: PollerOptions, deps: PollerDeps) {
    this.#options = options;
    this.#deps = deps;
    const { failing, polling } = deps.events;
    this.#attempts = new Attempts(options, deps.system, { failing, recovered: polling });
  }

  /** Returns true if the last poll failed. */
  get failing(): boolean {
    return this.#attempts.failing;
  }

  /** Resolves once `stop` was called. */
  async run(): Promise<void> {
    while (!this.#attempts.stopped) {
      let wait_ms: number;
      try {
        wait_ms = await this.#poll();
      } catch (cause) {
        // What is broken off to stop is nobody's fault.
        if (this.#hasStopped()) break;
        wait_ms = this.#attempts.failed(cause);
      }
      await this.#attempts.wait(wait_ms);
    }
  }

  stop(): void {
    this.#attempts.stop();
  }

  #hasStopped(): boolean {
    return this.#attempts.stopped;
  }

  /** @returns milliseconds to wait before the next */
  async #poll(): Promise<number> {
    const { clock } = this.#deps.system;
    const said = this.#said;
    const began = clock.monotonic();
    const exchanged = await this.#deps.exchange(this.#headers(said), bodyOf(said, this.#options.events_max));
    if (exchanged.status !== 200) return this.#attempts.refused(exchanged);
    const answer: unknown = JSON.parse(scan(exchanged.body, this.#options.json));
    if (!isPolled(answer)) return this.#attempts.failed("an answer that is not as RFC 8936 says");
    // Only now is it known to have been heard.
    this.#said = { ack: [], setErrs: {} };
    this.#attempts.succeeded();
    const sets = Object.entries(answer.sets).slice(0, this.#options.events_max);
    const postponed = await this.#takeAll(sets);
    if (postponed !== null) return this.#attempts.failed(postponed);
    const took_ms = clock.monotonic() - began;
    return sets.length === 0 && answer.moreAvailable !== true ? EMPTY_PAUSE_MS - took_ms : 0;
  }

  /** One after another, as they were given. @returns why some have to come again; null: none */
  async #takeAll(sets: readonly (readonly [jti: string, token: string])[]): Promise<string | null> {
    let postponed: string | null = null;
    for (const [jti, token] of sets) {
      if (this.#hasStopped()) break;
      try {
        await this.#deps.take(token);
        this.#said.ack.push(jti);
      } catch (cause) {
        if (cause instanceof SetRefused) {
          this.#said.setErrs[jti] = { err: cause.code, description: cause.description };
          this.#deps.events.refused(jti, cause.code, cause.description);
        } else if (cause instanceof Problem && isOfTheMoment(cause)) postponed = cause.code;
        else throw cause;
      }
    }
    return postponed;
  }

  #headers({ setErrs }: PollReport): Record<string, string> {
    const { token_file } = this.#options;
    return {
      accept: "application/json",
      "content-type": "application/json",
      "user-agent": "Remit",
      ...(Object.keys(setErrs).length === 0 ? {} : { "content-language": "en" }),
      ...(token_file === undefined ? {} : { authorization: `Bearer ${readToken(token_file)}` }),
    };
  }
}

function bodyOf({ ack, setErrs }: PollReport, maxEvents: number): string {
  return JSON.stringify({
    maxEvents,
    returnImmediately: false,
    ...(ack.length === 0 ? {} : { ack }),
    ...(Object.keys(setErrs).length === 0 ? {} : { setErrs }),
  });
}
