/**
 * Takes a service's bundle as soon as there is another, by OPA's bundle protocol: the service answers when its bundle is no longer the
 * one that is named. Nothing that it says is believed but the bytes, and those are verified.
 */
import type { PolicyIdentity } from "../contract/index.js";
import { BundleError } from "../bundle/verify.js";
import { backOffMs } from "../system/attempts.js";
import { failingOf, type Failing } from "./not_ready.js";
import type { Remote } from "./remote.js";

export interface PullerOptions {
  /** Name of the bundle. */
  name: string;
  bytes_max: number;
  /** Time that the service may wait for another. */
  wait_ms: number;
  /** For an answer, beyond that. */
  answer_ms: number;
  retry_ms: number;
  retry_max_ms: number;
}

export interface PullerEvents {
  /** Once per reason. */
  failing(detail: string): void;
}

/** Milliseconds after which a refused bundle is requested again, since something may have been missing here. */
const REFUSED_FOR_MS = 60_000;

export class BundlePuller {
  readonly #remote: Remote;
  readonly #options: PullerOptions;
  readonly #running: () => PolicyIdentity | null;
  readonly #publish: (bytes: Buffer) => Promise<unknown>;
  readonly #monotonic: () => number;
  readonly #events: PullerEvents;
  #refused: { etag: string | null; until_ms: number; why: Failing } | null = null;
  #failed = 0;
  #failing: Failing | null = null;
  #ended: Promise<void> | null = null;

  constructor(
    remote: Remote,
    options: PullerOptions,
    running: () => PolicyIdentity | null,
    publish: (bytes: Buffer) => Promise<unknown>,
    monotonic: () => number,
    events: PullerEvents,
  ) {
    this.#remote = remote;
    this.#options = options;
    this.#running = running;
    this.#publish = publish;
    this.#monotonic = monotonic;
    this.#events = events;
  }

  start(): void {
    this.#ended ??= this.#run();
  }

  /** Reason why no bundle is available now; null if nothing is wrong. */
  get failing(): Failing | null {
    return this.#failing ?? this.#refused?.why ?? null;
  }

  /** Once the remote is closed. */
  async ended(): Promise<void> {
    await this.#ended;
  }

  async #run(): Promise<void> {
    while (!this.#remote.isClosed()) {
      let wait_ms = 0;
      try {
        wait_ms = (await this.#pull()) ?? 0;
        this.#failed = 0;
        this.#failing = null;
      } catch (cause) {
        if (this.#remote.isClosed()) return;
        const failing = cause instanceof NoBundle ? cause : failingOf(cause);
        if (failing.detail !== this.#failing?.detail) this.#events.failing(failing.detail);
        this.#failing = failing;
        wait_ms = backOffMs(this.#options, ++this.#failed);
      }
      if (wait_ms > 0) await this.#remote.pause(wait_ms);
    }
  }

  /** @returns milliseconds to wait before the next; null: not at all. @throws Error where there is no answer to go by */
  async #pull(): Promise<number | null> {
    const { name, bytes_max, wait_ms, answer_ms, retry_ms } = this.#options;
    const have = this.#running();
    const known = [have === null ? null : `"${have.digest}"`, this.#refusedTag()].filter((tag) => tag !== null);
    const headers: Record<string, string> = { prefer: `modes=snapshot;wait=${Math.ceil(wait_ms / 1000)}` };
    if (known.length > 0) headers["if-none-match"] = known.join(", ");
    const asked = { path: `bundles/${encodeURIComponent(name)}`, headers, answer_bytes_max: bytes_max };
    const began = this.#monotonic();
    const { status, etag, bytes } = await this.#remote.ask({ ...asked, ms: wait_ms + answer_ms });
    // One that doesn't wait must not be asked without a pause.
    if (status === 304) return this.#monotonic() - began < retry_ms ? retry_ms : null;
    if (status !== 200) throw new NoBundle(status, codeIn(bytes));
    try {
      await this.#publish(bytes);
      this.#refused = null;
    } catch (cause) {
      if (!(cause instanceof BundleError)) throw cause;
      // Whoever publishes is told by the report; what runs goes on.
      const why = { code: cause.code, detail: `the service's bundle is refused: ${cause.message}` };
      this.#refused = { etag, until_ms: this.#monotonic() + REFUSED_FOR_MS, why };
    }
    return retry_ms;
  }

  #refusedTag(): string | null {
    const refused = this.#refused;
    return refused !== null && this.#monotonic() < refused.until_ms ? refused.etag : null;
  }
}

class NoBundle extends Error implements Failing {
  readonly code: string | null;
  readonly detail: string;

  constructor(status: number, code: string) {
    super();
    this.code = code === "" ? null : code;
    this.detail = `the service has no bundle for us: ${status} ${code}`.trimEnd();
  }
}

/** The problem's code, where it says one. */
export function codeIn(bytes: Buffer): string {
  try {
    const { code } = JSON.parse(bytes.toString("utf8")) as { code?: unknown };
    return typeof code === "string" ? code : "";
  } catch {
    return "";
  }
}
