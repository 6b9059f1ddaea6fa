/** Pushes a stream's events (RFC 8935): one at a time, in order, each until its receiver has taken it or refuses it for good. */
import { clip } from "../../contract/index.js";
import type { System } from "../../system/index.js";
import { Attempts, type RetryOptions } from "../../system/attempts.js";
import type { Exchange, Exchanged } from "../../system/exchange.js";

export interface PusherDeps {
  /** Null: nothing is to be told now. @throws Problem `store_unavailable` */
  next: () => Promise<{ jti: string; token: string } | null>;
  /** Returns true if an event may have come. */
  has: () => boolean;
  taken: (jti: string) => void;
  setAside: (jti: string, detail: string) => void;
  failing: (detail: string) => void;
  delivering: () => void;
  exchange: Exchange;
  close: () => void;
  system: System;
}

/** RFC 8935, section 2.3: a receiver that answers so has refused it. */
const REFUSED = 400;
const DETAIL_LENGTH_MAX = 512;

export class Pusher {
  readonly #authorization: string | null;
  readonly #deps: PusherDeps;
  readonly #attempts: Attempts;
  #idle = false;

  constructor(options: RetryOptions, authorization: string | null, deps: PusherDeps) {
    this.#authorization = authorization;
    this.#deps = deps;
    this.#attempts = new Attempts(options, deps.system, { failing: deps.failing, recovered: deps.delivering });
  }

  get failing(): boolean {
    return this.#attempts.failing;
  }

  /** Something has come. */
  wake(): void {
    if (this.#idle) this.#attempts.wake();
  }

  stop(): void {
    this.#attempts.stop();
    this.#deps.close();
  }

  /** Resolves once `stop` was called. */
  async run(): Promise<void> {
    while (!this.#attempts.stopped) {
      let wait_ms: number;
      try {
        wait_ms = await this.#tell();
      } catch (cause) {
        wait_ms = this.#attempts.failed(cause);
      }
      this.#idle = wait_ms === Infinity;
      // It may have come while it was found that there is nothing.
      if (this.#idle && this.#deps.has()) continue;
      await this.#attempts.wait(wait_ms);
    }
  }

  /** @returns milliseconds to wait; Infinity: until something comes */
  async #tell(): Promise<number> {
    const event = await this.#deps.next();
    if (event === null) return Infinity;
    const answer = await this.#deps.exchange(
      {
        accept: "application/json",
        "content-type": "application/secevent+jwt",
        "user-agent": "Remit",
        ...(this.#authorization === null ? {} : { authorization: this.#authorization }),
      },
      event.token,
    );
    // Whatever came of it while it was being stopped: told again, it is the same.
    if (this.#attempts.stopped) return 0;
    const { status } = answer;
    if (status === REFUSED) this.#deps.setAside(event.jti, refusalIn(answer));
    else if (status < 200 || status > 299) return this.#attempts.refused(answer);
    this.#attempts.succeeded();
    this.#deps.taken(event.jti);
    return 0;
  }
}

/** Returns the receiver's description of its refusal, as far as it can be read. */
function refusalIn({ body }: Exchanged): string {
  return clip(body.toString("utf8").replaceAll(/[^\x20-\x7e]/g, " "), DETAIL_LENGTH_MAX);
}
