/**
 * The records of a log as one table: a Parquet file for each sealed segment, made here where it is missing, and the open segment in
 * memory, fed in groups from what is durable.
 */
import { hash, randomBytes } from "node:crypto";
import { mkdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { BesideLines } from "../audit/beside.js";
import { numbered, parse, type Numbered } from "../audit/numbered.js";
import { lineChunk, segmentsOf } from "../audit/reading.js";
import { segmentName } from "../audit/segments.js";
import { systemClock } from "../system/index.js";
import { TooDear, type Engine } from "./engine.js";
import { fitting } from "./fit.js";
import { Lines } from "./lines.js";
import { isSound, ParquetFolder, type IdRange, type SealedFile, type Statistics } from "./parquet.js";
import { createTableSql, insertSql, quoted } from "./schema.js";

export interface RecordTableOptions {
  folder: string;
  /** Folder of the files that are there and of those that are made. */
  parquet: string;
  /** Folder for files that are missing in `parquet`; null: there. */
  made: string | null;
}

/** Records that a log should have. */
export interface Lacking {
  records: number;
  first: number;
}

/** The rows of a part of the log: a file, or a table in memory. */
export interface Part extends Pick<Statistics, "from_ms" | "to_ms" | "ids" | "outcomes"> {
  first: number;
  end: number;
  file: SealedFile | null;
  /** As a statement names it. */
  source: string;
}

/** The table as it is at one time: what is asked of it sees no record after `until`. */
export interface View {
  parts: readonly Part[];
  until: number;
}

interface OpenSegment {
  first: number;
  end: number;
  table: string;
  records: number;
  last: number;
  lastDigest: string;
  missingFirst: number | null;
  /** Whether its rows are in order, as most lines leave them. */
  inOrder: boolean;
}

const BATCH_BYTES = 8 * 1024 * 1024;
/** A line that is longer is made shorter before the engine reads it. */
const LINE_BYTES_MAX = 256 * 1024;
/** Of a unit of a text. */
const UTF8_BYTES_MAX = 3;
const READ_BYTES_MAX = 512 * 1024;
const NEWLINE = 0x0a;
const BRACE = Buffer.from("{");
const SEQ = Buffer.from('"seq":');
const BESIDE = Buffer.from('"beside":{');
const EVERYWHERE = { from_ms: -Infinity, to_ms: Infinity } as const;
const ANY_ID = ["", "\uffff"] as const;

export class RecordTable {
  readonly lines: Lines;
  readonly #engine: Engine;
  readonly #options: RecordTableOptions;
  readonly #kept: ParquetFolder;
  readonly #made: ParquetFolder;
  readonly #beside: BesideLines;
  readonly #chunk = lineChunk();
  /** Name by which a line says where it stands: no record has it. */
  readonly #key = `at_${randomBytes(12).toString("hex")}`;
  readonly #feed: string;
  #buffer: Buffer | null = null;
  #sealed: SealedFile[] = [];
  #open: OpenSegment | null = null;
  /** Segments that have ended, and whose files the disk has refused so far. */
  #ended: OpenSegment[] = [];
  #sealAt = -Infinity;
  #unwritten: unknown = null;
  #next = 1;
  #reading: Generator<Numbered, void, undefined> | null = null;
  #at: { segment: string; offset: number } | undefined;
  #tables = 0;
  #asking = 0;
  #turn: Promise<unknown> = Promise.resolve();
  /** Tables that a question may still be looking at. */
  #left: string[] = [];

  constructor(engine: Engine, options: RecordTableOptions) {
    this.#engine = engine;
    this.#options = options;
    this.lines = new Lines(options.folder);
    this.#beside = new BesideLines(options.folder);
    this.#kept = new ParquetFolder(options.parquet);
    this.#made = options.made === null ? this.#kept : new ParquetFolder(options.made);
    this.#feed = join(dirname(options.made ?? options.parquet), `feed-${this.#key}.jsonl`);
    const { first } = this.lines;
    this.#next = first === Infinity ? 1 : first;
    if (options.made === null) this.#kept.dropAllBut(new Set(segmentsOf(options.folder).map((segment) => segment.first)));
  }

  /** Number of the last record that is in the table. */
  get indexedTo(): number {
    return this.#next - 1;
  }

  /** Files that statements about the table read. */
  get files(): string[] {
    return this.#sealed.map(({ path }) => path);
  }

  /** All rows, as a statement names them, once every file is what its note names. */
  async source(): Promise<string> {
    return this.ask(async ({ parts }) => {
      await this.check(parts);
      return this.sourceOf(parts);
    });
  }

  /** Why the files of sealed segments cannot be written; null: they can. */
  get unwritten(): unknown {
    return this.#unwritten;
  }

  /** The share of the log's segments that are in it. */
  get share(): number {
    const segments = segmentsOf(this.#options.folder);
    return segments.length === 0 ? 1 : segments.filter(({ first }) => first < this.#next).length / segments.length;
  }

  /**
   * Takes in records that are on disk.
   * @param to the last of them; none is read beyond it
   * @param limit records at most, or files that are there already
   * @returns whether there is more to take in now
   * @throws LineTooLong; what the disk or the engine reports
   */
  advance(to: number, limit: number): Promise<boolean> {
    return this.#inTurn(() => this.#advance(to, limit));
  }

  async #advance(to: number, limit: number): Promise<boolean> {
    this.#dropGone();
    await this.#sealEnded();
    let left = limit;
    while (this.#next <= to && left > 0) {
      const range = this.#rangeAt(this.#next);
      if (range === null) return false;
      if (this.#open?.first !== range.first) {
        if (this.#open !== null) await this.#end(this.#open);
        this.#next = Math.max(this.#next, range.first);
        if (range.end - 1 <= to) {
          const file = this.#readFile(range);
          if (file !== null) {
            this.#sealed.push(file);
            this.#next = range.end;
            left--;
            continue;
          }
        }
        this.#open = await this.#begin(range);
      }
      this.#open.end = range.end;
      const taken = await this.#take(this.#open, Math.min(to, range.end - 1), left);
      left -= taken;
      if (taken > 0) continue;
      if (range.end === Infinity || range.end - 1 > to) return false;
      if (this.#next < range.end) this.#lack(this.#open, this.#next);
      this.#next = range.end;
    }
    return this.#next <= to;
  }

  /**
   * Asks what is there now. Where a file turns out to be another than its note names, or is gone, it is made again and the question asked again.
   * @throws TooDear
   */
  async ask<T>(question: (view: View) => Promise<T>, until = this.indexedTo): Promise<T> {
    for (let attempts = 0; ; attempts++) {
      const view = { parts: this.#parts(), until };
      this.#asking++;
      try {
        return await question(view);
      } catch (cause) {
        if (cause instanceof TooDear || attempts >= ATTEMPTS_MAX) throw cause;
        this.#dropGone();
        const [before, now] = [view.parts, this.#parts()].map((parts) => parts.map(({ source }) => source).join());
        if (before === now && !(await this.#repaired(view))) throw cause;
      } finally {
        this.#asking--;
        await this.#dropLeft();
      }
    }
  }

  /** Makes sure that files are what their notes name. @throws UnsoundFile */
  async check(parts: readonly Part[]): Promise<void> {
    const sound = await Promise.all(parts.map(async ({ file }) => file === null || (await isSound(file))));
    if (sound.includes(false)) throw new UnsoundFile("a file of records isn't the one that was written");
  }

  /** Rows of some parts, as a statement names them. */
  sourceOf(parts: readonly Part[]): string {
    const files = parts.flatMap(({ file, source }) => (file === null ? [] : [source]));
    const tables = parts.flatMap(({ file, source }) => (file === null ? [source] : []));
    const all = [...(files.length > 0 ? [`read_parquet([${files.join(", ")}])`] : []), ...tables];
    if (all.length === 0) return `(SELECT * FROM ${EMPTY})`;
    return all.length === 1 ? (all[0] ?? EMPTY) : `(${all.map((one) => `SELECT * FROM ${one}`).join(" UNION ALL ")})`;
  }

  async prepare(): Promise<void> {
    await this.#engine.rows(createTableSql(EMPTY));
  }

  rows<T>(...statement: Parameters<Engine["rows"]>): Promise<T[]> {
    return this.#engine.rows<T>(...statement);
  }

  /** The line beside a record that it names; null where there is none. */
  besideOf(seq: number, record: unknown): string | null {
    const named = (record as { beside?: { digest?: unknown } } | null)?.beside;
    if (typeof named?.digest !== "string") return null;
    const segment = segmentName(this.lines.segmentOf(seq));
    const reader = new BesideLines(this.#options.folder);
    try {
      const place = reader.placeOf(segment, { digest: named.digest });
      return place === null ? null : reader.text(segment, { digest: named.digest, bytes: place.bytes });
    } finally {
      reader.close();
    }
  }

  /** Drops what was derived of the segment that holds a record, so that it is made again. */
  forget(seq: number): Promise<void> {
    return this.#inTurn(() => this.#forget(seq));
  }

  async #forget(seq: number): Promise<void> {
    if (this.#open !== null && seq >= this.#open.first) {
      const to = this.indexedTo;
      this.#left.push(this.#open.table);
      this.#next = this.#open.first;
      this.#open = null;
      this.#at = undefined;
      this.#endReading();
      await this.#advance(to, Infinity);
      return;
    }
    const file = this.#sealed.find(({ first, end }) => first <= seq && seq < end);
    if (file !== undefined) await this.#makeAgain(file);
  }

  /** Whether another file of a sealed segment says the same as the one that is here. */
  async isSame(other: SealedFile): Promise<boolean> {
    const own = this.#sealed.find(({ first }) => first === other.first);
    if (own === undefined) return false;
    if (own.parquet_digest === other.parquet_digest) return true;
    const [a, b] = [own, other].map(({ path }) => `(SELECT * FROM read_parquet('${quoted(path)}'))`);
    const [row] = await this.#engine.rows<{ n: bigint }>(
      `SELECT count(*) AS n FROM ((${a} EXCEPT ALL ${b}) UNION ALL (${b} EXCEPT ALL ${a}))`,
    );
    return row?.n === 0n;
  }

  /** Records up to now that the log hasn't, or has as no records. */
  lacking(): Lacking | null {
    let [records, first, next] = [0, Infinity, this.lines.first];
    const lack = (from: number, count: number): void => {
      if (count <= 0) return;
      records += count;
      first = Math.min(first, from);
    };
    const ended = this.#ended.map((open) => ({ ...open, missing_first: open.missingFirst }));
    for (const part of [...this.#sealed, ...ended].sort((a, b) => a.first - b.first)) {
      lack(next, part.first - next);
      lack(part.missing_first ?? part.first, part.end - part.first - part.records);
      next = part.end;
    }
    if (this.#open !== null) {
      lack(next, this.#open.first - next);
      lack(this.#open.missingFirst ?? this.#open.first, this.#next - this.#open.first - this.#open.records);
    }
    return records === 0 ? null : { records, first };
  }

  close(): void {
    this.#endReading();
    this.lines.close();
    this.#beside.close();
    rmSync(this.#feed, { force: true });
  }

  #parts(): Part[] {
    const sealed = this.#sealed.map((file) => ({ ...file, file, source: `'${quoted(file.path)}'` }));
    const inMemory = [...this.#ended, ...(this.#open === null ? [] : [this.#open])];
    const open = inMemory.map(({ first, end, table }) => ({
      ...EVERYWHERE,
      first,
      end,
      ids: ANY_ID,
      outcomes: ANY_ID,
      file: null,
      source: table,
    }));
    return [...sealed, ...open].sort((a, b) => a.first - b.first);
  }

  /** The segment that a record stands in, or that begins behind it. */
  #rangeAt(seq: number): { first: number; end: number } | null {
    const segments = segmentsOf(this.#options.folder);
    const at = Math.max(
      0,
      segments.findLastIndex(({ first }) => first <= seq),
    );
    const found = segments[at];
    return found === undefined ? null : { first: found.first, end: segments[at + 1]?.first ?? Infinity };
  }

  #readFile({ first, end }: { first: number; end: number }): SealedFile | null {
    const bytes = statSync(join(this.#options.folder, segmentName(first)), { throwIfNoEntry: false })?.size ?? -1;
    const file = this.#kept.read(first, end, bytes) ?? this.#made.read(first, end, bytes);
    if (file === null) return null;
    return file;
  }

  async #begin({ first, end }: { first: number; end: number }): Promise<OpenSegment> {
    this.#endReading();
    const table = `open_${this.#key}_${++this.#tables}`;
    await this.#engine.rows(createTableSql(table));
    return { first, end, table, records: 0, last: first - 1, lastDigest: "", missingFirst: null, inOrder: true };
  }

  /** Feeds records of one segment, all of a group or none. @returns their number */
  async #take(open: OpenSegment, to: number, limit: number): Promise<number> {
    const [before, next, at] = [{ ...open }, this.#next, this.#at];
    try {
      return await this.#takeGroup(open, to, limit);
    } catch (cause) {
      Object.assign(open, before);
      [this.#next, this.#at] = [next, at];
      this.#endReading();
      await this.#engine.rows(`DELETE FROM ${open.table} WHERE seq > ${before.last}`);
      throw cause;
    }
  }

  async #takeGroup(open: OpenSegment, to: number, limit: number): Promise<number> {
    const lines: { seq: number; offset: number; length: number; from: number | null }[] = [];
    const feed = (this.#buffer ??= Buffer.allocUnsafeSlow(BATCH_BYTES + READ_BYTES_MAX));
    const segment = segmentName(open.first);
    let used = 0;
    let lastLine: () => Buffer = () => Buffer.alloc(0);
    while (lines.length < limit && used < BATCH_BYTES) {
      const line = this.#lineAfter(open, to, lines.length === 0);
      if (line === null) break;
      const { seq, offset, bytes } = line;
      const { length } = bytes;
      const fits = length <= LINE_BYTES_MAX && !bytes.includes(BESIDE);
      used += feed.write(
        fits ? `{"${this.#key}":[${seq},${offset},${length}],` : this.#fitLine(seq, offset, length, parse(bytes.toString("utf8")), segment),
        used,
      );
      lines.push({ seq, offset, length, from: fits ? used : null });
      const from = used;
      const copy = fits ? null : Buffer.from(bytes);
      lastLine = () => copy ?? Buffer.concat([BRACE, feed.subarray(from, from + length - 1)]);
      if (fits) used += bytes.copy(feed, used, 1);
      feed[used++] = NEWLINE;
      this.#at = { segment, offset: offset + length + 1 };
      if (seq > this.#next) this.#lack(open, this.#next);
      this.#next = seq + 1;
    }
    const [begin, end] = [lines[0]?.seq, lines.at(-1)?.seq];
    if (begin === undefined || end === undefined) return 0;
    open.lastDigest = hash("sha256", lastLine());
    let inserted = await this.#insert(open, feed.subarray(0, used));
    if (inserted < lines.length) {
      // Members of unexpected forms: such lines are made to fit, and lines of unknown kinds stay out.
      const there = await this.#numbers(open, begin, end);
      const again = lines.flatMap(({ seq, offset, length, from }) => {
        if (from === null || there.has(seq)) return [];
        return [this.#fitLine(seq, offset, length, parse(`{${feed.toString("utf8", from, from + length - 1)}`), segment)];
      });
      if (again.length > 0) inserted += await this.#insert(open, Buffer.from(`${again.join("\n")}\n`));
      open.inOrder = false;
      const known = await this.#numbers(open, begin, end);
      const missing = lines.find(({ seq }) => !known.has(seq));
      if (missing !== undefined) this.#lack(open, missing.seq);
    }
    open.records += inserted;
    open.last = end;
    return lines.length;
  }

  async #numbers({ table }: OpenSegment, begin: number, end: number): Promise<ReadonlySet<number>> {
    const rows = await this.#engine.rows<{ seq: bigint }>(`SELECT seq FROM ${table} WHERE seq BETWEEN ${begin} AND ${end}`);
    return new Set(rows.map(({ seq }) => Number(seq)));
  }

  #lack(open: OpenSegment, seq: number): void {
    if (open.missingFirst === null || seq < open.missingFirst) open.missingFirst = seq;
  }

  async #insert(open: OpenSegment, lines: Buffer): Promise<number> {
    mkdirSync(dirname(this.#feed), { recursive: true, mode: 0o700 });
    writeFileSync(this.#feed, lines, { mode: 0o600 });
    const sql = insertSql(open.table, this.#feed, segmentName(open.first), this.#key, READ_BYTES_MAX);
    const [row] = await this.#engine.rows<{ Count: bigint }>(sql, [], INSERT_MS_MAX);
    // What is dropped from the log may not outlive it here.
    writeFileSync(this.#feed, "");
    return Number(row?.Count ?? 0);
  }

  #fitLine(seq: number, offset: number, length: number, record: unknown, segment: string): string {
    const digest = (record as { beside?: { digest?: unknown } } | null)?.beside?.digest;
    const place = typeof digest === "string" ? this.#beside.placeOf(segment, { digest }) : null;
    const beside =
      place === null || typeof digest !== "string" ? null : parse(this.#beside.text(segment, { digest, bytes: place.bytes }) ?? "");
    const line = JSON.stringify({
      [this.#key]: [seq, offset, length],
      ...fitting({ ...(beside as object | null), ...(record as object | null) }),
    });
    // Nothing is found by a record that is as large; its number says that it is there.
    return line.length * UTF8_BYTES_MAX < READ_BYTES_MAX ? line : "null";
  }

  /** Damage is met once what comes before it is in the table. @throws LineTooLong */
  #lineAfter(open: OpenSegment, to: number, isFirst: boolean): Numbered | null {
    try {
      return this.#nextLine(open, to);
    } catch (cause) {
      this.#endReading();
      if (isFirst) throw cause;
      return null;
    }
  }

  #nextLine(open: OpenSegment, to: number): Numbered | null {
    for (let attempt = 0; attempt < 2; attempt++) {
      const isFresh = this.#reading === null;
      const at = this.#at?.segment === segmentName(open.first) ? this.#at : undefined;
      this.#reading ??= numbered({
        folder: this.#options.folder,
        rangeOf: () => open,
        from: at === undefined ? open.first : this.#next,
        to,
        at,
        chunk: this.#chunk,
        quick: numberIn,
      });
      const { value } = this.#reading.next();
      if (value !== undefined && value.segment === segmentName(open.first) && value.seq <= to) return value;
      this.#endReading();
      if (isFresh) return null;
    }
    return null;
  }

  #endReading(): void {
    this.#reading?.return();
    this.#reading = null;
  }

  /** One after another: both change what is in memory. */
  #inTurn<T>(act: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(act);
    this.#turn = done.catch(() => undefined);
    return done;
  }

  /** Nothing is added to a segment any more. */
  async #end(open: OpenSegment): Promise<void> {
    if (this.#ended.length >= ENDED_MAX) throw new Error("the files of sealed segments cannot be written", { cause: this.#unwritten });
    this.#ended.push(open);
    this.#open = null;
    this.#sealAt = -Infinity;
    await this.#sealEnded();
  }

  /** Writes the files of segments that have ended. As long as the disk refuses, they are asked in memory. */
  async #sealEnded(): Promise<void> {
    if (systemClock.monotonic() < this.#sealAt) return;
    for (const open of [...this.#ended]) {
      try {
        this.#sealed.push(await this.#write(open));
      } catch (cause) {
        this.#unwritten = cause;
        this.#sealAt = systemClock.monotonic() + SEAL_AGAIN_MS;
        return;
      }
      this.#ended = this.#ended.filter((one) => one !== open);
      this.#left.push(open.table);
    }
    this.#unwritten = null;
    await this.#dropLeft();
  }

  async #write({ first, end, table, records, lastDigest, missingFirst, inOrder }: OpenSegment): Promise<SealedFile> {
    const [row] = await this.#engine.rows<
      { [K in "from_ms" | "to_ms"]: bigint | null } & { [K in "least" | "greatest" | "said_least" | "said_greatest"]: string | null }
    >(
      `SELECT epoch_ms(min("time")) AS from_ms, epoch_ms(max("time")) AS to_ms,
        (min(decision_id) FILTER (decision IS NOT NULL))::VARCHAR AS least, (max(decision_id) FILTER (decision IS NOT NULL))::VARCHAR AS greatest,
        (min(decision_id) FILTER (kind = 'outcome'))::VARCHAR AS said_least, (max(decision_id) FILTER (kind = 'outcome'))::VARCHAR AS said_greatest
      FROM ${table}`,
    );
    const range = (least: string | null = null, greatest: string | null = null): IdRange | null =>
      least === null || greatest === null ? null : [least, greatest];
    const { from_ms, to_ms, least, greatest, said_least, said_greatest } = row ?? {};
    const note = {
      first,
      end,
      records,
      missing_first: missingFirst,
      from_ms: Number(from_ms ?? 0),
      to_ms: Number(to_ms ?? 0),
      ids: range(least, greatest),
      outcomes: range(said_least, said_greatest),
      segment_bytes: statSync(join(this.#options.folder, segmentName(first))).size,
      last_digest: lastDigest,
    };
    return this.#made.write(note, inOrder ? table : `(SELECT * FROM ${table} ORDER BY seq)`, (sql) =>
      this.#engine.rows(sql, [], INSERT_MS_MAX),
    );
  }

  /** @returns whether anything that a question looked at was another than it should be */
  async #repaired({ parts }: View): Promise<boolean> {
    let repaired = false;
    for (const { file } of parts) {
      if (file === null || !this.#sealed.includes(file)) continue;
      file.sound = null;
      if (await isSound(file)) continue;
      await this.#makeAgain(file);
      repaired = true;
    }
    return repaired;
  }

  async #makeAgain(file: SealedFile): Promise<void> {
    const other = new RecordTable(this.#engine, { ...this.#options });
    try {
      other.#next = file.first;
      other.#open = await other.#begin(file);
      while ((await other.#take(other.#open, file.end - 1, Infinity)) > 0);
      if (other.#next < file.end) other.#lack(other.#open, other.#next);
      const made = await other.#write(other.#open);
      await this.#engine.rows(`DROP TABLE ${other.#open.table}`);
      this.#sealed = this.#sealed.map((one) => (one === file ? made : one));
    } finally {
      other.close();
    }
  }

  /** Retention drops a log's beginning, and what was derived of it goes with it. */
  #dropGone(): void {
    const { first } = this.lines;
    if (first === Infinity || (this.#sealed[0]?.end ?? Infinity) > first) return;
    for (const file of this.#sealed.filter(({ end }) => end <= first)) {
      this.#made.drop(file.first);
      if (this.#options.made === null) this.#kept.drop(file.first);
    }
    this.#sealed = this.#sealed.filter(({ end }) => end > first);
  }

  async #dropLeft(): Promise<void> {
    if (this.#asking > 0) return;
    for (const table of this.#left.splice(0)) await this.#engine.rows(`DROP TABLE ${table}`);
  }
}

const EMPTY = "no_records";
const ATTEMPTS_MAX = 3;
/** Segments that may be in memory for want of a disk that takes their files; more records are taken in once it does. */
const ENDED_MAX = 2;
const SEAL_AGAIN_MS = 10_000;
const INSERT_MS_MAX = 600_000;

export class UnsoundFile extends Error {
  override readonly name = "UnsoundFile";
}

/** The number that a line says, without reading all of it; null: it has to be read. */
function numberIn(line: Buffer): number | null {
  const at = line.lastIndexOf(SEQ);
  if (at < 0) return null;
  const digits = /^\d{1,16}(?=[,}])/.exec(line.toString("latin1", at + SEQ.length, at + SEQ.length + 17))?.[0];
  return digits === undefined ? null : Number(digits);
}
