/**
 * The log's files: `<first seq, 16 digits>.jsonl`, one record a line, `seq` without gaps from 1 across them, and beside one
 * that needs it `<the same>.beside`, with what was too large for its records. One writer owns them. What `append` returned
 * for is on disk; what it threw for is not, and is taken off the disk before the next record is written.
 */
import { DurableMark } from "./durable_mark.js";
import { segmentsIn, type LogFiles } from "./files.js";
import { readRetained } from "../privacy/retention_record.js";

const NEWLINE = 0x0a;

/** More than this behind the last whole record is damage: a group is smaller, since `writer.ts` and `log.ts` bound what is in one. */
export const TORN_BYTES_MAX = 8 * 1024 * 1024;
/** Most records of a segment, but for a last group: a search has its rows in memory, and small records have as many columns as large ones. */
export const SEGMENT_RECORDS_MAX = 50_000;
/** A sector that never reached the disk. No record has a NUL in it, and none of its bytes alone can be missing. */
const HOLE = Buffer.alloc(512);
/** Written and taken back when the disk is probed, so that a full one isn't called healthy. */
const PROBE_BYTES = 64 * 1024;

/** The files contradict what this log writes: someone has to look, nothing is repaired. */
export class LogDamaged extends Error {
  override readonly name = "LogDamaged";
}

export function segmentName(firstSeq: number): string {
  return `${String(firstSeq).padStart(16, "0")}.jsonl`;
}

export function besideName(segment: string): string {
  return segment.replace(/\.jsonl$/, ".beside");
}

export interface SegmentsOpening {
  /** The last record on disk; 0 for an empty log. */
  seq: number;
  /** The log's end as it was found, if that was no whole record. */
  cut: Cut | null;
}

/** A torn end of the log, cut off and kept. */
export interface Cut {
  bytes: number;
  /** Whole records among them: of one group, behind a part that never reached the disk. */
  records: number;
  /** Name of the file beside the segment that has them. */
  file: string;
}

export class Segments {
  readonly #files: LogFiles;
  readonly #segmentBytes: number;
  readonly #recordsMax: number;
  #name = "";
  /** First record of the current segment. */
  #first = 1;
  #file: number | null = null;
  /** Everything before this offset of the current segment is on disk. */
  #offset = 0;
  #seq = 0;
  #dropped = 0;
  /** Open once something is written to it. Lines without a record belong to records that were refused. */
  #beside: { file: number; offset: number } | null = null;
  readonly #mark: DurableMark;

  /** @param segmentBytes size at which a segment is followed by another one, as it is after so many records */
  constructor(files: LogFiles, segmentBytes: number, recordsMax = SEGMENT_RECORDS_MAX) {
    this.#files = files;
    this.#recordsMax = recordsMax;
    this.#mark = new DurableMark(files);
    this.#segmentBytes = segmentBytes;
  }

  get seq(): number {
    return this.#seq;
  }

  /** The last record that was dropped from the log's beginning, as the log says; 0: it is whole. */
  get dropped(): number {
    return this.#dropped;
  }

