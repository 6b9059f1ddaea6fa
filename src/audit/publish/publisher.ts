/** The service's side of publishing: starts the thread that does it, and knows how far it has come. */
import type { Timers } from "../../system/index.js";
import { SupervisedThread } from "../../system/supervised_thread.js";
import { workerThread, type Thread } from "../../system/thread.js";
import type { PublishedState } from "./published_log.js";

export interface PublisherOptions {
  /** The log's. */
  directory: string;
  /** Folder that a web server serves. */
  dir: string;
  /** Milliseconds between two looks at the log's checkpoint. */
  interval_ms: number;
}

export type FromPublisher = ({ kind: "published" } & PublishedState) | { kind: "failed"; detail: string } | { kind: "closed" };
export type PublisherThread = Thread<"close", FromPublisher>;

export interface PublisherEvents {
  /** Once per change of how it fails. */
  failing(detail: string): void;
  publishing(size: number): void;
}

const RESTART_MS = 1000;

export class Publisher {
  readonly #thread: SupervisedThread<"close", FromPublisher>;
  readonly #events: PublisherEvents;
  #failedBy: string | null = null;
  #size = 0;

  constructor(
    options: PublisherOptions,
    timers: Timers,
    events: PublisherEvents,
    spawn: () => PublisherThread = () => workerThread(new URL("./worker.js", import.meta.url), options),
  ) {
    this.#events = events;
    const owner = {
      received: (message: Exclude<FromPublisher, { kind: "closed" }>): void => {
        if (message.kind === "failed") this.#failed(message.detail);
        else this.#published(message.size);
      },
      died: ({ message }: Error): void => {
        if (!this.#thread.closing) this.#failed(`the thread that publishes ended: ${message}`);
      },
    };
    this.#thread = new SupervisedThread(spawn, owner, timers, RESTART_MS);
  }

  /** Records that the published checkpoint covers, and whether the last attempt failed. */
  get state(): { size: number; failing: boolean } {
    return { size: this.#size, failing: this.#failedBy !== null };
  }

  close(): Promise<void> {
    return this.#thread.close("close");
  }

  #failed(detail: string): void {
    if (detail !== this.#failedBy) this.#events.failing(detail);
    this.#failedBy = detail;
  }

  #published(size: number): void {
    this.#size = size;
    if (this.#failedBy !== null) this.#events.publishing(size);
    this.#failedBy = null;
  }
}
