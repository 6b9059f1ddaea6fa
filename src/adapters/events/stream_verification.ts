/** Asks a transmitter for verification events (SSF 1.0, section 8.1.4), so that a stream that has fallen silent is seen. */
import type { System } from "../../system/index.js";
import type { Exchange } from "../../system/exchange.js";
import { readToken } from "../../system/read_file.js";
import { Attempts } from "../../system/attempts.js";
import { errorMessage } from "../../system/error_message.js";

export interface VerifyingOptions {
  stream_id: string;
  /** Holds a token that the transmitter takes as a bearer's (RFC 6750); read before each request. */
  token_file?: string | undefined;
  every_ms: number;
}

export interface VerifyingDeps {
  exchange: Exchange;
  system: System;
  /** The event that comes has to say this. */
  awaitState: (state: string) => void;
  failed: (detail: string) => void;
}

const STATE_BYTES = 16;
/** Intervals between requested events that may pass without an event. */
const OVERDUE_AFTER = 2;

export class Verifying {
  readonly #options: VerifyingOptions;
  readonly #deps: VerifyingDeps;
  readonly #attempts: Attempts;
  readonly #began_ms: number;

  constructor(options: VerifyingOptions, deps: VerifyingDeps) {
    this.#options = options;
    this.#deps = deps;
    const every = { retry_ms: options.every_ms, retry_max_ms: options.every_ms };
    this.#attempts = new Attempts(every, deps.system, { failing: deps.failed, recovered: () => undefined });
    this.#began_ms = deps.system.clock.wall();
  }

  /** @param verified_at when an event last came, RFC 3339; null: none yet */
  isOverdue(verified_at: string | null): boolean {
    const since = verified_at === null ? this.#began_ms : Date.parse(verified_at);
    return this.#deps.system.clock.wall() - since > OVERDUE_AFTER * this.#options.every_ms;
  }

  /** Resolves once `stop` was called. */
  async run(): Promise<void> {
    while (!this.#attempts.stopped) {
      await this.#ask();
      await this.#attempts.wait(this.#options.every_ms);
    }
  }

  stop(): void {
    this.#attempts.stop();
  }

  async #ask(): Promise<void> {
    const { stream_id, token_file } = this.#options;
    const { exchange, system, awaitState, failed } = this.#deps;
    const bytes = new Uint8Array(STATE_BYTES);
    system.random.fill(bytes);
    const state = Buffer.from(bytes).toString("base64url");
    try {
      awaitState(state);
      const headers = { "content-type": "application/json", accept: "application/json", "user-agent": "Remit" };
      const authorization = token_file === undefined ? {} : { authorization: `Bearer ${readToken(token_file)}` };
      const { status } = await exchange({ ...headers, ...authorization }, JSON.stringify({ stream_id, state }));
      if (status < 200 || status > 299) failed(`status ${status}`);
    } catch (cause) {
      if (!this.#attempts.stopped) failed(errorMessage(cause));
    }
  }
}
