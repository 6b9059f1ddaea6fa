/**
 * One sink: takes records to it in their order, at least once each, for ever. Its cursor moves on when the sink has taken a
 * batch, and what is under way when the process ends is sent again.
 */
import { gzipSync } from "node:zlib";
import { Attempts, type RetryOptions } from "../../system/attempts.js";
import { errorMessage } from "../../system/error_message.js";
import { othersTurn, type System } from "../../system/index.js";
import type { Post, Posted } from "../../system/post.js";
import { readHeaders } from "../../system/headers_file.js";
import { readToken } from "../../system/read_file.js";
import { segmentsOf } from "../log/record_lines.js";
import { leafHash } from "../tree/hash.js";
import { CursorDamaged, cursorFile, readCursor, writeCursor, type Cursor } from "./cursor.js";
import { encode, framingOf, type FormatOptions } from "./formats.js";
import type { Writer } from "./exported_record.js";
import { RecordSource, writerAt, type Position, type SourceLine } from "./source.js";

export interface SinkOptions extends FormatOptions, RetryOptions {
  name: string;
  /** Holds a token that the sink takes as a bearer's (RFC 6750); read before each request. */
  token_file?: string;
  /** Holds headers of each request, one a line; read before each request. */
  headers_file?: string;
  /** `opa_decision_log` is compressed always. */
  gzip: boolean;
  batch_records_max: number;
  /** Most bytes of one request, before it is compressed. */
  batch_bytes_max: number;
  /** Time that records may wait for others. */
  interval_ms: number;
  /** Starting point of a sink that has no cursor yet. */
  from: "start" | "now";
}

/** Sends a batch's events one by one, in place of one request with all of them. */
export type EachEvent = (events: readonly { seq: number; log: string; text: Buffer }[]) => Promise<Posted>;

/** Way to a sink. */
export type SinkTransport = Post | { each: EachEvent };

export interface SinkStatus {
  name: string;
  /** The last record that the sink has taken, that its format has no place for, or that was set aside. */
  delivered_seq: number;
  /** Requests that were not answered well. */
  failures: number;
  /** Records that were set aside. */
  set_aside: number;
}

export interface SinkEvents {
  /** Once per change of how it fails. */
  failing(detail: string, delivered_seq: number): void;
  delivering(delivered_seq: number): void;
  /** The sink, or this side, can't do anything with this record, which stays in the log. */
  setAside(seq: number, detail: string): void;
  /** Records `from` to `to` were removed before the sink had taken them. */
  missing(from: number, to: number): void;
  /** Reports that the text beside a record isn't there: the record is sent without it. */
  besideMissing(seq: number): void;
  /** It begins again at record 1, which sends again what the sink has already. */
  cursorDamaged(detail: string): void;
  cursorUnwritable(detail: string): void;
  moved(): void;
}

/** Status codes after which a later request would be refused, too. After any other, a sink may accept it later. */
const NEVER: ReadonlySet<number> = new Set([400, 413, 415, 422]);
/** OPA's own bound of what it uploads at once, compressed. */
const OPA_BYTES_MAX = 32 * 1024;
/**
 * Most records in a row that are set aside at once; if a sink goes on refusing whatever it is sent, it receives each of them again after a
 * wait.
 */
const REFUSED_RUN_MAX = 8;
/** Lines read for one batch, with those that the format has no place for. */
const LINES_MAX = 10_000;
/** Share of a request's size that is filled in OPA's form, where the size has to be guessed. */
const FIT = 0.9;

/** A record, and where and by whom the next one is. */
interface Place {
  after: Position;
  last: Cursor["last"];
  writer: Writer;
}

interface Event {
  text: Buffer;
  seq: number;
  place: Place;
}

const BEGINNING: Place = { after: { seq: 0, at: null }, last: null, writer: { origin: "", version: "" } };

export class Sink {
  readonly status: SinkStatus;
  readonly #options: SinkOptions;
  readonly #folder: string;
  readonly #file: string;
  readonly #system: System;
  readonly #transport: SinkTransport;
  readonly #events: SinkEvents;
  readonly #attempts: Attempts;
  #durable: number;
  #source: RecordSource | null = null;
  /** Read, and not taken by the sink. */
  #queue: Event[] = [];
  #queueBytes = 0;
  /** The last record that was read, an event or not. */
  #read: Place = BEGINNING;
  /** Fewer than `batch_records_max` while the sink takes no more at once. */
  #take: number;
  /** Ratio by which compression shrinks a batch. */
  #ratio = 4;
  #refusedRun = 0;
  #refusedAfterWait = false;
  #unwritable = false;

