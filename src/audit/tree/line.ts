/** Line of a segment, as far as its place in the log needs to be known. */
import { RECORD_VERSION } from "../../contract/index.js";
import type { LineReference } from "../log/beside.js";

export interface Stated {
  /** Which record it says it is; null where it doesn't. */
  seq: number | null;
  /** True if it is a record. */
  well: boolean;
  beside: LineReference | null;
  /** Parsed record, for members that only rare records have; null for nearly all decisions, and for what can't be parsed. */
  parsed: Readonly<Record<string, unknown>> | null;
}

const SEQ = Buffer.from(',"seq":');
const DECISIONS = ['{"act":', '{"an'].map((text) => Buffer.from(text));
const DECISION_AFTER_SEQ = Buffer.from(',"stages":{');
const END = Buffer.from(`,"v":${RECORD_VERSION}}`);
const BESIDE = Buffer.from(',"beside":{"bytes":');
const [DIGIT_0, DIGIT_9] = [0x30, 0x39];
const DIGITS_MAX = 16;

/**
 * Decisions, which are nearly all, aren't parsed: that alone would take longer than their hashes. In canonical form behind their
 * `seq` only `stages`, `time`, `uses` and `v` can stand, of which none holds
 * another.
 */
export function stated(line: Buffer): Stated {
  const at = line.lastIndexOf(SEQ);
  const { seq, end } = numberAt(line, at + SEQ.length);
  const isDecision = at >= 0 && beginsAsDecision(line) && startsWith(line, DECISION_AFTER_SEQ, end);
  if (!isDecision || !startsWith(line, END, line.length - END.length)) return parsedState(line, at < 0 ? null : seq);
  const beside = line.includes(BESIDE) ? besideOf(parse(line)) : null;
  return { seq, well: seq !== null, beside, parsed: null };
}

/** Returns true if a line begins with `act`, `ancestors` or `answer`: in canonical form only a decision or an observed action does. */
export function beginsAsDecision(line: Buffer): boolean {
  return DECISIONS.some((begin) => startsWith(line, begin, 0));
}

/** @param likely what it seems to be where it can't be parsed */
function parsedState(line: Buffer, likely: number | null): Stated {
  const record = parse(line);
  if (record === null) return { seq: likely, well: false, beside: null, parsed: null };
  const { seq, kind, time, v } = record;
  const known = Number.isSafeInteger(seq) && (seq as number) >= 1 ? (seq as number) : null;
  const well = known !== null && v === RECORD_VERSION && typeof kind === "string" && typeof time === "string";
  return { seq: known, well, beside: besideOf(record), parsed: record };
}

function parse(line: Buffer): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(line.toString());
    return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : null;
  } catch {
    return null;
  }
}

function besideOf(record: Readonly<Record<string, unknown>> | null): LineReference | null {
  const beside = record?.["beside"];
  if (typeof beside !== "object" || beside === null || !("digest" in beside) || !("bytes" in beside)) return null;
  const { digest, bytes } = beside;
  return typeof digest === "string" && typeof bytes === "number" ? { digest, bytes } : null;
}

function numberAt(line: Buffer, from: number): { seq: number | null; end: number } {
  let seq = 0;
  let end = from;
  for (; end < line.length && end - from < DIGITS_MAX; end++) {
    const digit = line[end] ?? 0;
    if (digit < DIGIT_0 || digit > DIGIT_9) break;
    seq = seq * 10 + digit - DIGIT_0;
  }
  return { seq: end > from && Number.isSafeInteger(seq) && seq >= 1 ? seq : null, end };
}

function startsWith(line: Buffer, wanted: Buffer, at: number): boolean {
  return at >= 0 && line.length >= at + wanted.length && line.compare(wanted, 0, wanted.length, at, at + wanted.length) === 0;
}
