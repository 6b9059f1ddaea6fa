/**
 * Place up to which changes of facts are on record, kept beside the log every so many records, so that a start has only the end of the log to
 * look through for the last of them. Where it is missing, or is of another log, all is looked through.
 */
import { rmSync } from "node:fs";
import { join } from "node:path";
import type { FactsOnRecord } from "../audit/log/past.js";
import { replaceFile } from "../system/replaced_file.js";
import type { Timers } from "../system/index.js";
import { readText } from "../system/read_file.js";

/** Parts of the log that are followed. */
export interface MarkedLog {
  readonly durable: number;
  onDurable(listener: (seq: number) => void): () => void;
}

const FILE = "facts_on_record.json";
/** Some 30 MB of records. */
const BEHIND_RECORDS = 20_000;

/** Reads the mark. @returns null if it is missing, damaged or beyond the given number of records */
export function readMark(folder: string, records: number): FactsOnRecord | null {
  try {
    const { seq, revision } = JSON.parse(readText(join(folder, FILE))) as Partial<FactsOnRecord>;
    if (!Number.isSafeInteger(seq) || !Number.isSafeInteger(revision)) return null;
    const mark = { seq: seq as number, revision: revision as number };
    return mark.seq >= 0 && mark.revision >= 0 && mark.seq <= records ? mark : null;
  } catch {
    return null;
  }
}

/**
 * Removes a mark of another log, or of one whose end may be lost after it was answered for.
 * @throws the file system's error: the mark must not be found again
 */
export function removeMark(folder: string): void {
  rmSync(join(folder, FILE), { force: true });
}

export class FactsMark {
  readonly #folder: string;
  readonly #timers: Pick<Timers, "turnEnd">;
  readonly #failed: (cause: unknown) => void;
  readonly #unlisten: () => void;
  #revision: number;
  #due: number;
  #keeping: Promise<void> = Promise.resolve();
  #closed = false;

  /** @param revision the highest on record now */
  constructor(log: MarkedLog, folder: string, revision: number, timers: Pick<Timers, "turnEnd">, failed: (cause: unknown) => void) {
    this.#folder = folder;
    this.#revision = revision;
    this.#timers = timers;
    this.#failed = failed;
    this.#due = log.durable;
    this.#unlisten = log.onDurable((seq) => {
      this.#durable(seq);
    });
    this.#durable(log.durable);
  }

  /** The record of this change is on disk. */
  recorded(revision: number): void {
    this.#revision = Math.max(this.#revision, revision);
  }

  close(): Promise<void> {
    this.#closed = true;
    this.#unlisten();
    return this.#keeping;
  }

  #durable(seq: number): void {
    if (seq < this.#due) return;
    this.#due = seq + BEHIND_RECORDS;
    // Whoever waits for a record up to this one is told of it within the turn. What is told besides is on disk as well.
    this.#timers.turnEnd(() => {
      if (this.#closed) return;
      const mark: FactsOnRecord = { seq, revision: this.#revision };
      this.#keeping = this.#keeping
        .then(() => replaceFile(join(this.#folder, FILE), `${JSON.stringify(mark)}\n`, 0o666))
        .catch(this.#failed);
    });
  }
}
