/** The rows of one segment in memory: taken in from its lines in groups, by the engine's own readers where the lines are as they should be. */
import { closeSync, mkdirSync, readSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { BesideLines } from "../audit/log/beside.js";
import { numbered, parse } from "../audit/log/record_numbers.js";
import { LineTooLong, NEWLINE } from "../audit/log/record_lines.js";
import { segmentName } from "../audit/log/segments.js";
import { RECORD_KINDS } from "../contract/index.js";
import { openRegular } from "../system/read_file.js";
import { TooDear, type SearchEngine } from "./engine.js";
import { fitting } from "./fit.js";
import {
  CHECKS,
  createTableSql,
  FITTED_BYTES_MAX,
  fittedRows,
  INSERT_MS_MAX,
  LINE_BYTES_MAX,
  lineRows,
  type FoundChecks,
} from "./schema.js";

export interface SegmentRange {
  /** First record of the segment, and of the next one; Infinity for the last segment. */
  first: number;
  end: number;
}

/** Bytes of lines that one statement takes in. */
const GROUP_BYTES = 4 * 1024 * 1024;
const KINDS: ReadonlySet<unknown> = new Set(RECORD_KINDS);

interface Group {
  lines: number;
  bytes: Buffer;
}

export class SegmentRows implements SegmentRange {
  readonly first: number;
  end: number;
  /** Number of the record that is taken in next. */
  next: number;
  records = 0;
  /** First record that the segment lacks, or has as no record; null: none so far. */
  missing_first: number | null = null;
  readonly table: string;
  readonly #engine: SearchEngine;
  readonly #folder: string;
  readonly #segment: string;
  readonly #feed: string;
  #offset = 0;

  /** @param feed file that the engine reads lines from */
  private constructor(engine: SearchEngine, { first, end }: SegmentRange, table: string, folder: string, feed: string) {
    this.#engine = engine;
    this.first = this.next = first;
    this.end = end;
    this.table = table;
    this.#folder = folder;
    this.#segment = segmentName(first);
    this.#feed = feed;
  }

  static async begin(engine: SearchEngine, range: SegmentRange, table: string, folder: string, feed: string): Promise<SegmentRows> {
    await engine.rows(createTableSql(table));
    return new SegmentRows(engine, range, table, folder, feed);
  }

  /**
   * Takes in the next group of lines, all of it or none.
   * @param to number of the last record to take in
   * @param oneByOne whether some lines are known to be damaged, or to name what stands beside them
   * @returns whether there was anything to take in
   * @throws LineTooLong; what the disk or the engine reports
   */
  async take(to: number, oneByOne = false): Promise<boolean> {
    const group = this.#read(to);
    if (group === null) return false;
    const end = this.#offset + group.bytes.length;
    if (!oneByOne && group.lines > 0 && (await this.#takeGroup(group))) {
      this.records += group.lines;
      this.next += group.lines;
      this.#offset = end;
      return true;
    }
    return this.#takeOneByOne(end, to);
  }

  /** Notes that records up to `seq`, without it, aren't there. */
  lackUpTo(seq: number): void {
    if (seq > this.next) this.missing_first ??= this.next;
    this.next = seq;
  }

  drop(): Promise<unknown> {
    return this.#engine.rows(`DROP TABLE IF EXISTS ${this.table}`);
  }

  #read(to: number): Group | null {
    const file = openRegular(join(this.#folder, this.#segment));
    try {
      const chunk = (buffer ??= Buffer.allocUnsafeSlow(GROUP_BYTES));
      const bytes = chunk.subarray(0, readSync(file, chunk, 0, GROUP_BYTES, this.#offset));
      let [lines, end] = [0, 0];
      for (let at = bytes.indexOf(NEWLINE); at >= 0 && lines <= to - this.next; at = bytes.indexOf(NEWLINE, end)) {
        end = at + 1;
        lines++;
      }
      if (lines > 0) return { lines, bytes: bytes.subarray(0, end) };
      return bytes.length > LINE_BYTES_MAX ? { lines, bytes } : null;
    } finally {
      closeSync(file);
    }
  }

  /** Inserts a group of lines. @returns true if each line was a record, in its place */
  async #takeGroup({ lines, bytes }: Group): Promise<boolean> {
    try {
      await this.#insert(bytes, lineRows(this.#feed, this.#segment, this.#offset));
    } catch (cause) {
      if (cause instanceof TooDear || !isOfData(cause)) throw cause;
      return false;
    }
    const [found] = await this.#engine.rows<FoundChecks>(`SELECT ${CHECKS} FROM ${this.table} WHERE "offset" >= ${this.#offset}`);
    if (found !== undefined && isWhole(found, this.next, lines)) return true;
    await this.#engine.rows(`DELETE FROM ${this.table} WHERE "offset" >= ${this.#offset}`);
    return false;
  }

  /** Reads a group of which some lines are damaged, or name what stands beside them. */
  async #takeOneByOne(end: number, to: number): Promise<boolean> {
    const beside = new BesideLines(this.#folder);
    const taken: string[] = [];
    const after = { next: this.next, offset: this.#offset, missing_first: this.missing_first };
    const at = { segment: this.#segment, offset: this.#offset };
    try {
      for (const line of numbered({ folder: this.#folder, rangeOf: () => this, from: this.next, to, at })) {
        const { seq, segment, offset, bytes, record } = line;
        if (segment !== this.#segment || offset >= end) {
          after.offset = Math.max(after.offset, end);
          break;
        }
        const text = this.#fitted(record as object | null, offset, bytes.length, beside);
        if (seq > after.next) after.missing_first ??= after.next;
        if (text === null) after.missing_first ??= seq;
        else taken.push(text);
        after.next = seq + 1;
        after.offset = offset + bytes.length + 1;
      }
    } catch (cause) {
      // Damage is reported once the records before it are in the table.
      if (!(cause instanceof LineTooLong) || after.offset === this.#offset) throw cause;
    } finally {
      beside.close();
    }
    if (taken.length > 0) await this.#insert(Buffer.from(`${taken.join("\n")}\n`), fittedRows(this.#feed, this.#segment));
    const moved = after.offset > this.#offset;
    this.records += taken.length;
    [this.next, this.#offset, this.missing_first] = [after.next, after.offset, after.missing_first];
    return moved;
  }

  /** A record as the engine reads it for certain; null: it is of an unknown kind, or holds texts that are no names. */
  #fitted(record: object | null, offset: number, length: number, lines: BesideLines): string | null {
    if (!KINDS.has((record as { kind?: unknown } | null)?.kind)) return null;
    const named = (record as { beside?: { digest?: unknown } }).beside;
    const digest = typeof named?.digest === "string" ? { digest: named.digest } : null;
    const place = digest === null ? null : lines.placeOf(this.#segment, digest);
    const beside = digest === null || place === null ? null : parse(lines.text(this.#segment, { ...digest, bytes: place.bytes }) ?? "");
    const text = JSON.stringify({ at: [offset, length], ...fitting({ ...(beside as object | null), ...record }) });
    return Buffer.byteLength(text) < FITTED_BYTES_MAX ? text : null;
  }

  async #insert(lines: Buffer, rows: string): Promise<void> {
    mkdirSync(dirname(this.#feed), { recursive: true, mode: 0o700 });
    writeFileSync(this.#feed, lines, { mode: 0o600 });
    try {
      await this.#engine.rows(`INSERT INTO ${this.table} ${rows}`, [], INSERT_MS_MAX);
    } finally {
      // What is dropped from the log may not outlive it here.
      writeFileSync(this.#feed, "");
    }
  }
}

/** Shared by all segments, since groups are read one after another. */
let buffer: Buffer | null = null;

/** Returns true if rows are those of this number of records, each of a known kind and whole in its line, and no record twice. */
export function isWhole({ records, distinct, least, greatest, known, beside }: FoundChecks, first: number, lines: number): boolean {
  const counted = records === lines && distinct === lines && known === lines && beside === 0;
  return counted && least === first && greatest === first + lines - 1;
}

/** Returns true if the engine rejects a file's content, rather than failing to read it. */
export function isOfData(cause: unknown): boolean {
  return cause instanceof Error && /^(Invalid Input|Conversion|Out of Range) Error/i.test(cause.message);
}