  /** @param durable the last record that is on disk */
  constructor(options: SinkOptions, folder: string, durable: number, system: System, transport: SinkTransport, events: SinkEvents) {
    this.#options = options;
    this.#folder = folder;
    this.#file = cursorFile(folder, options.name);
    this.#durable = durable;
    this.#system = system;
    this.#transport = transport;
    this.#events = events;
    this.#take = options.batch_records_max;
    this.#attempts = new Attempts(options, system, {
      failing: (detail) => {
        events.failing(detail, this.status.delivered_seq);
      },
      recovered: () => {
        events.delivering(this.status.delivered_seq);
      },
    });
    this.status = { name: options.name, delivered_seq: 0, failures: 0, set_aside: 0 };
  }

  /** Records up to this one are on disk, and may leave. */
  durable(seq: number): void {
    this.#durable = seq;
  }

  /** Resolves once `stop` was called. */
  async run(): Promise<void> {
    while (!this.#attempts.stopped) {
      let wait_ms: number;
      try {
        this.#source ??= this.#open();
        wait_ms = await this.#step(this.#source);
      } catch (cause) {
        // What is broken off to stop is no fault of the sink's.
        if (this.#hasStopped()) break;
        wait_ms = this.#failure(cause);
      }
      await this.#wait(wait_ms);
    }
    this.#source?.close();
  }

  stop(): void {
    this.#attempts.stop();
  }

  #hasStopped(): boolean {
    return this.#attempts.stopped;
  }

  /** @throws whatever the disk says */
  #open(): RecordSource {
    this.#read = this.#begin();
    this.status.delivered_seq = this.#read.after.seq;
    this.#events.moved();
    return new RecordSource(this.#folder, this.#read.writer, this.#events);
  }

  #begin(): Place {
    let begin = this.#options.from === "start" ? 0 : this.#durable;
    try {
      const cursor = readCursor(this.#file);
      if (cursor !== null) return this.#placeOf(cursor);
    } catch (cause) {
      if (!(cause instanceof CursorDamaged)) throw cause;
      this.#events.cursorDamaged(cause.message);
      // Not `from`, which may be now: what wasn't sent yet would never be.
      begin = 0;
    }
    const place = this.#placeAt(begin);
    // At once: a sink that begins now must not begin later after a restart.
    this.#save(place);
    return place;
  }

  #placeAt(seq: number): Place {
    const writer = writerAt(this.#folder, seq);
    if (seq === 0) return { ...BEGINNING, writer };
    const [line] = new RecordSource(this.#folder, writer, this.#events).lines({ seq: seq - 1, at: null }, seq);
    if (line === undefined) throw new Error(`record ${seq} can't be found`);
    return placeOf(line);
  }

  /** @throws CursorDamaged where it isn't one of this log */
  #placeOf({ seq, last, writer }: Cursor): Place {
    if (last === null) return { ...BEGINNING, writer };
    if (seq > this.#durable) throw new CursorDamaged(`${this.#file} is at record ${seq}, and the log ends at ${this.#durable}`);
    const oldest = segmentsOf(this.#folder)[0]?.first ?? 1;
    // What was removed since can't be compared.
    if (seq < oldest) return { after: { seq, at: null }, last, writer };
    const source = new RecordSource(this.#folder, writer, this.#events);
    const [line] = source.lines({ seq: seq - 1, at: last }, seq);
    if (line === undefined || line.segment !== last.segment || leafOf(line.bytes) !== last.leaf)
      throw new CursorDamaged(`${this.#file} is at a record ${seq} that this log doesn't have`);
    return placeOf(line);
  }

  /** Sends one batch, where there is one. @returns how long to wait for the next, in milliseconds */
  async #step(source: RecordSource): Promise<number> {
    this.#fill(source);
    if (this.#queue.length > 0) {
      const { count, posted } = await this.#send();
      if (posted.status < 200 || posted.status > 299) return this.#refused(count, posted);
      this.#taken(count);
      this.#succeeded();
    } else if (this.status.delivered_seq < this.#read.after.seq) this.#advance(this.#read);
    return this.#queue.length > 0 || this.#read.after.seq < this.#durable ? 0 : this.#options.interval_ms;
  }

  #fill(source: RecordSource): void {
    const { batch_bytes_max, format } = this.#options;
    const bytesMax = format === "opa_decision_log" ? Math.min(batch_bytes_max, OPA_BYTES_MAX * this.#ratio) : batch_bytes_max;
    const isFull = (): boolean => this.#queue.length >= this.#take || this.#queueBytes >= bytesMax;
    if (isFull() || this.#read.after.seq >= this.#durable) return;
    let lines = 0;
    for (const line of source.lines(this.#read.after, this.#durable)) {
      const expected: number = this.#read.after.seq + 1;
      if (line.seq > expected) this.#events.missing(expected, line.seq - 1);
      const text = this.#encode(line);
      this.#read = placeOf(line);
      if (text !== null) {
        this.#queue.push({ text, seq: line.seq, place: this.#read });
        this.#queueBytes += text.length;
      }
      if (isFull() || ++lines >= LINES_MAX) return;
    }
    if (lines === 0) throw new Error(`record ${this.#read.after.seq + 1} can't be found`);
  }

  #encode(line: SourceLine): Buffer | null {
    try {
      return encode(line.bytes, line.read, this.#options);
    } catch (cause) {
      this.#setAside(line.seq, `it can't be read: ${errorMessage(cause)}`);
      return null;
    }
  }

  /** Sends as many of the queued records as fit at once. */
  async #send(): Promise<{ count: number; posted: Posted }> {
    if (typeof this.#transport === "function") {
      const { count, body, headers } = this.#request();
      return { count, posted: await this.#transport(headers, body) };
    }
    const count = this.#fitting();
    const events = this.#queue.slice(0, count).map(({ seq, text, place }) => ({ seq, text, log: place.writer.origin }));
    return { count, posted: await this.#transport.each(events) };
  }

  /** Returns how many of the queued records are a batch. One that is larger than a batch goes by itself. */
  #fitting(): number {
    let count = 1;
    let bytes = this.#queue[0]?.text.length ?? 0;
    while (count < Math.min(this.#take, this.#queue.length)) {
      bytes += this.#queue[count]?.text.length ?? 0;
      if (bytes > this.#options.batch_bytes_max) break;
      count++;
    }
    return count;
  }

  /** Makes a request from as many of the queued records as fit into one. */
  #request(): { count: number; body: Buffer; headers: Record<string, string> } {
    const { format, gzip } = this.#options;
    const isOpa = format === "opa_decision_log";
    const isPacked = gzip || isOpa;
    let count = this.#fitting();
    let raw = bodyOf(this.#queue.slice(0, count), this.#options);
    let body = isPacked ? gzipSync(raw) : raw;
    while (isOpa && body.length > OPA_BYTES_MAX && count > 1) {
      count = Math.max(1, Math.floor((count * OPA_BYTES_MAX * FIT) / body.length));
      raw = bodyOf(this.#queue.slice(0, count), this.#options);
      body = gzipSync(raw);
    }
    if (isOpa) this.#ratio = (FIT * raw.length) / body.length;
    const { token_file, headers_file } = this.#options;
    const headers = {
      ...(headers_file !== undefined && readHeaders(headers_file)),
      "content-type": framingOf(this.#options).content_type,
      "user-agent": "Remit",
      ...(isPacked && { "content-encoding": "gzip" }),
      // What can't be read now says nothing of what it holds.
      ...(token_file !== undefined && { authorization: `Bearer ${readToken(token_file)}` }),
    };
    return { count, body, headers };
  }

  #refused(count: number, posted: Posted): number {
    const { status } = posted;
    if (!NEVER.has(status)) return this.#gaveUp(this.#attempts.refused(posted));
    if (count > 1) {
      this.status.failures++;
      this.#take = Math.ceil(count / 2);
      return 0;
    }
    if (this.#refusedRun >= REFUSED_RUN_MAX && !this.#refusedAfterWait) {
      this.#refusedAfterWait = true;
      return this.#failure(`status ${status} to one record after another`);
    }
    this.#refusedRun++;
    this.#refusedAfterWait = false;
    this.status.failures++;
    this.#setAside(this.#queue[0]?.seq ?? 0, `status ${status}`);
    this.#taken(1);
    return 0;
  }

  /** The first `count` of the queue need not be sent again. */
  #taken(count: number): void {
    const taken = this.#queue.splice(0, count);
    for (const { text } of taken) this.#queueBytes -= text.length;
    this.#advance(this.#queue.length === 0 ? this.#read : (taken.at(-1)?.place ?? this.#read));
  }

  #setAside(seq: number, detail: string): void {
    this.status.set_aside++;
    this.#events.setAside(seq, detail);
  }

  #succeeded(): void {
    this.#refusedRun = 0;
    this.#refusedAfterWait = false;
    this.#attempts.succeeded();
    this.#take = Math.min(this.#options.batch_records_max, this.#take * 2);
  }

  #failure(cause: unknown): number {
    return this.#gaveUp(this.#attempts.failed(cause));
  }

  #gaveUp(wait_ms: number): number {
    this.status.failures++;
    // It may be that so much at once is what it can't take, or not in time.
    this.#take = Math.max(1, Math.ceil(this.#take / 2));
    this.#events.moved();
    return wait_ms;
  }

  #advance(place: Place): void {
    this.status.delivered_seq = place.after.seq;
    this.#save(place);
    this.#events.moved();
  }

  #save({ after, last, writer }: Place): void {
    try {
      writeCursor(this.#file, { v: 1, seq: after.seq, last, writer });
      this.#unwritable = false;
    } catch (cause) {
      // The sink has it all the same; after a restart it gets it again.
      if (!this.#unwritable) this.#events.cursorUnwritable(errorMessage(cause));
      this.#unwritable = true;
    }
  }

  #wait(ms: number): Promise<void> {
    if (ms > 0 || this.#attempts.stopped) return this.#attempts.wait(ms);
    return othersTurn(this.#system.timers);
  }
}

function placeOf({ bytes, segment, offset, after, writer }: SourceLine): Place {
  return { after, last: { segment, offset, leaf: leafOf(bytes) }, writer };
}

function leafOf(line: Buffer): string {
  return Buffer.from(leafHash(line), "latin1").toString("hex");
}

function bodyOf(events: readonly Event[], options: FormatOptions): Buffer {
  const { open, between, close } = framingOf(options);
  const separator = Buffer.from(between);
  const parts = events.flatMap(({ text }, i) => (i === 0 ? [text] : [separator, text]));
  return Buffer.concat([Buffer.from(open), ...parts, Buffer.from(close)]);
}
