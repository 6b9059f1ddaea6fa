/**
 * Which incidents were going on when a service starts, from the end of its log, and the last decision of each task there: whatever
 * is live was named by a record of the last half hour. Read before anything is decided, no further back than a bound; beyond it, an
 * incident that still goes on is told as a second finding, and a task's next decision names none before it.
 */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { join } from "node:path";
import { chainedIn } from "../audit/log/chained_tasks.js";
import { RecordSource, type Position } from "../audit/export/source.js";
import { LineTooLong, segmentsOf, timeIn } from "../audit/log/record_lines.js";
import { isVerdict, type DecisionRecord, type FindingState, type LogRecord, type Sighted } from "../contract/index.js";
import type { Chain } from "../decision/chain.js";
import { QUIET_MS, type Incidents } from "./incidents.js";
import { sightedNotice } from "./notices.js";

/** Bytes read from the log's end: a third of a second if every record matters, usually a fraction of that. */
const BYTES_MAX = 32 * 1024 * 1024;
/** Marks of lines that may matter here. Agents' texts may contain them too, so the whole record decides. */
const MARKS = [Buffer.from('"finding":"F-'), Buffer.from('"decision":"deny"'), Buffer.from('"finding":{')];
/** An engine's record carries the time of its decision, and within this member when it was recorded here. */
const ENGINE = Buffer.from('"engine":{');
/** Longer than any two records. */
const CHUNK_BYTES = 256 * 1024;
const NEWLINE = 0x0a;
const WRITER = { origin: "", version: "" };

/**
 * Reads the recent incidents back from the log. An unreadable line is skipped: reporting a damaged log is another part's task, and the
 * worst result here is a second finding.
 * @param folder of a log that nobody writes meanwhile, at least up to `to`
 * @param from place up to which everything was read before
 * @param to the last record to read
 * @param chain receives the last decisions of tasks
 * @returns the place after the last record that was read
 */
export function recallIncidents(
  folder: string,
  incidents: Incidents,
  now_ms: number,
  from: Position | null = null,
  to = Infinity,
  chain: Chain | null = null,
): Position {
  const since = now_ms - QUIET_MS;
  let place = from ?? placeNearEnd(folder);
  const source = new RecordSource(folder, WRITER, { besideMissing: () => undefined });
  try {
    for (const { bytes, read, after } of source.lines(place, to)) {
      place = after;
      if (chain !== null) link(chain, chainedIn(bytes));
      if (!MARKS.some((mark) => bytes.includes(mark)) || (timeIn(bytes) <= since && !bytes.includes(ENGINE))) continue;
      unlessDamaged(() => {
        const { record } = read();
        if (Date.parse(recordedAt(record)) > since) recall(record, incidents);
      });
    }
  } catch (cause) {
    if (!(cause instanceof LineTooLong)) throw cause;
    chain?.forget();
  } finally {
    source.close();
  }
  return place;
}

/** Adds a decision to its task's chain. If the task is unknown, it may have been any, so the chain is forgotten. */
function link(chain: Chain, chained: ReturnType<typeof chainedIn>): void {
  if (chained === undefined) chain.forget();
  else if (chained !== null) chain.next(chained.task, chained.decision_id);
}

/** The place of the first record that begins so many bytes before the end, or nearer. */
function placeNearEnd(folder: string): Position {
  let place: Position = { seq: 0, at: null };
  let left = BYTES_MAX;
  for (const { name, first } of segmentsOf(folder).reverse()) {
    const file = openSync(join(folder, name), "r");
    try {
      const { size } = fstatSync(file);
      const from = Math.max(0, size - left);
      const line = lineFrom(file, from);
      // None of what may be read of it begins within.
      if (line === null && from > 0 && size - from < CHUNK_BYTES) break;
      // Where that is no record, nobody knows which ones come after it: all of the segment is read.
      place = line !== null && line.seq > 0 ? placeOf(name, line) : { seq: first - 1, at: null };
      left -= size;
    } finally {
      closeSync(file);
    }
    if (left <= 0) break;
  }
  return place;
}

function placeOf(segment: string, { seq, offset }: Head): Position {
  return { seq: seq - 1, at: { segment, offset } };
}

/** Offset and number of a line; `seq` 0 if it isn't a record. */
interface Head {
  offset: number;
  seq: number;
}

/** Returns the first whole line that begins at or after an offset; null if no line is near. */
function lineFrom(file: number, offset: number): Head | null {
  const chunk = Buffer.alloc(CHUNK_BYTES);
  const before = Math.max(0, offset - 1);
  const bytes = chunk.subarray(0, readSync(file, chunk, 0, chunk.length, before));
  const begin = offset === 0 ? 0 : bytes.indexOf(NEWLINE) + 1;
  const end = bytes.indexOf(NEWLINE, begin);
  const isThere = (offset === 0 || begin > 0) && end >= 0;
  return isThere ? { offset: before + begin, seq: seqOf(bytes.subarray(begin, end)) } : null;
}

function seqOf(line: Buffer): number {
  return unlessDamaged(() => JSON.parse(line.toString()) as Partial<Pick<LogRecord, "seq">>)?.seq ?? 0;
}

function unlessDamaged<T>(read: () => T): T | null {
  try {
    return read();
  } catch {
    return null;
  }
}

/** Takes in one record, in the records' order. */
export function recall(record: LogRecord, incidents: Incidents): void {
  if (record.kind === "facts") {
    const state = (record as { finding?: FindingState }).finding;
    if (state !== undefined && isVerdict(state.state)) incidents.close(state.id);
    return;
  }
  if (record.kind === "notice") {
    if (record.finding !== undefined) incidents.recall(sightedNotice(record), record.finding);
    return;
  }
  if (record.kind !== "decision" && record.kind !== "observed") return;
  const sighted = sightedOf(record);
  if (sighted !== null) incidents.recall(sighted, record.answer.finding ?? null);
}

interface RecalledRequest {
  agent?: string;
  purpose?: string;
  verb?: string;
  resource?: { type?: string; id?: string | null };
}

/** Null for a record whose action is gone: what stood beside it was dropped. */
export function sightedOf(record: DecisionRecord): Sighted | null {
  const { kind, answer, input, request, floor, engine } = record;
  const { agent, purpose, verb, resource } = (input?.["request"] ?? request ?? {}) as RecalledRequest;
  const { type, id = null } = resource ?? {};
  if (agent === undefined || purpose === undefined || verb === undefined || type === undefined) return null;
  const { decision_id, decision, reasons } = answer;
  const known = floor?.["agent"] !== null && engine?.unattributed !== true;
  const opens = answer.finding !== undefined;
  return { decision_id, kind, agent, known, purpose, verb, type, id, time_ms: Date.parse(recordedAt(record)), decision, reasons, opens };
}

/** Time by which incidents go: when this service recorded it, which for an engine's record may be long after its decision. */
function recordedAt(record: LogRecord): string {
  return (record as { engine?: { taken?: string } }).engine?.taken ?? record.time;
}
