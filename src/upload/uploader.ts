/**
 * Uploads the files of sealed segments to one bucket, oldest first, for ever. A bucket is asked before a file is sent, and once more after it, so
 * a file is sent again unless it is there, whole, with the digest that it has here.
 */
import { hash } from "node:crypto";
import { existsSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { segmentsOf } from "../audit/log/record_lines.js";
import { segmentName } from "../audit/log/segments.js";
import { PARQUET_FOLDER, ParquetFolder, sealedSegment, type SealedFile } from "../records/parquet.js";
import { Attempts, type RetryOptions } from "../system/attempts.js";
import type { System } from "../system/index.js";
import { readRegularFile } from "../system/read_file.js";
import { Bucket, BucketRefused, type BucketFile, type BucketOptions } from "./bucket.js";
import { SentFiles } from "./sent_files.js";

export interface UploaderOptions extends BucketOptions, RetryOptions {
  name: string;
  /** Lays files out by the days of their records: `date=2026-11-29/`. */
  by_day: boolean;
  /** Milliseconds from one look for new files to the next. */
  interval_ms: number;
}

export interface UploadStatus {
  name: string;
  /** Files that were sent. */
  sent: number;
  /** Sealed segments whose file isn't known to be in the bucket. */
  waiting: number;
  /** Requests, and readings of files, that failed. */
  failures: number;
  /** Seconds since it began to fail; 0: it doesn't. */
  failing_s: number;
}

export interface UploadEvents {
  /** Called once per change of how it fails. */
  failing(detail: string): void;
  recovered(): void;
}

const DAY_MS = 86_400_000;

export class Uploader {
  readonly #options: UploaderOptions;
  readonly #folder: string;
  readonly #system: Pick<System, "clock" | "timers" | "random">;
  readonly #bucket: Bucket;
  readonly #attempts: Attempts;
  #sent: SentFiles | null = null;
  /** Size and time of each file that the bucket is known to have: those are not read again. */
  readonly #known = new Map<number, string>();
  readonly #counts = { sent: 0, waiting: 0, failures: 0 };
  #failingSince: number | null = null;

  /** @param folder the log's */
  constructor(options: UploaderOptions, folder: string, system: Pick<System, "clock" | "timers" | "random">, events: UploadEvents) {
    this.#options = options;
    this.#folder = folder;
    this.#system = system;
    this.#bucket = new Bucket(options, system);
    this.#attempts = new Attempts(options, system, events);
  }

  get status(): UploadStatus {
    const since = this.#failingSince;
    const failing_s = since === null ? 0 : (this.#system.clock.monotonic() - since) / 1000;
    return { name: this.#options.name, ...this.#counts, failing_s };
  }

  /** Resolves once `stop` was called. */
  async run(): Promise<void> {
    while (!this.#attempts.stopped) {
      let wait_ms = this.#options.interval_ms;
      try {
        await this.#pass();
      } catch (cause) {
        wait_ms = this.#failure(cause);
      }
      await this.#attempts.wait(wait_ms);
    }
  }

  /** Gives up what is under way; it is sent after the next start. */
  stop(): void {
    this.#attempts.stop();
    this.#bucket.close();
  }

  /** Sends what is there, and not in the bucket. @throws BucketRefused; what the disk, the network or the engine reports */
  async #pass(): Promise<void> {
    const firsts = segmentsOf(this.#folder).map(({ first }) => first);
    this.#sent ??= new SentFiles(this.#folder, this.#options.name, this.#target, new Set(firsts));
    const files = new ParquetFolder(join(this.#folder, PARQUET_FOLDER));
    const sealed = firsts.slice(0, -1);
    this.#forgetAllBut(new Set(sealed));
    this.#counts.waiting = sealed.filter((first) => !this.#isKnown(first)).length;
    for (const [i, first] of sealed.entries()) {
      if (this.#attempts.stopped) return;
      // Retention may have dropped it meanwhile.
      if (this.#isKnown(first) || !this.#isThere(first)) continue;
      const stamp = this.#stampOf(first);
      const file = files.read(sealedSegment(this.#folder, { first, end: firsts[i + 1] ?? Infinity }));
      // It isn't made yet, or in an earlier version of the table: the search makes it.
      if (file === null) continue;
      if (!this.#sent.has(first, file.parquet_digest)) {
        if (!(await this.#upload(file))) continue;
        this.#sent.add(first, file.parquet_digest);
      }
      if (stamp !== null) this.#known.set(first, stamp);
      this.#counts.waiting--;
    }
    this.#succeeded();
  }

  /** Uploads a segment's file. @returns false if its bytes aren't those that were made from the segment */
  async #upload(file: SealedFile): Promise<boolean> {
    const bytes = await readRegularFile(file.path);
    if (hash("sha256", bytes) !== file.parquet_digest) return false;
    const name = `${String(file.first).padStart(16, "0")}.parquet`;
    const { by_day } = this.#options;
    if (!by_day || dayOf(file.from_ms) === dayOf(file.to_ms)) {
      await this.#put(file.first, { key: by_day ? keyOf(dayOf(file.from_ms), name) : name, bytes, digest: file.parquet_digest });
      return true;
    }
    const temporary = join(this.#folder, "records", `upload-${this.#options.name}`);
    rmSync(temporary, { recursive: true, force: true });
    // With the engine, which only segments of several days need.
    const { filesByDay } = await import("./days.js");
    for await (const part of filesByDay(file.path, temporary)) {
      if (this.#attempts.stopped) return false;
      await this.#put(file.first, { key: keyOf(part.day, name), bytes: part.bytes, digest: hash("sha256", part.bytes) });
    }
    return true;
  }

  /** @throws Error if the bucket doesn't have the file afterwards, too */
  async #put(first: number, file: BucketFile): Promise<void> {
    if (await this.#isInBucket(file)) return;
    if (!this.#isThere(first)) throw new Error(`${segmentName(first)} was dropped while its file was prepared`);
    await this.#bucket.put(file);
    this.#counts.sent++;
    if (!(await this.#bucket.has(file))) throw new Error(`the bucket has other bytes under ${file.key} than it was sent`);
    this.#succeeded();
  }

  /** Asks before a file is sent. A bucket that tells nobody whether it lacks a file answers 403; it is asked once more afterwards. */
  async #isInBucket(file: BucketFile): Promise<boolean> {
    try {
      return await this.#bucket.has(file);
    } catch (cause) {
      if (cause instanceof BucketRefused && cause.answer.status === 403) return false;
      throw cause;
    }
  }

  #succeeded(): void {
    this.#attempts.succeeded();
    this.#failingSince = null;
  }

  /** @returns milliseconds to wait */
  #failure(cause: unknown): number {
    if (this.#attempts.stopped) return 0;
    this.#counts.failures++;
    this.#failingSince ??= this.#system.clock.monotonic();
    return cause instanceof BucketRefused ? this.#attempts.refused(cause.answer, cause.message) : this.#attempts.failed(cause);
  }

  /** Bucket and layout, as the note of what was sent begins. */
  get #target(): string {
    const { url, by_day } = this.#options;
    return `${by_day ? "by-day" : "flat"} ${url}`;
  }

  #isThere(first: number): boolean {
    return existsSync(join(this.#folder, segmentName(first)));
  }

  #isKnown(first: number): boolean {
    const known = this.#known.get(first);
    return known !== undefined && known === this.#stampOf(first);
  }

  #forgetAllBut(firsts: ReadonlySet<number>): void {
    for (const first of this.#known.keys()) if (!firsts.has(first)) this.#known.delete(first);
  }

  /** Size and time of a segment's file; null without one. */
  #stampOf(first: number): string | null {
    const path = join(this.#folder, PARQUET_FOLDER, `${String(first).padStart(16, "0")}.parquet`);
    const stat = statSync(path, { throwIfNoEntry: false });
    return stat === undefined ? null : `${stat.size} ${stat.mtimeMs}`;
  }
}

const dayOf = (ms: number): string => new Date(Math.floor(ms / DAY_MS) * DAY_MS).toISOString().slice(0, "2026-11-29".length);
const keyOf = (day: string, name: string): string => `date=${day}/${name}`;
