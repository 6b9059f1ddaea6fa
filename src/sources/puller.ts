/** Asks a source for bundles for as long as the service runs, and hands what is new on to be verified. */
import { Attempts, type AttemptEvents, type RetryOptions } from "../system/attempts.js";
import { errorMessage } from "../system/error_message.js";
import type { System } from "../system/index.js";
import type { Fetcher } from "./fetcher.js";

export interface SourcePullerOptions extends RetryOptions {
  /** From one look to the next, unless the source waits by itself. */
  poll_ms: number;
}

export interface SourcePullerStatus {
  /** Milliseconds since the source last gave an answer that says what its bundle is; null: it never has. */
  silent_ms: number | null;
  failing: string | null;
}

/** Milliseconds after which a refused bundle is asked for again: what was missing here may be there. */
const REFUSED_FOR_MS = 60_000;

export class Puller {
  readonly #fetcher: Fetcher;
  readonly #options: SourcePullerOptions;
  readonly #take: (bytes: Buffer) => Promise<boolean>;
  readonly #system: System;
  readonly #attempts: Attempts;
  #known: string | null = null;
  /** When a refused bundle is asked for again, on the monotonic clock; null: the last one was taken. */
  #again_ms: number | null = null;
  #answered_ms: number | null = null;
  #failing: string | null = null;
  #running: Promise<void> | null = null;

  /** @param take verifies and activates; resolves to false if the bundle was refused */
  constructor(
    fetcher: Fetcher,
    options: SourcePullerOptions,
    take: (bytes: Buffer) => Promise<boolean>,
    system: System,
    events: AttemptEvents,
  ) {
    this.#fetcher = fetcher;
    this.#options = options;
    this.#take = take;
    this.#system = system;
    this.#attempts = new Attempts(options, system, events);
  }

  get status(): SourcePullerStatus {
    const silent_ms = this.#answered_ms === null ? null : this.#system.clock.monotonic() - this.#answered_ms;
    return { silent_ms, failing: this.#failing };
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Resolves when nothing of it runs any more; the requests have to be closed first. */
  async stop(): Promise<void> {
    this.#attempts.stop();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#attempts.stopped) await this.#attempts.wait(await this.#pull());
  }

  /** @returns milliseconds until the next look */
  async #pull(): Promise<number> {
    const { clock } = this.#system;
    if (this.#again_ms !== null && clock.monotonic() >= this.#again_ms) this.#known = null;
    const began = clock.monotonic();
    try {
      const fetched = await this.#fetcher.fetch(this.#known);
      this.#answered_ms = clock.monotonic();
      this.#failing = null;
      this.#attempts.succeeded();
      if (fetched.kind === "bundle") {
        const isTaken = await this.#take(fetched.bytes);
        this.#known = fetched.tag;
        this.#again_ms = isTaken ? null : clock.monotonic() + REFUSED_FOR_MS;
      }
      // One that answers at once whatever it is asked must not be asked without a pause.
      const isWaiting = this.#fetcher.waits && (fetched.kind === "bundle" || clock.monotonic() - began >= this.#options.retry_ms);
      return isWaiting ? 0 : this.#options.poll_ms;
    } catch (cause) {
      if (this.#attempts.stopped) return 0;
      this.#failing = errorMessage(cause);
      return this.#attempts.failed(cause);
    }
  }
}
