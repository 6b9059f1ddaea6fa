/** The service's side of export: starts the thread that does it, tells it how far records are on disk, and knows how it goes. */
import type { Timers } from "../../system/index.js";
import { workerThread, type Thread } from "../../system/thread.js";
import type { SinkOptions, SinkStatus } from "./sink.js";

export interface ConfiguredSink extends SinkOptions {
  url: string;
  /** From the first byte sent to the last received. */
  timeout_ms: number;
}

export interface WorkerOptions {
  /** The log's. */
  directory: string;
  sinks: readonly ConfiguredSink[];
  /** The last record that is on disk. */
  durable: number;
}

export type ToExport = { kind: "durable"; seq: number } | { kind: "close" };

export type Level = "info" | "error";

export type FromExport =
  | { kind: "status"; sinks: SinkStatus[] }
  | { kind: "said"; level: Level; message: string; fields: Record<string, unknown> }
  | { kind: "closed" };

export type ExportThread = Thread<ToExport, FromExport>;

/** What an operator is told. */
export type Say = (level: Level, message: string, fields: Record<string, unknown>) => void;

/** How a sink stands. */
export interface Exported extends SinkStatus {
  /** Records on disk that it hasn't taken. */
  lag: number;
}

const TELL_MS = 100;
const RESTART_MS = 1000;

export class Exporter {
  readonly #options: Omit<WorkerOptions, "durable">;
  readonly #durable: () => number;
  readonly #timers: Timers;
  readonly #say: Say;
  readonly #spawn: (options: WorkerOptions) => ExportThread;
  readonly #stopTelling: () => void;
  #thread: ExportThread;
  #told: number;
  #sinks: readonly SinkStatus[];
  #closing: (() => void) | null = null;
  #cancelRestart: (() => void) | null = null;

  /** @param durable says the last record that is on disk */
  constructor(
    options: Omit<WorkerOptions, "durable">,
    durable: () => number,
    timers: Timers,
    say: Say,
    spawn: (options: WorkerOptions) => ExportThread = (data) => workerThread(new URL("./worker.js", import.meta.url), data),
  ) {
    this.#options = options;
    this.#durable = durable;
    this.#timers = timers;
    this.#say = say;
    this.#spawn = spawn;
    this.#told = durable();
    this.#sinks = options.sinks.map(({ name }) => ({ name, delivered_seq: 0, failures: 0, set_aside: 0 }));
    this.#thread = this.#start();
    this.#stopTelling = timers.every(TELL_MS, () => {
      this.#tell();
    });
  }

  /** As of a moment ago. What is counted begins anew when the thread does. */
  get sinks(): Exported[] {
    const durable = this.#durable();
    return this.#sinks.map((sink) => ({ ...sink, lag: Math.max(0, durable - sink.delivered_seq) }));
  }

  /** What is under way is given up, and sent again after the next start. */
  close(): Promise<void> {
    this.#stopTelling();
    this.#cancelRestart?.();
    if (this.#cancelRestart !== null) return Promise.resolve();
    return new Promise((resolve) => {
      this.#closing = resolve;
      this.#thread.postMessage({ kind: "close" });
    });
  }

  #start(): ExportThread {
    this.#told = this.#durable();
    const thread = this.#spawn({ ...this.#options, durable: this.#told });
    thread.onMessage((message) => {
      switch (message.kind) {
        case "status":
          this.#sinks = message.sinks;
          return;
        case "said":
          this.#say(message.level, message.message, message.fields);
          return;
        case "closed":
          this.#closing?.();
      }
    });
    thread.onDeath(({ message: detail }) => {
      if (this.#closing !== null) {
        this.#closing();
        return;
      }
      this.#say("error", "the thread that exports records ended; it is started again", { code: "export_ended", detail });
      this.#cancelRestart = this.#timers.after(RESTART_MS, () => {
        this.#cancelRestart = null;
        this.#thread = this.#start();
      });
    });
    return thread;
  }

  #tell(): void {
    const seq = this.#durable();
    if (seq === this.#told || this.#cancelRestart !== null) return;
    this.#told = seq;
    this.#thread.postMessage({ kind: "durable", seq });
  }
}
