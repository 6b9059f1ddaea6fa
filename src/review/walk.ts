/** Every line of a log's folder, and of what is looked at its record: a line that isn't one is told, and passed over. */
import { BesideLines, type LineReference } from "../audit/log/beside.js";
import { LineTooLong, readLines, segmentsOf, type Line } from "../audit/log/record_lines.js";
import { beginsAsDecision } from "../audit/tree/line.js";
import { RECORD_VERSION } from "../contract/index.js";
import { statSync } from "node:fs";
import { join } from "node:path";
import type { RecordMembers } from "./history.js";

export interface Walked {
  line: Line;
  /** Null where the line is no record of this version, which `why` says. */
  record: RecordMembers | null;
  why: string | null;
  /** Milliseconds since the epoch; NaN where it doesn't say. */
  time_ms: number;
  /** Returns the parts stored beside the record; null if there are none, or they aren't what the record names. */
  beside: () => RecordMembers | null;
}

export interface WalkProgress {
  records: number;
  /** Share of the bytes read, from 0 to 1. */
  share: number;
}

const PROGRESS_RECORDS = 20_000;

/**
 * Yields the log's lines in order, once each.
 * @param wanted returns true if a decision of this time is parsed; all other records are
 */
export function* walk(
  folder: string,
  wanted: (time_ms: number) => boolean,
  progress: (so_far: WalkProgress) => void,
): Generator<Walked, void, undefined> {
  const sizes = new Map(segmentsOf(folder).map(({ name }) => [name, statSync(join(folder, name)).size]));
  const total = [...sizes.values()].reduce((sum, size) => sum + size, 0);
  const lines = new BesideLines(folder);
  let [records, done, segment] = [0, 0, ""];
  try {
    for (const line of readLines(folder)) {
      if (line.segment !== segment) {
        done += sizes.get(segment) ?? 0;
        segment = line.segment;
      }
      if (++records % PROGRESS_RECORDS === 0) progress({ records, share: total === 0 ? 1 : (done + line.offset) / total });
      const decided_ms = decisionTime(line.bytes);
      if (decided_ms !== null && !wanted(decided_ms)) {
        yield { line, record: null, why: null, time_ms: decided_ms, beside: none };
        continue;
      }
      yield { line, ...recordOf(line, lines) };
    }
  } catch (error) {
    if (!(error instanceof LineTooLong)) throw error;
    const { segment: name, offset, seq, message } = error;
    yield {
      line: { seq, bytes: Buffer.alloc(0), segment: name, offset },
      record: null,
      why: `${message}; what follows is not read`,
      time_ms: NaN,
      beside: none,
    };
  } finally {
    lines.close();
  }
}

const none = (): null => null;
const TIME = Buffer.from(',"time":"');
const TIME_LENGTH = "2027-03-02T09:15:00.000Z".length;

/**
 * When a decision was made, without reading all of it: in canonical form only `uses` and `v` stand behind its `time`. Null for a
 * line that isn't plainly one.
 */
function decisionTime(bytes: Buffer): number | null {
  if (!beginsAsDecision(bytes)) return null;
  const at = bytes.lastIndexOf(TIME);
  const ms = at < 0 ? NaN : Date.parse(bytes.toString("latin1", at + TIME.length, at + TIME.length + TIME_LENGTH));
  return Number.isNaN(ms) ? null : ms;
}

function recordOf(line: Line, lines: BesideLines): Omit<Walked, "line"> {
  const wrong = (why: string): Omit<Walked, "line"> => ({ record: null, why, time_ms: NaN, beside: none });
  const record = parsed(line.bytes.toString("utf8"));
  if (record === null) return wrong("it is not a JSON object");
  if (record["v"] !== RECORD_VERSION) return wrong(`it is of another version than ${RECORD_VERSION}`);
  if (record["seq"] !== line.seq) return wrong("it says that it is another record");
  const { time } = record;
  const time_ms = typeof time === "string" ? Date.parse(time) : NaN;
  if (Number.isNaN(time_ms)) return wrong("it doesn't say when it was");
  const named = record["beside"] as LineReference | undefined;
  const beside = (): RecordMembers | null => {
    const text = named === undefined ? null : lines.text(line.segment, named);
    return text === null ? null : parsed(text);
  };
  return { record, why: null, time_ms, beside };
}

function parsed(text: string): RecordMembers | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as RecordMembers) : null;
  } catch {
    return null;
  }
}
