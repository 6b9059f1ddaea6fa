/**
 * Which incidents were going on when a service starts, from the end of its log: whatever is live was named by a record of the
 * last half hour. Read before anything is decided, no further back than a bound; beyond it, an incident that still goes on is told
 * as a second finding.
 */
import { statSync } from "node:fs";
import { join } from "node:path";
import { RecordSource } from "../audit/export/source.js";
import { readLines, segmentsOf } from "../audit/reading.js";
import { isVerdict, type DecisionRecord, type FindingState, type LogRecord, type Sighted } from "../contract/index.js";
import { QUIET_MS, type Incidents } from "./incidents.js";

/** Of the log's end, in whole segments; the last one is read whatever its size. */
const BYTES_MAX = 128 * 1024 * 1024;
/** What a line holds that has a say in this. Agents' texts may hold it too, so whole records decide. */
const MARKS = [Buffer.from('"finding":"F-'), Buffer.from('"decision":"deny"'), Buffer.from('"finding":{')];
const WRITER = { origin: "", version: "" };

/** @param folder of a log that nobody writes meanwhile */
export function recallIncidents(folder: string, incidents: Incidents, now_ms: number): void {
  const since = now_ms - QUIET_MS;
  const source = new RecordSource(folder, WRITER, { besideMissing: () => undefined });
  try {
    for (const { bytes, read } of source.lines({ seq: beginning(folder, since) - 1, at: null }, Infinity)) {
      if (!MARKS.some((mark) => bytes.includes(mark))) continue;
      const { record } = read();
      if (Date.parse(record.time) >= since) recall(record, incidents);
    }
  } finally {
    source.close();
  }
}

/** The record to begin with. */
function beginning(folder: string, since: number): number {
  const segments = segmentsOf(folder);
  let from = segments.at(-1)?.first ?? 1;
  let bytes = 0;
  for (const { name, first } of segments.reverse()) {
    bytes += statSync(join(folder, name)).size;
    if (bytes > BYTES_MAX && first !== from) return from;
    from = first;
    const [line] = readLines(folder, first, first);
    if (line !== undefined && timeOf(line.bytes) < since) return from;
  }
  return from;
}

function timeOf(line: Buffer): number {
  const { time } = JSON.parse(line.toString()) as { time?: string };
  return Date.parse(time ?? "");
}

/** Takes in one record, in the records' order. */
export function recall(record: LogRecord, incidents: Incidents): void {
  if (record.kind === "facts") {
    const state = (record as { finding?: FindingState }).finding;
    if (state !== undefined && isVerdict(state.state)) incidents.close(state.id);
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
