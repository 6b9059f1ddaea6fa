/**
 * Hands records in to the service, in their order and at least once each: from the disk, so that a restart goes on where the service
 * has last said that it has them. What is sent twice is known again there. While too many wait, or wait for too long, nothing more is
 * decided.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { BesideLines } from "../audit/log/beside.js";
import { RecordSource, type Position } from "../audit/export/source.js";
import { replaceFile } from "../system/replaced_file.js";
import { HANDED_IN_MAX, type HandedIn } from "../contract/index.js";
import { backOffMs } from "../system/attempts.js";
import { errorMessage } from "../system/error_message.js";
import type { Clock } from "../system/index.js";
import { codeIn } from "./bundles.js";
import type { Remote } from "./remote.js";

export interface ShipperOptions {
  /** Folder of the records. */
  folder: string;
  origin: string;
  /** Records that may wait, and how long the first of them may. */
  unshipped_max: number;
  unshipped_ms_max: number;
  /** For a request's whole answer. */
  answer_ms: number;
  retry_ms: number;
  retry_max_ms: number;
}

export interface ShipperEvents {
  /** Once per reason. */
  failing(detail: string, shippedTo: number): void;
  shipping(shippedTo: number): void;
  /** The service won't have it; it stays in the log here. */
  refused(refused: HandedIn["refused"][number]): void;
}

const FILE = "shipped.json";
const BODY_BYTES_MAX = 900 * 1024;
const ANSWER_BYTES_MAX = 1024 * 1024;
/** Beginnings of canonical records of decisions and outcomes. What else is here, of this engine's start or its bundles, is its own. */
const THEIRS = ["act", "adapter", "ancestors", "answer", "amount", "caller"].map((name) => Buffer.from(`{"${name}":`));
/** Milliseconds for which others have their turn, after a request that was full. */
const BREATH_MS = 1;
/**
 * Milliseconds that the first record waits for others: a request, its answer and the service's own sync are paid for once for all of them.
 */
const GATHER_MS = 200;
/** Interval at which the place up to which the service has them is put on disk: what a crash has sent again is known again there. */
const KEEP_MS = 1000;

/** The service is there, and starting, or short of something. */
class NotNow extends Error {}

export class Shipper {
  readonly #remote: Remote;
  readonly #options: ShipperOptions;
  readonly #clock: Pick<Clock, "monotonic">;
  readonly #events: ShipperEvents;
  readonly #source: RecordSource;
  readonly #beside: BesideLines;
  #after: Position;
  /** Last record that the file names, and when it was written, monotonic. */
  #kept: { seq: number; at: number };
  /** The last record that is on disk here. */
  #durable = 0;
  /** Since when the first that waits does, monotonic; null: none waits. */
  #since: number | null = null;
  #failed = 0;
  #failing = "";
  #refused = 0;
  /** Called once so many wait. */
  #wake = (): void => undefined;
  #enough = 1;
  #stopping = false;
  /** True if the last request was full, and more records wait. */
  #full = false;
  /**
   * True if another try may succeed: none has ended, or the last one succeeded, or met a service that can't accept records at that moment.
   */
  #hopeful = true;
  #ended: Promise<void> | null = null;

  constructor(remote: Remote, options: ShipperOptions, clock: Pick<Clock, "monotonic">, events: ShipperEvents) {
    this.#remote = remote;
    this.#options = options;
    this.#clock = clock;
    this.#events = events;
    this.#source = new RecordSource(options.folder, { origin: options.origin, version: "" }, { besideMissing: nothing });
    this.#beside = new BesideLines(options.folder);
    this.#after = { seq: shippedIn(options), at: null };
    this.#kept = { seq: this.#after.seq, at: Number.NEGATIVE_INFINITY };
  }

  /** Records up to this one are with the service, or none of its business. */
  get shippedTo(): number {
    return this.#after.seq;
  }

  get refused(): number {
    return this.#refused;
  }

