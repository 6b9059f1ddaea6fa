/** The decisions in a log's folder, each with all that it was made of; and what can't be read, by its place. */
import { parseTime, RECORD_VERSION, type DecisionRecord } from "../contract/index.js";
import { LineTooLong, readLines, type Line } from "../audit/log/record_lines.js";
import { BesideLines } from "../audit/log/beside.js";
import { recordedOf, type ReplayableRecord } from "./recorded_decision.js";
import { isAsked, isDecisionRecord, isRefused } from "./shapes.js";

/** Either end by a record's number or by its time, in milliseconds since the epoch; both are part of the range. */
export interface RecordRange {
  from: RangeBound | null;
  to: RangeBound | null;
}
export type RangeBound = { seq: number } | { ms: number };

export interface UnreadableRecord {
  seq: number;
  why: string;
}

export type ReadRecord =
  | ({ what: "decision" } & ReplayableRecord)
  | ({ what: "unreadable" } & UnreadableRecord)
  /** A record of something else. */
  | { what: "other"; seq: number };

/** Yields the decisions of a range in order. A last line that is still being written is left out. */
export function* readDecisions(folder: string, { from, to }: RecordRange): Generator<ReadRecord, void, undefined> {
  const first = from !== null && "seq" in from ? from.seq : 1;
  const last = to !== null && "seq" in to ? to.seq : Infinity;
  const [fromMs, toMs] = [from !== null && "ms" in from ? from.ms : -Infinity, to !== null && "ms" in to ? to.ms : Infinity];
  const beside = new BesideLines(folder);
  try {
    for (const line of readLines(folder, first, last)) {
      const read = readOne(line, beside, fromMs, toMs);
      if (read !== null) yield read;
    }
  } catch (error) {
    if (!(error instanceof LineTooLong)) throw error;
    yield { what: "unreadable", seq: error.seq, why: `${error.message}; what follows is not read` };
  } finally {
    beside.close();
  }
}

/** Null: it is outside the range. What can't be read may be within. */
function readOne(line: Line, beside: BesideLines, fromMs: number, toMs: number): ReadRecord | null {
  const { seq } = line;
  const unreadable = (why: string): ReadRecord => ({ what: "unreadable", seq, why });
  const record = parsed(line.bytes.toString("utf8"));
  if (record === null) return unreadable("it is not a JSON object");
  const { kind, v } = record;
  if (v !== RECORD_VERSION) return unreadable(`it is of version ${show(v)}, this reads ${RECORD_VERSION}`);
  if (record["seq"] !== seq) return unreadable(`it says that it is record ${show(record["seq"])}`);
  const ms = typeof record["time"] === "string" ? parseTime(record["time"]) : null;
  if (ms === null) return unreadable("it doesn't say when it was");
  if (ms < fromMs || ms > toMs) return null;
  if (kind !== "decision" && kind !== "observed") return { what: "other", seq };
  if (!isDecisionRecord(record)) return unreadable(whyNot(isDecisionRecord.errors));
  const parts = partsOf(record, line.segment, beside);
  if (parts === null) return unreadable("what stands beside it is not there, or not what it was");
  if ("input" in parts) {
    if (!isAsked(parts)) return unreadable(whyNot(isAsked.errors));
    return { what: "decision", ...recordedOf(seq, record, parts) };
  }
  if (!isRefused(parts)) return unreadable(whyNot(isRefused.errors));
  return { what: "decision", ...recordedOf(seq, record, parts) };
}

/** Returns the inputs of a decision, in its record or beside it; null if they are missing there. */
function partsOf(record: DecisionRecord, segment: string, beside: BesideLines): object | null {
  if (record.beside === undefined) return record;
  const text = beside.text(segment, record.beside);
  return text === null ? null : parsed(text);
}

function parsed(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

type Errors = { instancePath: string; message?: string }[] | null | undefined;

function whyNot(errors: Errors): string {
  const [error] = errors ?? [];
  return `it is not a decision's record: ${error?.instancePath ?? ""} ${error?.message ?? ""}`.trim();
}

function show(value: unknown): string {
  return typeof value === "number" ? String(value) : "unknown";
}
