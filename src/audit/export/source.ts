/** Reads a log's records for export, in order, each with what its formats need to know. */
import { join } from "node:path";
import type { DecisionRecord, LogRecord, ServiceRecord } from "../../contract/index.js";
import { BesideLines } from "../log/beside.js";
import { numberedIn } from "../log/record_numbers.js";
import { readLines, segmentsOf, type Line } from "../log/record_lines.js";
import { readUnverified } from "../tree/checkpoint.js";
import type { ExportedRecord, Writer } from "./exported_record.js";
import { readBytes } from "../../system/read_file.js";

/** The place after a record. */
export interface Position {
  /** That record's; 0 at the log's beginning. */
  seq: number;
  /** Place of the next record, or of the next segment; null if unknown. */
  at: { segment: string; offset: number } | null;
}

export interface SourceLine extends Line {
  /** Position of the next record. */
  after: Position;
  writer: Writer;
  /** Returns the record of the line, with what stands beside it. @throws Error if the line isn't a record */
  read: () => ExportedRecord;
}

export interface SourceEvents {
  /** Reports that the text beside a record isn't there any more, or is damaged. */
  besideMissing(seq: number): void;
}

export const RECORD_KINDS = [
  "decision",
  "observed",
  "outcome",
  "facts",
  "bundle",
  "admin",
  "refusal",
  "service",
  "lost",
  "notice",
] as const satisfies readonly LogRecord["kind"][];
const KINDS: ReadonlySet<unknown> = new Set(RECORD_KINDS);

const CHECKPOINT = "checkpoint";
/** Writer if neither records nor the checkpoint name one. */
const UNKNOWN: Writer = { origin: "remit", version: "unknown" };
/** Text in every `service` record. An agent may have written the same into another; only a whole record counts. */
const SERVICE_KIND = '"kind":"service"';

export class RecordSource {
  readonly #folder: string;
  readonly #beside: BesideLines;
  readonly #events: SourceEvents;
  #writer: Writer;

  /** @param writer of the records to come, until a `service` record among them says another */
  constructor(folder: string, writer: Writer, events: SourceEvents) {
    this.#folder = folder;
    this.#writer = writer;
    this.#events = events;
    this.#beside = new BesideLines(folder);
  }

  get writer(): Writer {
    return this.#writer;
  }

  /**
   * The records after a place, up to `to`. A line is valid until the next one is asked for.
   * @throws LineTooLong
   */
  *lines(after: Position, to: number): Generator<SourceLine, void, undefined> {
    for (const line of readLines(this.#folder, after.seq + 1, to, after.at ?? undefined)) {
      yield this.#sourceLine(line);
    }
  }

  /**
   * The records from `from` on, each by the number that it says itself.
   * @param passed told of each line between them that is no record, or isn't in its place, and why
   * @throws LineTooLong
   */
  *numbered(from: number, passed: (line: Line, cause: Error) => void): Generator<SourceLine, void, undefined> {
    const reading = {
      folder: this.#folder,
      from,
      passed: (line: Line) => {
        if (line.seq >= from) passed(line, misplaced(line));
      },
    };
    for (const { record, ...line } of numberedIn(reading)) {
      const known = tried(() => knownOf(record));
      if (known instanceof Error) passed(line, known);
      else yield this.#sourceLine(line, known);
    }
  }

  close(): void {
    this.#beside.close();
  }

  #sourceLine(line: Line, record?: LogRecord): SourceLine {
    const { seq, bytes, segment, offset } = line;
    this.#writer = writerIn(bytes) ?? this.#writer;
    const writer = this.#writer;
    let whole: LogRecord | null = null;
    return {
      ...line,
      after: { seq, at: { segment, offset: offset + bytes.length + 1 } },
      writer,
      read: () => ({ record: (whole ??= this.#whole(line, record ?? recordIn(line))), bytes, writer }),
    };
  }

  #whole({ seq, segment }: Line, record: LogRecord): LogRecord {
    const { beside } = record as Partial<DecisionRecord>;
    if (beside === undefined) return record;
    const text = this.#beside.text(segment, beside);
    if (text === null) this.#events.besideMissing(seq);
    return text === null ? record : ({ ...record, ...(JSON.parse(text) as Partial<DecisionRecord>) } as LogRecord);
  }
}

/** Returns the writer of the record after `seq`, by the last `service` record up to there. */
export function writerAt(folder: string, seq: number): Writer {
  const firsts = segmentsOf(folder).map(({ first }) => first);
  for (const [i, first] of [...firsts.entries()].reverse()) {
    if (first > seq) continue;
    let found: Writer | null = null;
    for (const { bytes } of readLines(folder, first, Math.min(seq, (firsts[i + 1] ?? Infinity) - 1))) {
      found = writerIn(bytes) ?? found;
    }
    if (found !== null) return found;
  }
  return { ...UNKNOWN, ...originOf(folder) };
}

function originOf(folder: string): { origin?: string } {
  try {
    return { origin: readUnverified(readBytes(join(folder, CHECKPOINT))).origin };
  } catch {
    // A log without a checkpoint, or with a damaged one, is exported all the same: the records are what is asked for.
    return {};
  }
}

function writerIn(line: Buffer): Writer | null {
  if (!line.includes(SERVICE_KIND)) return null;
  try {
    const { kind, origin, version } = recordOf(line) as Pick<ServiceRecord, "origin" | "version"> & { kind: string };
    return kind === "service" ? { origin, version } : null;
  } catch {
    // Whoever reads the line itself says what is wrong with it.
    return null;
  }
}

/** Returns the error for a line that is passed over. */
function misplaced(line: Line): Error {
  const record = tried(() => recordOf(line.bytes));
  return record instanceof Error
    ? record
    : new Error(`it says that it is record ${record.seq}, which doesn't lie between those before and behind it`);
}

function tried(read: () => LogRecord): LogRecord | Error {
  try {
    return read();
  } catch (cause) {
    return cause as Error;
  }
}

function recordIn({ bytes, seq, segment }: Line): LogRecord {
  const record = recordOf(bytes);
  if (record.seq !== seq) throw new Error(`${segment}: in place of record ${seq} is one that says it is ${record.seq}`);
  return record;
}

function recordOf(line: Buffer): LogRecord {
  return knownOf(JSON.parse(line.toString()));
}

function knownOf(record: unknown): LogRecord {
  if (typeof record !== "object" || record === null) throw new Error("it is no record");
  if (!("kind" in record) || !KINDS.has(record.kind)) throw new Error("it is no record of a known kind");
  return record as LogRecord;
}
