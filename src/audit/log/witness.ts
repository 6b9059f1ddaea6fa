/**
 * One witness (C2SP tlog-witness): it is sent each new checkpoint with the proof that the log only grew, and its cosignature is verified and kept. A log
 * that shows two readers two histories needs the witness to have seen both.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { Attempts, type RetryOptions } from "../../system/attempts.js";
import type { Exchange } from "../../system/exchange.js";
import type { System } from "../../system/index.js";
import { readText } from "../../system/read_file.js";
import { replaceFileSync } from "../../system/replaced_file.js";
import { parseCheckpoint, readUnverified } from "../tree/checkpoint.js";
import { NoteError, openNote, parseNote, readVerifier, type Verifier } from "../tree/note.js";

export interface WitnessOptions extends RetryOptions {
  name: string;
  /** Its verifier key, as C2SP writes it. */
  key: string;
  /** Milliseconds between checkpoints that it is sent, if the log grew. */
  interval_ms: number;
}

/** The log, as a witness sees it. */
export interface WitnessedLog {
  checkpoint: () => Promise<string>;
  /** @throws RangeError if the log is smaller */
  consistency: (before: number) => Promise<{ proof: string[]; checkpoint: string }>;
}

export interface WitnessEvents {
  /** Once per change of how it fails. */
  failing: (detail: string) => void;
  cosigning: () => void;
}

/** Folder of cosigned checkpoints, in the log's own. */
const WITNESSES = "witnesses";
const CONFLICT = 409;
const OK = 200;
const SIZE = /^(0|[1-9]\d{0,15})\n$/;

export class Witness {
  readonly name: string;
  readonly #options: WitnessOptions;
  readonly #log: WitnessedLog;
  readonly #folder: string;
  readonly #exchange: Exchange;
  readonly #verifier: Verifier;
  readonly #attempts: Attempts;
  #size = 0;
  #note: string | null = null;

  /** @param directory the log's @throws NoteError `key_malformed` */
  constructor(options: WitnessOptions, log: WitnessedLog, directory: string, system: System, exchange: Exchange, events: WitnessEvents) {
    this.name = options.name;
    this.#options = options;
    this.#log = log;
    this.#folder = join(directory, WITNESSES);
    this.#exchange = exchange;
    this.#verifier = readVerifier(options.key);
    this.#attempts = new Attempts(options, system, { failing: events.failing, recovered: events.cosigning });
    this.#readKept();
  }

  /** Records that the last cosigned checkpoint covers; 0: none was cosigned yet. */
  get size(): number {
    return this.#size;
  }

  /** The last checkpoint that it cosigned; null: none. */
  get note(): string | null {
    return this.#note;
  }

  get failing(): boolean {
    return this.#attempts.failing;
  }

  /** Resolves once `stop` was called. */
  async run(): Promise<void> {
    while (!this.#attempts.stopped) {
      let wait_ms: number;
      try {
        wait_ms = await this.#submit(this.#size);
      } catch (cause) {
        wait_ms = this.#attempts.failed(cause);
      }
      await this.#attempts.wait(wait_ms);
    }
  }

  stop(): void {
    this.#attempts.stop();
  }

  /** Sends a checkpoint. @param before size that the witness has seen @returns milliseconds until the next */
  async #submit(before: number, isSecond = false): Promise<number> {
    const { proof, checkpoint } = await this.#since(before);
    const { size } = readUnverified(checkpoint);
    if (size === this.#size) return this.#options.interval_ms;
    const body = `old ${before}\n${proof.map((hash) => `${hash}\n`).join("")}\n${checkpoint}`;
    const answer = await this.#exchange({ "content-type": "text/plain; charset=utf-8", "user-agent": "Remit" }, body);
    if (answer.status === CONFLICT && !isSecond) {
      const seen = Number(SIZE.exec(answer.body.toString())?.[1] ?? NaN);
      if (seen > size)
        throw new Error(`it has seen ${seen} records of this log, which has ${size}: the log was put back, or another has its name`);
      if (Number.isSafeInteger(seen)) return this.#submit(seen, true);
    }
    if (answer.status !== OK) return this.#attempts.refused(answer);
    const note = cosigned(checkpoint, answer.body.toString(), this.#verifier);
    this.#keep(note);
    [this.#size, this.#note] = [size, note];
    this.#attempts.succeeded();
    return this.#options.interval_ms;
  }

  async #since(before: number): Promise<{ proof: string[]; checkpoint: string }> {
    if (before === 0) return { proof: [], checkpoint: await this.#log.checkpoint() };
    try {
      return await this.#log.consistency(before);
    } catch (cause) {
      if (!(cause instanceof RangeError)) throw cause;
      throw new Error(`it has cosigned ${before} records, and the log has fewer: the log was put back`, { cause });
    }
  }

  get #file(): string {
    return join(this.#folder, this.#options.name);
  }

  /** A crash leaves the old note or the new one. What is lost is asked for again: the witness knows what it has seen. */
  #keep(note: string): void {
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    replaceFileSync(this.#file, note, 0o600);
  }

  /** Leaves out what isn't there, or isn't cosigned by this witness's key: it is asked for again. */
  #readKept(): void {
    try {
      const note = readText(this.#file);
      const { text } = openNote(note, [this.#verifier]);
      [this.#size, this.#note] = [parseCheckpoint(text).size, note];
    } catch {
      // The witness says what it has seen.
    }
  }
}

/**
 * Returns the checkpoint with a witness's lines below the log's own.
 * @param lines the answer's body
 * @throws Error if they hold no cosignature by its key
 */
function cosigned(checkpoint: string, lines: string, verifier: Verifier): string {
  const { text } = parseNote(checkpoint);
  try {
    openNote(`${text}\n${lines}`, [verifier]);
  } catch (cause) {
    if (!(cause instanceof NoteError)) throw cause;
    throw new Error(`its answer is no cosignature by its key: ${cause.message}`, { cause });
  }
  return `${checkpoint}${lines}`;
}
