/** Pushes a stream's events (RFC 8935): one at a time, in order, each until its receiver has taken it or refuses it for good. */
import { clip } from "../../contract/index.js";
import { retryAfterMs } from "../../audit/export/post.js";
import type { System } from "../../system/index.js";
import type { Exchange, Exchanged } from "../../system/exchange.js";
import { Repeating, type RepeatOptions } from "./repeating.js";

export interface PusherDeps {
  /** Null: nothing is to be told now. @throws Problem `store_unavailable` */
  next: () => Promise<{ jti: string; token: string } | null>;
  /** Whether something may have come. */
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
  readonly #repeating: Repeating;
  #idle = false;
  #failedBy: string | null = null;

  constructor(options: RepeatOptions, authorization: string | null, deps: PusherDeps) {
    this.#authorization = authorization;
    this.#deps = deps;
    this.#repeating = new Repeating(options, deps.system);
  }

  get failing(): boolean {
    return this.#failedBy !== null;
  }

  /** Something has come. */
  wake(): void {
    if (this.#idle) this.#repeating.wake();
  }

  stop(): void {
    this.#repeating.stop();
    this.#deps.close();
  }

  /** Resolves once `stop` was called. */
  async run(): Promise<void> {
    while (!this.#repeating.stopped) {
      let wait_ms: number;
      try {
        wait_ms = await this.#tell();
      } catch (cause) {
        wait_ms = this.#failure(cause instanceof Error ? cause.message : String(cause));
      }
      this.#idle = wait_ms === Infinity;
      // It may have come while it was found that there is nothing.
      if (this.#idle && this.#deps.has()) continue;
      await this.#repeating.wait(wait_ms);
    }
  }

  /** @returns how long to wait, milliseconds; Infinity: until something comes */
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
    if (this.#repeating.stopped) return 0;
    const { status } = answer;
    if (status === REFUSED) this.#deps.setAside(event.jti, refusalIn(answer));
    else if (status < 200 || status > 299)
      return Math.max(this.#failure(`status ${status}`), retryAfterMs(answer, this.#deps.system.clock.wall()));
    this.#repeating.succeeded();
    if (this.#failedBy !== null) this.#deps.delivering();
    this.#failedBy = null;
    this.#deps.taken(event.jti);
    return 0;
  }

  #failure(detail: string): number {
    if (!this.#repeating.stopped && detail !== this.#failedBy) this.#deps.failing(detail);
    this.#failedBy = detail;
    return this.#repeating.failed();
  }
}

/** What the receiver says of it, as far as it can be read. */
function refusalIn({ body }: Exchanged): string {
  return clip(body.toString("utf8").replaceAll(/[^\x20-\x7e]/g, " "), DETAIL_LENGTH_MAX);
}