  /**
   * Reads the last segment, cuts a torn tail and makes what is kept durable.
   * @param durable the last record that was said to be durable: what follows was refused, and is cut; null where only the
   * files know
   * @param sealed a signed checkpoint says that records up to here were durable: they are counted, and not read
   * @throws LogDamaged if the sequence has a gap, or something is unreadable that no crash leaves: what was answered for is never cut
   */
  open(durable: number | null = null, sealed = 0): SegmentsOpening {
    const firsts = segmentsIn(this.#files).map(({ first }) => first);
    const first = firsts.at(-1) ?? 1;
    const before = firsts.at(-2);
    this.#name = segmentName(first);
    this.#first = first;
    this.#checkBeginning(firsts[0] ?? 1);
    if (before !== undefined) this.#checkJoin(before, first, sealed);
    const bytes = firsts.length === 0 ? Buffer.alloc(0) : this.#files.read(this.#name);
    const { end, seq } = readRecords(bytes, first, this.#name, durable ?? Infinity, sealed);
    const marked = this.#mark.read();
    // The caller's number counts: it knows which records were answered.
    const synced = durable ?? marked;
    if (seq < synced) throw new LogDamaged(`${this.#name} ends at record ${seq}, and ${synced} was synced`);
    this.#seq = seq;
    this.#offset = end;
    if (marked > seq) this.#mark.lower(seq);
    const cut = end === bytes.length ? null : this.#keep(bytes.subarray(end), first);
    this.#reopen();
    return { seq, cut };
  }

  /** On disk before it is cut off: nobody was answered for it, unless the disk is at fault. */
  #keep(bytes: Buffer, first: number): Cut {
    const names = new Set(this.#files.list());
    let n = 1;
    while (names.has(cutName(first, n))) n++;
    const file = cutName(first, n);
    this.#files.replace(file, bytes);
    const records = linesIn(bytes).filter((line) => recordSeq(line) !== null).length;
    return { bytes: bytes.length, records, file };
  }

  /**
   * Writes the lines of records `seq + 1` to `lastSeq` with one sync, and one more where something stands beside them.
   * @throws whatever the disk says; the caller then has to `recover`
   */
  append(lines: Buffer, lastSeq: number, beside?: Buffer): void {
    if (this.#file === null) throw new Error("the segment is not open");
    if (this.#offset >= this.#segmentBytes || this.#seq - this.#first + 1 >= this.#recordsMax) this.#rotate();
    // First: a record on disk must have all of it.
    if (beside !== undefined) this.#appendBeside(beside);
    writeAll(this.#files, this.#file, lines, this.#offset);
    this.#files.sync(this.#file);
    this.#offset += lines.length;
    this.#seq = lastSeq;
    this.#mark.write(lastSeq);
  }

  /**
   * After a failure: a new descriptor, the file cut back to what is known to be durable, and a trial write. The old
   * descriptor is not asked again: after a failed sync the kernel may have dropped the pages, and the next one succeeds.
   * @throws whatever the disk says; to be tried again
   */
  recover(): void {
    this.close();
    this.#reopen();
    if (this.#file === null) throw new Error("the segment is not open");
    // Zeros are not a record, so a crash in here leaves a torn tail like any other.
    writeAll(this.#files, this.#file, Buffer.alloc(PROBE_BYTES), this.#offset);
    this.#files.sync(this.#file);
    this.#files.truncate(this.#file, this.#offset);
    this.#files.sync(this.#file);
  }

  /** The records from `from` on, without their newlines. */
  *lines(from: number): Generator<Buffer> {
    const segments = segmentsIn(this.#files);
    for (const [i, { name, first }] of segments.entries()) {
      if ((segments[i + 1]?.first ?? Infinity) <= from) continue;
      const bytes = this.#files.read(name);
      let seq = first;
      for (let start = 0; seq <= this.#seq; seq++) {
        const end = bytes.indexOf(NEWLINE, start);
        if (end < 0) break;
        if (seq >= from) yield bytes.subarray(start, end);
        start = end + 1;
      }
    }
  }

  close(): void {
    for (const file of [this.#file, this.#beside?.file]) {
      if (file === undefined || file === null) continue;
      try {
        this.#files.close(file);
      } catch {
        // The descriptor is gone either way, and what it wrote was synced or was refused.
      }
    }
    this.#file = null;
    this.#beside = null;
    this.#mark.close();
  }

  #appendBeside(lines: Buffer): void {
    this.#beside ??= this.#openBeside();
    const { file, offset } = this.#beside;
    writeAll(this.#files, file, lines, offset);
    this.#files.sync(file);
    this.#beside.offset += lines.length;
  }

  /** Opens the file beside the segment. A last line that may be torn is ended with a newline, and stays: no record names it. */
  #openBeside(): { file: number; offset: number } {
    const name = besideName(this.#name);
    const isNew = !this.#files.list().includes(name);
    const file = this.#files.open(name);
    const offset = this.#files.size(file);
    if (offset > 0) writeAll(this.#files, file, Buffer.of(NEWLINE), offset);
    if (isNew) this.#files.syncDirectory();
    return { file, offset: offset === 0 ? 0 : offset + 1 };
  }

  #reopen(): void {
    const file = this.#files.open(this.#name);
    this.#file = file;
    if (this.#files.size(file) < this.#offset) throw new LogDamaged(`${this.#name} is shorter than what was synced`);
    this.#files.truncate(file, this.#offset);
    this.#files.sync(file);
    this.#files.syncDirectory();
  }

  #rotate(): void {
    this.close();
    this.#first = this.#seq + 1;
    this.#name = segmentName(this.#first);
    this.#offset = 0;
    this.#reopen();
  }

  #checkBeginning(oldest: number): void {
    this.#dropped = oldest - 1;
    if (oldest === 1 || (readRetained(this.#files)?.to ?? 0) >= this.#dropped) return;
    throw new LogDamaged(`the log begins at ${segmentName(oldest)}, not at record 1, and has no record that says so`);
  }

  #checkJoin(before: number, first: number, sealed: number): void {
    const name = segmentName(before);
    const bytes = this.#files.read(name);
    const { end, seq } = readRecords(bytes, before, name, Infinity, sealed);
    if (end !== bytes.length) throw new LogDamaged(`${name} ends in an unreadable record and is not the last segment`);
    if (seq + 1 !== first) throw new LogDamaged(`${name} ends at record ${seq}, the next segment begins at ${first}`);
  }
}

function writeAll(files: LogFiles, file: number, bytes: Buffer, position: number): void {
  for (let written = 0; written < bytes.length;) {
    const wrote = files.write(file, bytes.subarray(written), position + written);
    if (wrote === 0) throw new Error("the disk took nothing");
    written += wrote;
  }
}

const cutName = (first: number, n: number): string => `${String(first).padStart(16, "0")}.cut-${n}`;

function linesIn(bytes: Buffer): string[] {
  return bytes.toString("utf8").split("\n");
}

/**
 * The end of the last whole record up to `last`, and its `seq`. A crash tears only the last group, which is one write: it leaves the beginning
 * of the group, with sectors missing in it after a power cut. A record out of sequence is damage, and so is a line that ends and is no record.
 */
function readRecords(bytes: Buffer, first: number, name: string, last: number, sealed: number): { end: number; seq: number } {
  let end = 0;
  let seq = first - 1;
  while (seq < last) {
    const newline = bytes.indexOf(NEWLINE, end);
    if (newline >= 0 && seq < sealed) {
      seq++;
      end = newline + 1;
      continue;
    }
    if (newline === -1) break;
    const line = bytes.subarray(end, newline);
    const found = recordSeq(line.toString("utf8"));
    if (found === null) {
      if (line.includes(HOLE)) break;
      throw new LogDamaged(`${name} is unreadable from byte ${end}, record ${seq + 1}: no crash leaves such a line`);
    }
    if (found !== seq + 1) throw new LogDamaged(`${name} has record ${found} after ${seq}`);
    seq = found;
    end = newline + 1;
  }
  if (bytes.length - end > TORN_BYTES_MAX) {
    throw new LogDamaged(`${name} is unreadable from byte ${end}, record ${seq + 1}: more than a torn group`);
  }
  return { end, seq };
}

function recordSeq(line: string): number | null {
  try {
    const record: unknown = JSON.parse(line);
    if (typeof record !== "object" || record === null || !("seq" in record)) return null;
    return typeof record.seq === "number" ? record.seq : null;
  } catch {
    return null;
  }
}
