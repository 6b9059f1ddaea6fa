/**
 * Keeps a stream of events open: connects, resumes after the last id, reconnects if the stream breaks off or is silent for too long. After
 * any failure it reports that no changes are being received, and tries again.
 */
import { within } from "./deadline.js";
import { EventReader, type StreamedEvent } from "./event_source.js";
import type { Outside } from "./outside.js";
import type { Carrier } from "./transport.js";

/** Receives what happens on a stream. */
export interface Hearer {
  /**
   * @param resumed whether the stream goes on after an id
   * @returns how often something comes, where it says so
   * @throws Error where it can't be what it should: the connection is given up
   */
  take(received: StreamedEvent, resumed: boolean): number | null;
  /** Something has come, if only a heartbeat; after what was whole of it has been taken. */
  heard(): void;
  /** The connection has ended. */
  silent(): void;
}

export interface ConnectionOptions {
  path: string;
  /** Until a stream has begun. */
  head_ms: number;
  /** UTF-16 units of one event. */
  event_length_max: number;
}

/** Until the service says how often something comes. */
const SILENT_MS_MAX = 10_000;
const HEARTBEAT_MS_MAX = 60_000;
const HEARTBEATS_MISSED = 3;
const RETRY_MS = 1000;
const RETRY_MS_MAX = 30_000;

export class Connection {
  readonly #carrier: Pick<Carrier, "open">;
  readonly #outside: Outside;
  readonly #options: ConnectionOptions;
  readonly #hearer: Hearer;
  #lastId: string | null = null;
  #running: AbortController | null = null;
  #failed = 0;

  constructor(carrier: Pick<Carrier, "open">, outside: Outside, options: ConnectionOptions, hearer: Hearer) {
    this.#carrier = carrier;
    this.#outside = outside;
    this.#options = options;
    this.#hearer = hearer;
  }

  /** Begins, if it hasn't. */
  start(): void {
    if (this.#running !== null) return;
    this.#running = new AbortController();
    void this.#run(this.#running.signal);
  }

  /** For good. */
  close(): void {
    (this.#running ??= new AbortController()).abort();
    this.#hearer.silent();
  }

  /** The next stream doesn't go on after what came last. */
  forget(): void {
    this.#lastId = null;
  }

  async #run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const reader = new EventReader();
      try {
        await this.#follow(reader, signal);
      } catch {
        // Whatever it was: nothing is heard, and that is what counts.
      }
      this.#hearer.silent();
      const wait = Math.min(RETRY_MS_MAX, (reader.retry_ms ?? RETRY_MS) * 2 ** Math.min(this.#failed++, 10));
      await this.#pause(wait, signal);
    }
  }

  /** One connection, until it ends. @throws Error where it breaks off, is silent for too long, or says what can't be read */
  async #follow(reader: EventReader, signal: AbortSignal): Promise<void> {
    const { path, head_ms, event_length_max } = this.#options;
    const connection = new AbortController();
    const stop = (): void => {
      connection.abort();
    };
    signal.addEventListener("abort", stop);
    let silence_ms = SILENT_MS_MAX;
    let cancel = (): void => undefined;
    try {
      const headers = this.#lastId === null ? {} : { "last-event-id": this.#lastId };
      const response = await within(this.#outside, head_ms, connection.signal, () =>
        this.#carrier.open(path, "text/event-stream", headers, connection.signal),
      );
      const resumed = this.#lastId !== null;
      const stream = response.body?.getReader();
      connection.signal.addEventListener("abort", () => void stream?.cancel().catch(() => undefined));
      while (stream !== undefined) {
        cancel = this.#outside.after(silence_ms, stop);
        const { value } = (await stream.read()) as { value: Uint8Array | undefined };
        cancel();
        if (value === undefined) return;
        for (const received of reader.read(value)) {
          const beat_ms = this.#hearer.take(received, resumed);
          if (beat_ms === null) continue;
          silence_ms = HEARTBEATS_MISSED * Math.min(HEARTBEAT_MS_MAX, beat_ms);
          this.#failed = 0;
        }
        this.#lastId = reader.lastId ?? this.#lastId;
        this.#hearer.heard();
        if (reader.pending > event_length_max) return;
      }
    } finally {
      cancel();
      connection.abort();
      signal.removeEventListener("abort", stop);
    }
  }

  #pause(ms: number, signal: AbortSignal): Promise<void> {
    return within(this.#outside, ms, signal, () => new Promise<void>(() => undefined)).catch(() => undefined);
  }
}