  get waiting(): number {
    return Math.max(0, this.#durable - this.#after.seq);
  }

  /** True if one more record may wait. */
  get hasRoom(): boolean {
    if (this.#since === null) return true;
    const { unshipped_max, unshipped_ms_max } = this.#options;
    return this.waiting < unshipped_max && this.#clock.monotonic() - this.#since <= unshipped_ms_max;
  }

  /** Records up to this one may leave. */
  durable(seq: number): void {
    this.#durable = Math.max(this.#durable, seq);
    if (this.waiting === 0) return;
    this.#since ??= this.#clock.monotonic();
    if (this.waiting >= this.#enough) this.#wake();
  }

  start(): void {
    this.#ended ??= this.#run();
  }

  /** Hands in what waits, as long as that goes well and `ms` haven't passed. */
  async close(ms: number): Promise<void> {
    this.#stopping = true;
    this.#wake();
    const until = this.#clock.monotonic() + ms;
    while (this.waiting > 0 && this.#hopeful && this.#clock.monotonic() < until && !this.#remote.isClosed())
      await this.#remote.pause(BREATH_MS);
    this.#remote.close();
    await this.#ended;
    if (this.#after.seq !== this.#kept.seq) await this.#keep().catch(nothing);
    this.#source.close();
    this.#beside.close();
  }

  async #run(): Promise<void> {
    while (!this.#remote.isClosed()) {
      await this.#gathered();
      if (this.waiting === 0) return;
      try {
        await this.#next();
        this.#hopeful = true;
        if (this.#failing !== "") this.#events.shipping(this.shippedTo);
        this.#failed = 0;
        this.#failing = "";
        await this.#remote.pause(BREATH_MS);
      } catch (cause) {
        if (this.#remote.isClosed()) return;
        this.#hopeful = cause instanceof NotNow;
        const detail = errorMessage(cause);
        if (detail !== this.#failing) this.#events.failing(detail, this.shippedTo);
        this.#failing = detail;
        await this.#remote.pause(backOffMs(this.#options, ++this.#failed));
      }
    }
  }

  /** Resolves once as many wait as one request should take, the first that came since has waited for long enough, or no more will come. */
  async #gathered(): Promise<void> {
    const { unshipped_max, unshipped_ms_max } = this.#options;
    if (this.waiting === 0) await this.#atLeast(1);
    if (this.#full) return;
    // Before there is no room: nothing is decided then.
    const enough = Math.min(HANDED_IN_MAX, Math.ceil(unshipped_max / 2));
    const waited = this.#clock.monotonic() - (this.#since ?? Number.NEGATIVE_INFINITY);
    const left = Math.min(GATHER_MS, unshipped_ms_max / 4) - waited;
    if (this.waiting < enough && left > 0) await this.#remote.pause(left, this.#atLeast(enough));
  }

  /** Resolves once so many wait, or no more will come. */
  #atLeast(records: number): Promise<void> {
    if (this.#stopping) return Promise.resolve();
    this.#enough = records;
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  /** @throws Error where the service doesn't say that it has them */
  async #next(): Promise<void> {
    const { origin, answer_ms } = this.#options;
    const began = this.#clock.monotonic();
    const { records, after, full } = this.#read();
    if (records.length > 0) {
      const body = `{"origin":${JSON.stringify(origin)},"records":[${records.join(",")}]}`;
      const headers = { "content-type": "application/json" };
      const asked = { method: "POST", path: "records", headers, body, ms: answer_ms } as const;
      const { status, bytes } = await this.#remote.ask({ ...asked, answer_bytes_max: ANSWER_BYTES_MAX });
      if (status !== 200) throw new (status < 500 ? Error : NotNow)(`the service takes no records: ${status} ${codeIn(bytes)}`.trimEnd());
      const { refused } = answerIn(bytes, records.length);
      for (const one of refused) {
        this.#refused++;
        this.#events.refused(one);
      }
    }
    this.#after = after;
    this.#since = this.waiting === 0 ? null : began;
    this.#full = full;
    // They are with the service all the same: where it can't be written, they are sent again after the next start.
    if (began - this.#kept.at >= KEEP_MS) await this.#keep().catch(nothing);
  }

  async #keep(): Promise<void> {
    const { folder, origin } = this.#options;
    const { seq } = this.#after;
    await replaceFile(join(folder, FILE), `${JSON.stringify({ origin, seq })}\n`, 0o666);
    this.#kept = { seq, at: this.#clock.monotonic() };
  }

  #read(): { records: string[]; after: Position; full: boolean } {
    const records: string[] = [];
    let length = 0;
    let full = false;
    let after = this.#after;
    for (const line of this.#source.lines(this.#after, this.#durable)) {
      if (THEIRS.some((begins) => line.bytes.subarray(0, begins.length).equals(begins))) {
        const text = this.#textOf(line);
        full = records.length > 0 && length + text.length > BODY_BYTES_MAX;
        if (full) break;
        records.push(text);
        length += text.length;
      }
      after = line.after;
      if (records.length === HANDED_IN_MAX) break;
    }
    if (after.seq === this.#after.seq) throw new Error(`record ${after.seq + 1} can't be read`);
    return { records, after, full };
  }

  #textOf({ bytes, seq, segment }: { bytes: Buffer; seq: number; segment: string }): string {
    const record = bytes.toString("utf8");
    if (!record.includes('"beside":{')) return `{"record":${record}}`;
    const { beside } = JSON.parse(record) as { beside?: { bytes: number; digest: string } };
    if (beside === undefined) return `{"record":${record}}`;
    const text = this.#beside.text(segment, beside);
    if (text === null) throw new Error(`what stands beside record ${seq} can't be read`);
    return `{"beside":${JSON.stringify(text)},"record":${record}}`;
  }
}

/**
 * Returns the last record that the service has: 0 if the file is of another log. If it can't be read all records are sent again, and the
 * service knows them again.
 */
function shippedIn({ folder, origin }: ShipperOptions): number {
  try {
    const kept = JSON.parse(readFileSync(join(folder, FILE), "utf8")) as { origin?: unknown; seq?: unknown };
    return kept.origin === origin && Number.isSafeInteger(kept.seq) ? (kept.seq as number) : 0;
  } catch {
    return 0;
  }
}

/** @throws Error for what doesn't account for all of them */
function answerIn(bytes: Buffer, count: number): HandedIn {
  const { taken, known, refused } = JSON.parse(bytes.toString("utf8")) as HandedIn;
  if (!Array.isArray(refused) || taken + known + refused.length !== count)
    throw new Error("the service does not say what became of the records");
  return { taken, known, refused };
}

function nothing(): void {
  return;
}
