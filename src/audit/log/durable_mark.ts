/**
 * The last record that was answered for, in a file of its own beside the log's segments. It is written after a group's sync and isn't
 * synced itself: whatever ends the process leaves it exact, and a power cut leaves it at an earlier group. It is never ahead of the
 * records. A start that finds fewer of them than it names refuses, rather than take damage for a torn group.
 */
import { crc32 } from "node:zlib";
import type { LogFiles } from "./files.js";

export const MARK_FILE = "durable.mark";

export class DurableMark {
  readonly #files: LogFiles;
  #file: number | null = null;

  constructor(files: LogFiles) {
    this.#files = files;
  }

  /** Returns the record that the file names; 0 if it names none, or can't be read. */
  read(): number {
    if (!this.#files.list().includes(MARK_FILE)) return 0;
    const text = this.#files.read(MARK_FILE).toString("latin1");
    const seq = Number(text.slice(0, DIGITS));
    return Number.isSafeInteger(seq) && seq > 0 && text === written(seq) ? seq : 0;
  }

  /** Writes over what the file names. A mark that can't be written stays at an earlier record, which loses nothing. */
  write(seq: number): void {
    try {
      this.#file ??= this.#files.open(MARK_FILE);
      this.#files.write(this.#file, Buffer.from(written(seq), "latin1"), 0);
    } catch {
      this.close();
    }
  }

  /**
   * Names an earlier record, on disk before those after it are cut off.
   * @throws whatever the disk says
   */
  lower(seq: number): void {
    this.#file ??= this.#files.open(MARK_FILE);
    this.#files.write(this.#file, Buffer.from(written(seq), "latin1"), 0);
    this.#files.sync(this.#file);
  }

  close(): void {
    if (this.#file === null) return;
    try {
      this.#files.close(this.#file);
    } catch {
      // The descriptor is gone either way.
    }
    this.#file = null;
  }
}

const DIGITS = 16;

/** Always as long: a shorter mark never leaves a part of a longer one. */
function written(seq: number): string {
  const digits = String(seq).padStart(DIGITS, "0");
  return `${digits} ${crc32(digits).toString(16).padStart(8, "0")}\n`;
}
