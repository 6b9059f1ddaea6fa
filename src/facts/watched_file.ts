/** A YAML file of facts that is imported whenever its bytes change. What it doesn't name is left alone. */
import { webcrypto } from "node:crypto";
import { Problem, type ImportAnswer } from "../contract/index.js";
import { errorMessage } from "../system/error_message.js";
import type { Timers } from "../system/index.js";
import { readRegularFile } from "../system/read_file.js";
import type { Commands } from "./commands.js";
import { importFacts } from "./import.js";
import { readYamlDocument } from "./import_file.js";

export interface WatchedFileEvents {
  imported(answer: ImportAnswer): void;
  /** Said once per reason; the facts stay as they are. */
  refused(reason: string): void;
}

const BY = "file";

export class WatchedFile {
  #done = "";
  #refused = "";
  #last: Promise<void> = Promise.resolve();

  constructor(
    private readonly file: string,
    private readonly commands: Commands,
    private readonly events: WatchedFileEvents,
    private readonly bytesMax?: number,
  ) {}

  /** Returns true if the last look found an invalid file, or none that can be read. */
  get isRefused(): boolean {
    return this.#refused !== "";
  }

  watch(timers: Timers, pollMs: number): () => void {
    return timers.every(pollMs, () => void this.look());
  }

  /** Imports the file where its bytes are others than the last time. What failed is tried again at the next look. */
  look(): Promise<void> {
    return (this.#last = this.#last.then(() => this.#import()));
  }

  #reasonOf(cause: unknown): string {
    if (!(cause instanceof Problem)) {
      const message = errorMessage(cause);
      // Of a folder that is read like a file the system names no path.
      return message.includes(this.file) ? message : `${this.file}: ${message}`;
    }
    const { line, field = "" } = cause.detail;
    const place = `${this.file}${line === undefined ? "" : `:${line}`}`;
    return `${place}: ${field === "" ? "" : `${field}: `}${cause.message}`;
  }

  async #import(): Promise<void> {
    try {
      const bytes = await readRegularFile(this.file, this.bytesMax);
      const digest = await digestOf(bytes);
      // Before it is parsed: every look would hold up every decision for as long as that takes.
      if (digest !== this.#done) await this.#take(bytes);
      this.#done = digest;
      this.#refused = "";
    } catch (cause) {
      const reason = this.#reasonOf(cause);
      if (reason !== this.#refused) this.events.refused(reason);
      this.#refused = reason;
    }
  }

  async #take(bytes: Buffer): Promise<void> {
    const file = readYamlDocument(bytes, this.file);
    // Not by its bytes alone: what it says may be said again, after it said something else.
    const id = `file:${this.commands.registry.revision}:${file.digest}`;
    const asked = { id, by: BY, reason: null };
    const { created, changed } = await importFacts(this.commands, file, { ...asked, dryRun: true });
    if (created + changed === 0) return;
    this.events.imported(await importFacts(this.commands, file, { ...asked, dryRun: false }));
  }
}

/** Not in this thread. */
async function digestOf(bytes: Buffer): Promise<string> {
  return Buffer.from(await webcrypto.subtle.digest("SHA-256", bytes)).toString("hex");
}
