/** The service's side of uploads: starts the process that does them, and knows how they go. */
import { childProcess } from "../system/child.js";
import type { Timers } from "../system/index.js";
import type { LogEventName } from "../system/log_events.js";
import { SupervisedThread } from "../system/supervised_thread.js";
import type { Thread } from "../system/thread.js";
import type { UploaderOptions, UploadStatus } from "./uploader.js";

export interface UploadsOptions {
  /** The log's. */
  directory: string;
  buckets: readonly UploaderOptions[];
}

export interface ToUploads {
  kind: "close";
}

/** Event of the operational log that uploads have. */
export type UploadEvent = Extract<LogEventName, `upload_${string}`>;

export type FromUploads =
  { kind: "status"; buckets: UploadStatus[] } | { kind: "event"; event: UploadEvent; fields: Record<string, unknown> } | { kind: "closed" };

export type UploadProcess = Thread<ToUploads, FromUploads>;

const RESTART_MS = 1000;
const HEAP_MB_MAX = 64;

export class Uploads {
  readonly #process: SupervisedThread<ToUploads, FromUploads>;
  #buckets: readonly UploadStatus[] = [];

  /** @param log writes a line for operators */
  constructor(
    options: UploadsOptions,
    timers: Timers,
    log: (event: UploadEvent, fields: Record<string, unknown>) => void,
    spawn: () => UploadProcess = () => childProcess(new URL("./process.js", import.meta.url), options, HEAP_MB_MAX),
  ) {
    const owner = {
      received: (message: Exclude<FromUploads, { kind: "closed" }>): void => {
        if (message.kind === "status") this.#buckets = message.buckets;
        else log(message.event, message.fields);
      },
      died: ({ message: detail }: Error): void => {
        if (this.#process.closing) return;
        log("upload_ended", { detail });
      },
    };
    this.#process = new SupervisedThread(spawn, owner, timers, RESTART_MS);
  }

  /** Buckets as they were a moment ago; counters begin again when the process does. */
  get buckets(): readonly UploadStatus[] {
    return this.#buckets;
  }

  close(): Promise<void> {
    return this.#process.close({ kind: "close" });
  }
}
