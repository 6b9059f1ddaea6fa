/**
 * The records of a log as one table: a Parquet file for each sealed segment, made here where it is missing, and the open segment in
 * memory, fed in groups from what is durable.
 */
import { randomBytes } from "node:crypto";
import { readdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { BesideLines } from "../audit/log/beside.js";
import { segmentsOf } from "../audit/log/record_lines.js";
import { segmentName } from "../audit/log/segments.js";
import { SearchEngine, TooDear, type SearchEngineOptions } from "./engine.js";
import { RecordLines } from "./lines.js";
import { isSound, ParquetFolder, sealedSegment, type SealedFile } from "./parquet.js";
import { createTableSql, lineRows, quoted, type Statistics } from "./schema.js";
import { isOfData, isWhole, SegmentRows, type SegmentRange } from "./segment_rows.js";

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
  /** Source of the rows, as a statement names it. */
  source: string;
}

/** The table as it is at one time: what is asked of it sees no record after `until`. */
export interface View {
  parts: readonly Part[];
  until: number;
}

const EVERYWHERE = { from_ms: -Infinity, to_ms: Infinity, ids: ["", "\uffff"], outcomes: ["", "\uffff"] } as const;
const EMPTY = "no_records";
const ATTEMPTS_MAX = 3;
const FEED = /^feed-\w+\.jsonl$/;

export class RecordTable {
  readonly lines: RecordLines;
  readonly engine: SearchEngine;
  readonly #options: RecordTableOptions;
  readonly #kept: ParquetFolder;
  readonly #made: ParquetFolder;
  readonly #feed: string;
  #sealed: SealedFile[] = [];
  #open: SegmentRows | null = null;
  #next = 1;
  #tables = 0;
  #asking = 0;
  #turn: Promise<unknown> = Promise.resolve();
  /** Rows that a question may still be looking at. */
  #left: SegmentRows[] = [];

  static async open(options: RecordTableOptions, limits: SearchEngineOptions): Promise<RecordTable> {
    const engine = await SearchEngine.open(limits);
    try {
      await engine.rows(createTableSql(EMPTY));
      return new RecordTable(engine, options);
    } catch (cause) {
      engine.close();
      throw cause;
    }
  }

  private constructor(engine: SearchEngine, options: RecordTableOptions) {
    this.engine = engine;
    this.#options = options;
    this.lines = new RecordLines(options.folder);
    this.#kept = new ParquetFolder(options.parquet);
    this.#made = options.made === null ? this.#kept : new ParquetFolder(options.made);
    const beside = dirname(options.made ?? options.parquet);
    this.#feed = join(beside, `feed-${randomBytes(8).toString("hex")}.jsonl`);
    const segments = segmentsOf(options.folder);
    this.#next = segments[0]?.first ?? 1;
    if (options.made !== null) return;
    this.#kept.dropAllBut(new Set(segments.map(({ first }) => first)));
    removeFeeds(beside);
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
    return this.ask(({ parts }) => {
      this.check(parts);
      return Promise.resolve(this.sourceOf(parts));
    });
  }

