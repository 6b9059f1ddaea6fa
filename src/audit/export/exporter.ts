/** The service's side of export: starts the thread that does it, tells it how far records are on disk, and knows how it goes. */
import type { Timers } from "../../system/index.js";
import type { LogEventName } from "../../system/log_events.js";
import { SupervisedThread } from "../../system/supervised_thread.js";
import { workerThread, type Thread } from "../../system/thread.js";
import type { TlsFiles } from "../../system/tls_files.js";
import type { KafkaOptions } from "./kafka.js";
import type { SinkOptions, SinkStatus } from "./sink.js";

export interface ConfiguredSink extends SinkOptions {
  /** Address of a receiver of requests or of syslog; a sink has this or `kafka`. */
  url?: string;
  kafka?: KafkaOptions;
  /** From the first byte sent to the last received. */
  timeout_ms: number;
  /** Certificates of a connection by `syslog+tls` or to Kafka. */
  tls?: TlsFiles;
}

export interface WorkerOptions {
  /** The log's. */
  directory: string;
  sinks: readonly ConfiguredSink[];
  /** The last record that is on disk. */
  durable: number;
}

export type ToExport = { kind: "durable"; seq: number } | { kind: "close" };

/** Event of the operational log that an export has. */
export type ExportEvent = Extract<LogEventName, `sink_${string}` | "record_set_aside" | "export_ended">;

export type FromExport =
  { kind: "status"; sinks: SinkStatus[] } | { kind: "event"; event: ExportEvent; fields: Record<string, unknown> } | { kind: "closed" };

export type ExportThread = Thread<ToExport, FromExport>;

/** State of a sink. */
export interface Exported extends SinkStatus {
  /** Records on disk that it hasn't taken. */
  lag: number;
}

const TELL_MS = 100;
const RESTART_MS = 1000;

export class Exporter {
  readonly #durable: () => number;
  readonly #stopTelling: () => void;
  readonly #thread: SupervisedThread<ToExport, FromExport>;
  #told = 0;
  #sinks: readonly SinkStatus[];

  /**
   * @param durable says the last record that is on disk
   * @param log writes a line for operators
   */
  constructor(
    options: Omit<WorkerOptions, "durable">,
    durable: () => number,
    timers: Timers,
    log: (event: ExportEvent, fields: Record<string, unknown>) => void,
    spawn: (options: WorkerOptions) => ExportThread = (data) => workerThread(new URL("./worker.js", import.meta.url), data),
  ) {
    this.#durable = durable;
    this.#sinks = options.sinks.map(({ name }) => ({ name, delivered_seq: 0, failures: 0, set_aside: 0 }));
    const owner = {
      received: (message: Exclude<FromExport, { kind: "closed" }>): void => {
        if (message.kind === "status") this.#sinks = message.sinks;
        else log(message.event, message.fields);
      },
      died: ({ message: detail }: Error): void => {
        if (this.#thread.closing) return;
        log("export_ended", { detail });
      },
    };
    const start = (): ExportThread => {
      this.#told = durable();
      return spawn({ ...options, durable: this.#told });
    };
    this.#thread = new SupervisedThread(start, owner, timers, RESTART_MS);
    this.#stopTelling = timers.every(TELL_MS, () => {
      this.#tell();
    });
  }

  /** Sinks as they were a moment ago. Their counters begin again when the thread does. */
  get sinks(): Exported[] {
    const durable = this.#durable();
    return this.#sinks.map((sink) => ({ ...sink, lag: Math.max(0, durable - sink.delivered_seq) }));
  }

  /** Closes the thread. Requests under way are given up, and sent again after the next start. */
  close(): Promise<void> {
    this.#stopTelling();
    return this.#thread.close({ kind: "close" });
  }

  #tell(): void {
    const seq = this.#durable();
    if (seq === this.#told || !this.#thread.running) return;
    this.#told = seq;
    this.#thread.post({ kind: "durable", seq });
  }
}
