/** The service's side of uploads: starts the process that does them, and knows how they go. */
import { childProcess } from "../system/child.js";
import type { Timers } from "../system/index.js";
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

export type FromUploads =
  | { kind: "status"; buckets: UploadStatus[] }
  | { kind: "said"; level: "info" | "error"; message: string; fields: Record<string, unknown> }
  | { kind: "closed" };

export type UploadProcess = Thread<ToUploads, FromUploads>;

const RESTART_MS = 1000;
const HEAP_MB_MAX = 64;

export class Uploads {
  readonly #process: SupervisedThread<ToUploads, FromUploads>;
  #buckets: readonly UploadStatus[] = [];

  /** @param say logs a message for an operator */
  constructor(
    options: UploadsOptions,
    timers: Timers,
    say: (level: "info" | "error", message: string, fields: Record<string, unknown>) => void,
    spawn: () => UploadProcess = () => childProcess(new URL("./process.js", import.meta.url), options, HEAP_MB_MAX),
  ) {
    const owner = {
      received: (message: Exclude<FromUploads, { kind: "closed" }>): void => {
        if (message.kind === "status") this.#buckets = message.buckets;
        else say(message.level, message.message, message.fields);
      },
      died: ({ message: detail }: Error): void => {
        if (this.#process.closing) return;
        say("error", "the process that uploads files of records ended; it is started again", { code: "upload_ended", detail });
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