  /** The share of the log's segments that are in it. */
  get share(): number {
    const segments = segmentsOf(this.#options.folder);
    return segments.length === 0 ? 1 : segments.filter(({ first }) => first < this.#next).length / segments.length;
  }

  /**
   * Takes in records that are on disk.
   * @param to the last of them; none is read beyond it
   * @param steps groups to take in, or files to make, at most
   * @returns whether there is more to take in now
   * @throws LineTooLong; what the disk or the engine reports. Everything taken in before is found anyway.
   */
  advance(to: number, steps: number): Promise<boolean> {
    return this.#inTurn(() => this.#advance(to, steps));
  }

  async #advance(to: number, steps: number): Promise<boolean> {
    this.#dropGone();
    for (let left = steps; this.#next <= to && left > 0;) {
      const range = this.#rangeAt(this.#next);
      if (range === null) return false;
      if (this.#open !== null && this.#open.first !== range.first) {
        // All of it may have been taken before anybody knew where it ends.
        this.#open.end = range.first;
        await this.#seal(this.#open);
        left--;
        continue;
      }
      this.#next = Math.max(this.#next, range.first);
      if (this.#open === null && range.end !== Infinity && range.end - 1 <= to) {
        const known = this.#read(range);
        if (known === null) left--;
        this.#sealed.push(known ?? (await this.#make(range)));
        this.#next = range.end;
        continue;
      }
      this.#open ??= await this.#begin(range);
      this.#open.end = range.end;
      const more = await this.#open.take(Math.min(to, range.end - 1));
      left--;
      if (!more) {
        if (range.end === Infinity || range.end - 1 > to) return false;
        this.#open.lackUpTo(range.end);
      }
      this.#next = this.#open.next;
    }
    return this.#next <= to;
  }

  /**
   * Asks what is there now. If a file turns out to be another than its note names, or is gone, it is made again and the question asked again.
   * @throws TooDear
   */
  async ask<T>(question: (view: View) => Promise<T>, until = this.indexedTo): Promise<T> {
    for (let attempts = 0; ; attempts++) {
      this.#dropGone();
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

  /** Makes sure that files are what their notes name. @throws Error if one isn't */
  check(parts: readonly Part[]): void {
    for (const { file } of parts) if (file !== null && !isSound(file)) throw new Error("a file of records isn't the one that was written");
  }

  /** Rows of some parts, as a statement names them. */
  sourceOf(parts: readonly Part[]): string {
    const files = parts.flatMap(({ file, source }) => (file === null ? [] : [source]));
    const tables = parts.flatMap(({ file, source }) => (file === null ? [source] : []));
    const all = [...(files.length > 0 ? [`read_parquet([${files.join(", ")}])`] : []), ...tables];
    if (all.length === 0) return `(SELECT * FROM ${EMPTY})`;
    return all.length === 1 ? (all[0] ?? EMPTY) : `(${all.map((one) => `SELECT * FROM ${one}`).join(" UNION ALL ")})`;
  }

  /** Returns the line beside a record that it names; null without one. */
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

  /** Drops what was derived of the segment that holds a record, and makes it again. */
  forget(seq: number): Promise<void> {
    return this.#inTurn(async () => {
      const file = this.#sealed.find(({ first, end }) => first <= seq && seq < end);
      if (file !== undefined) await this.#makeAgain(file);
      if (this.#open === null || seq < this.#open.first) return;
      const to = this.indexedTo;
      this.#left.push(this.#open);
      this.#next = this.#open.first;
      this.#open = null;
      await this.#advance(to, Infinity);
    });
  }

  /** Returns true if another file of a sealed segment has the same rows as the one that is here. */
  async isSame(other: SealedFile): Promise<boolean> {
    const own = this.#sealed.find(({ first }) => first === other.first);
    if (own === undefined) return false;
    if (own.parquet_digest === other.parquet_digest) return true;
    const [a, b] = [own, other].map(({ path }) => `(SELECT * FROM read_parquet('${quoted(path)}'))`);
    const [row] = await this.engine.rows<{ n: bigint }>(
      `SELECT count(*) AS n FROM ((${a} EXCEPT ALL ${b}) UNION ALL (${b} EXCEPT ALL ${a}))`,
    );
    return row?.n === 0n;
  }

  /** Records up to now that the log hasn't, or has as no records. */
  lacking(): Lacking | null {
    let [records, first, next] = [0, Infinity, segmentsOf(this.#options.folder)[0]?.first ?? Infinity];
    const lack = (from: number, count: number): void => {
      if (count <= 0) return;
      records += count;
      first = Math.min(first, from);
    };
    for (const part of [...this.#sealed, ...(this.#open === null ? [] : [this.#open])]) {
      const end = Math.min(part.end, this.#next);
      lack(next, part.first - next);
      lack(part.missing_first ?? part.first, end - part.first - part.records);
      next = end;
    }
    return records === 0 ? null : { records, first };
  }

  close(): void {
    this.lines.close();
    rmSync(this.#feed, { force: true });
    this.engine.close();
  }

  #parts(): Part[] {
    const sealed = this.#sealed.map((file) => ({ ...file, file, source: `'${quoted(file.path)}'` }));
    if (this.#open === null) return sealed;
    const { first, end, table } = this.#open;
    return [...sealed, { ...EVERYWHERE, first, end, file: null, source: table }];
  }

  /** The segment that a record stands in, or that begins behind it. */
  #rangeAt(seq: number): SegmentRange | null {
    const segments = segmentsOf(this.#options.folder);
    const at = Math.max(
      0,
      segments.findLastIndex(({ first }) => first <= seq),
    );
    const found = segments[at];
    return found === undefined ? null : { first: found.first, end: segments[at + 1]?.first ?? Infinity };
  }

  #read(range: SegmentRange): SealedFile | null {
    const segment = sealedSegment(this.#options.folder, range);
    return this.#kept.read(segment) ?? this.#made.read(segment);
  }

  #begin(range: SegmentRange): Promise<SegmentRows> {
    return SegmentRows.begin(this.engine, range, `open_${++this.#tables}`, this.#options.folder, this.#feed);
  }

  /** Writes the file of a segment that has ended. As long as the disk refuses, it is asked in memory. */
  async #seal(open: SegmentRows): Promise<void> {
    this.#sealed.push(await this.#write(open));
    this.#open = null;
    this.#left.push(open);
    await this.#dropLeft();
  }

  async #write({ first, end, table, missing_first }: SegmentRows): Promise<SealedFile> {
    const segment = sealedSegment(this.#options.folder, { first, end });
    const file = await this.#made.write(segment, `SELECT * FROM ${table}`, this.engine, () => true, missing_first);
    if (file === null) throw new Error(`the file of segment ${first} was not written`);
    return file;
  }

  /** Makes the file of a sealed segment from its lines as they stand there, or in memory if some of them aren't as they should be. */
  async #make(range: SegmentRange): Promise<SealedFile> {
    const { first, end } = range;
    const rows = lineRows(join(this.#options.folder, segmentName(first)), segmentName(first), 0);
    try {
      const segment = sealedSegment(this.#options.folder, range);
      const file = await this.#made.write(segment, rows, this.engine, (found) => isWhole(found, first, end - first));
      if (file !== null) return file;
    } catch (cause) {
      if (cause instanceof TooDear || !isOfData(cause)) throw cause;
    }
    const taken = await this.#begin(range);
    try {
      while (await taken.take(end - 1, true));
      taken.lackUpTo(end);
      return await this.#write(taken);
    } finally {
      await taken.drop();
    }
  }

  /** Repairs the files that a question looked at. @returns true if one of them was another than it should be */
  #repaired({ parts }: View): Promise<boolean> {
    return this.#inTurn(async () => {
      let repaired = false;
      for (const { file } of parts) {
        if (file === null || !this.#sealed.includes(file)) continue;
        file.sound = null;
        if (isSound(file)) continue;
        await this.#makeAgain(file);
        repaired = true;
      }
      return repaired;
    });
  }

  async #makeAgain(file: SealedFile): Promise<void> {
    const made = await this.#make(file);
    this.#sealed = this.#sealed.map((one) => (one === file ? made : one));
  }

  /** One after another: each changes what is in memory. */
  #inTurn<T>(act: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(act);
    this.#turn = done.catch(() => undefined);
    return done;
  }

  /** Drops what was derived of segments that are gone: retention drops a log's beginning. */
  #dropGone(): void {
    const there = new Set(segmentsOf(this.#options.folder).map(({ first }) => first));
    for (const { first } of this.#sealed) if (!there.has(first)) this.#made.drop(first);
    this.#sealed = this.#sealed.filter(({ first }) => there.has(first));
  }

  async #dropLeft(): Promise<void> {
    if (this.#asking > 0) return;
    for (const rows of this.#left.splice(0)) await rows.drop();
  }
}

/** Removes lines that a process which was killed was about to read. */
function removeFeeds(folder: string): void {
  try {
    for (const name of readdirSync(folder)) if (FEED.test(name)) rmSync(join(folder, name), { force: true });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "ENOENT") throw cause;
  }
}
