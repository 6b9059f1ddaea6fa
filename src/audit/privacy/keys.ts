/**
 * The keys that masked values are digested with, one a period: `masks/<first day>.key` in the log's folder. They are made and
 * synced ahead of time, and a decision finds its own in memory. A key that is deleted takes with it whatever could be told
 * from its digests.
 */
import { link, mkdir, open, readdir, unlink } from "node:fs/promises";
import { join } from "node:path";
import { errorMessage } from "../../system/error_message.js";
import type { System } from "../../system/index.js";
import type { MaskKey } from "./digest.js";
import { nullIfMissing, readRegularFile } from "../../system/read_file.js";
import { flush } from "../../system/replaced_file.js";

const MASKS_FOLDER = "masks";
const KEY_BYTES = 32;
const KEY_FILE = /^(\d{4}-\d{2}-\d{2})\.key$/;
const DAY_MS = 86_400_000;
/** Interval at which the periods are looked at; the next one's key is made a whole period ahead. */
const LOOK_MS = 3_600_000;
const RETRY_MS = 250;

export interface MaskKeysOptions {
  /** The log's folder. */
  directory: string;
  period_days: number;
}

export interface MaskKeysEvents {
  /** Once, until there are keys again: masked records can't be written. */
  failed(detail: string): void;
}

export class MaskKeys {
  readonly #folder: string;
  readonly #periodMs: number;
  readonly #system: System;
  readonly #events: MaskKeysEvents;
  /** Keys by the beginning of their period, milliseconds since the epoch: this one and the next. */
  #keys = new Map<number, MaskKey>();
  #looking: Promise<void> | null = null;
  #cancel = (): void => undefined;
  #failing = false;
  #closed = false;

  /** Makes the keys of this period and the next where they are missing. One that can't be made is tried again. */
  static async open(options: MaskKeysOptions, system: System, events: MaskKeysEvents): Promise<MaskKeys> {
    const keys = new MaskKeys(options, system, events);
    await keys.#look();
    return keys;
  }

  private constructor({ directory, period_days }: MaskKeysOptions, system: System, events: MaskKeysEvents) {
    this.#folder = join(directory, MASKS_FOLDER);
    this.#periodMs = period_days * DAY_MS;
    this.#system = system;
    this.#events = events;
  }

  /** Returns the key for a time; null while it is being made. */
  at(nowMs: number): MaskKey | null {
    const key = this.#keys.get(this.#beginning(nowMs));
    if (key !== undefined) return key;
    // The clock has jumped, or the disk has failed for a whole period.
    this.#system.timers.turnEnd(() => {
      void this.#look();
    });
    return null;
  }

  close(): void {
    this.#closed = true;
    this.#cancel();
  }

  #beginning(ms: number): number {
    return Math.floor(ms / this.#periodMs) * this.#periodMs;
  }

  #look(): Promise<void> {
    this.#looking ??= this.#ensure().finally(() => {
      this.#looking = null;
    });
    return this.#looking;
  }

  async #ensure(): Promise<void> {
    this.#cancel();
    const first = this.#beginning(this.#system.clock.wall());
    let detail: string | null = null;
    const keys = new Map<number, MaskKey>();
    for (const beginning of [first, first + this.#periodMs]) {
      const known = this.#keys.get(beginning);
      try {
        keys.set(beginning, known ?? (await this.#read(beginning)));
      } catch (cause) {
        detail ??= errorMessage(cause);
      }
    }
    this.#keys = keys;
    if (detail !== null && !this.#failing) this.#events.failed(detail);
    this.#failing = detail !== null;
    if (this.#closed) return;
    this.#cancel = this.#system.timers.after(detail === null ? LOOK_MS : RETRY_MS, () => {
      void this.#look();
    });
  }

  async #read(beginning: number): Promise<MaskKey> {
    const period = new Date(beginning).toISOString().slice(0, 10);
    const file = join(this.#folder, `${period}.key`);
    const text = (await readRegularFile(file).catch(nullIfMissing))?.toString("utf8") ?? (await this.#make(file));
    const key = Buffer.from(text.trim(), "hex");
    if (key.length !== KEY_BYTES) throw new Error(`${file} is no key of ${KEY_BYTES} bytes in hexadecimal`);
    return { period, key };
  }

  /** Whole and synced under its own name, or not there. */
  async #make(file: string): Promise<string> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    const bytes = Buffer.alloc(KEY_BYTES);
    this.#system.random.fill(bytes);
    const text = `${bytes.toString("hex")}\n`;
    const unfinished = `${file}.new`;
    const opened = await open(unfinished, "w", 0o600);
    try {
      await opened.writeFile(text);
      await opened.sync();
    } finally {
      await opened.close();
    }
    // Never over another: what it digested must stay comparable.
    await link(unfinished, file);
    await unlink(unfinished);
    await flush(this.#folder);
    return text;
  }
}

/** The periods that a log has keys of, by their first days, the oldest first. */
export async function maskPeriods(directory: string): Promise<string[]> {
  const names = (await readdir(join(directory, MASKS_FOLDER)).catch(nullIfMissing)) ?? [];
  return names.flatMap((name) => KEY_FILE.exec(name)?.[1] ?? []).sort();
}

/**
 * The periods that were over by then: another began no later, so that the key of the running one is never among them.
 * @param beforeMs milliseconds since the epoch
 */
export async function periodsOver(directory: string, beforeMs: number): Promise<string[]> {
  const periods = await maskPeriods(directory);
  return periods.filter((_, i) => {
    const next = periods[i + 1];
    return next !== undefined && Date.parse(next) <= beforeMs;
  });
}

/** Deletes a period's key: from then on its digests can't be compared with any value, and don't come back. */
export async function shred(directory: string, period: string): Promise<void> {
  const folder = join(directory, MASKS_FOLDER);
  const file = join(folder, `${period}.key`);
  // The name goes whatever the disk does with what was written; most disks write over it in place.
  const opened = await open(file, "r+");
  try {
    const { size } = await opened.stat();
    await opened.write(Buffer.alloc(size), 0, size, 0);
    await opened.sync();
  } finally {
    await opened.close();
  }
  await unlink(file);
  await flush(folder);
}
