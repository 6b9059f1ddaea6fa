/**
 * Which incidents were going on when a service starts, from the end of its log: whatever is live was named by a record of the
 * last half hour. Read before anything is decided, no further back than a bound; beyond it, an incident that still goes on is told
 * as a second finding.
 */
import { closeSync, openSync, readSync, statSync } from "node:fs";
import { join } from "node:path";
import { RecordSource, type Position } from "../audit/export/source.js";
import { LineTooLong, readLines, segmentsOf } from "../audit/reading.js";
import { isVerdict, type DecisionRecord, type FindingState, type LogRecord, type Sighted } from "../contract/index.js";
import { QUIET_MS, type Incidents } from "./incidents.js";
import { sightedNotice } from "./notices.js";

/** Of the log's end, in whole segments; the last one is read whatever its size. */
const BYTES_MAX = 128 * 1024 * 1024;
/** What a line holds that has a say in this. Agents' texts may hold it too, so whole records decide. */
const MARKS = [Buffer.from('"finding":"F-'), Buffer.from('"decision":"deny"'), Buffer.from('"finding":{')];
/** Longer than any two records. */
const CHUNK_BYTES = 256 * 1024;
const NEWLINE = 0x0a;
const WRITER = { origin: "", version: "" };

/**
 * What can't be read is passed over: it is somebody else's to say what is wrong with the log, and the worst that comes of it here
 * is a second finding.
 * @param folder of a log that nobody writes meanwhile, at least up to `to`
 * @param from what comes before it was taken in already
 * @param to the last record to take in
 * @returns the place after the last one that was
 */
export function recallIncidents(
  folder: string,
  incidents: Incidents,
  now_ms: number,
  from: Position | null = null,
  to = Infinity,
): Position {
  const since = now_ms - QUIET_MS;
  let place = from ?? placeBefore(folder, since);
  const source = new RecordSource(folder, WRITER, { besideMissing: () => undefined });
  try {
    for (const { bytes, read, after } of source.lines(place, to)) {
      place = after;
      if (!MARKS.some((mark) => bytes.includes(mark))) continue;
      unlessDamaged(() => {
        const { record } = read();
        if (Date.parse(record.time) > since) recall(record, incidents);
      });
    }
  } catch (cause) {
    if (!(cause instanceof LineTooLong)) throw cause;
  } finally {
    source.close();
  }
  return place;
}

/** A place with no record of that time or later before it, as far as clocks went on. */
function placeBefore(folder: string, since: number): Position {
  const segments = segmentsOf(folder);
  let from = segments.at(-1);
  let bytes = 0;
  for (const segment of segments.reverse()) {
    const { size } = statSync(join(folder, segment.name));
    bytes += size;
    if (bytes > BYTES_MAX && segment !== from) break;
    from = segment;
    const [first] = readLines(folder, segment.first, segment.first);
    if (first === undefined || headOf(first.bytes).time_ms >= since) continue;
    return within(join(folder, segment.name), segment, size, since);
  }
  return { seq: (from?.first ?? 1) - 1, at: null };
}

/** By halves, to within some bytes. */
function within(path: string, { name, first }: { name: string; first: number }, size: number, since: number): Position {
  let found: Position = { seq: first - 1, at: null };
  const file = openSync(path, "r");
  try {
    for (let [low, high] = [0, size]; high - low > CHUNK_BYTES;) {
      const middle = Math.floor((low + high) / 2);
      const line = lineAfter(file, middle);
      if (line === null || line.time_ms >= since) high = middle;
      else {
        low = line.offset;
        found = { seq: line.seq - 1, at: { segment: name, offset: line.offset } };
      }
    }
  } finally {
    closeSync(file);
  }
  return found;
}

/** The first whole line that begins after an offset; null where there is none nearby. */
function lineAfter(file: number, offset: number): { offset: number; seq: number; time_ms: number } | null {
  const chunk = Buffer.alloc(CHUNK_BYTES);
  const bytes = chunk.subarray(0, readSync(file, chunk, 0, chunk.length, offset));
  const begin = bytes.indexOf(NEWLINE) + 1;
  const end = bytes.indexOf(NEWLINE, begin);
  return begin === 0 || end < 0 ? null : { offset: offset + begin, ...headOf(bytes.subarray(begin, end)) };
}

/** Of a line that is no record, a time after all others: what comes before it is looked at. */
function headOf(line: Buffer): { seq: number; time_ms: number } {
  const record = unlessDamaged(() => JSON.parse(line.toString()) as Partial<Pick<LogRecord, "seq" | "time">>);
  const time_ms = Date.parse(record?.time ?? "");
  return { seq: record?.seq ?? 0, time_ms: Number.isNaN(time_ms) ? Infinity : time_ms };
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

interface Asked {
  agent?: string;
  purpose?: string;
  verb?: string;
  resource?: { type?: string; id?: string | null };
}

/** Null for a record whose action is gone: what stood beside it was dropped. */
export function sightedOf({ kind, answer, time, input, request, floor }: DecisionRecord): Sighted | null {
  const { agent, purpose, verb, resource } = ((input?.["request"] ?? request) ?? {}) as Asked;
  const { type, id = null } = resource ?? {};
  if (agent === undefined || purpose === undefined || verb === undefined || type === undefined) return null;
  const { decision_id, decision, reasons } = answer;
  const known = floor?.["agent"] !== null;
  const opens = answer.finding !== undefined;
  return { decision_id, kind, agent, known, purpose, verb, type, id, time_ms: Date.parse(time), decision, reasons, opens };
} // prettier-ignore
