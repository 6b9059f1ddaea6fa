/** Record of a log about records that it no longer has: it was on disk before they were deleted. */
import type { AdminRecord } from "../../contract/index.js";
import { RECORD_VERSION } from "../../contract/record_version.js";
import { segmentsIn, type LogFiles } from "../log/files.js";

/** Actions of `admin` records: records are dropped, and the keys of masks. */
export const RETAIN = "retain";
export const SHRED = "shred";
/** File with that record: derived, and read from the records if it is missing. */
export const RETAINED = "retained";

/** `detail` of the record. */
export interface Retained {
  /** The first record that was still there, and the last that is dropped. */
  from: number;
  to: number;
  /** Root of the tree of the first `to` records: base64. */
  root: string;
  /** Highest facts revision that is on record up to there: a start goes on from it. 0: no revision is. */
  facts_revision: number;
  /** The log's verifier keys, which records of starts name, of which perhaps none is left. */
  keys: string[];
}

export function retainedIn(record: unknown): Retained | null {
  const { kind, v, action, detail } = members(record) as Partial<AdminRecord>;
  if (kind !== "admin" || v !== RECORD_VERSION || action !== RETAIN) return null;
  const { from, to, root, facts_revision, keys } = members(detail);
  const known = isCount(from) && isCount(to) && isCount(facts_revision) && typeof root === "string";
  if (!known || !isTexts(keys) || from < 1 || to < from) return null;
  return { from, to, root, facts_revision, keys };
}

const NEWLINE = 0x0a;
const SAYS = `"action":"${RETAIN}"`;

/** The last record that says what was dropped; null where none does. */
export function readRetained(files: Pick<LogFiles, "list" | "read">): Retained | null {
  const segments = segmentsIn(files).reverse();
  const seq = files.list().includes(RETAINED) ? Number(files.read(RETAINED).toString()) : NaN;
  const pointed = segments.find(({ first }) => first <= seq);
  for (const { name } of pointed === undefined ? segments : [pointed, ...segments]) {
    const found = lastIn(files.read(name));
    if (found !== null) return found;
  }
  return null;
}

function lastIn(bytes: Buffer): Retained | null {
  for (let at = bytes.lastIndexOf(SAYS); at >= 0; at = lastBefore(bytes, SAYS, at)) {
    const end = bytes.indexOf(NEWLINE, at);
    // A text of an agent's may hold these words as well; only a whole record counts.
    const found = end < 0 ? null : retainedIn(parse(bytes.toString("utf8", bytes.lastIndexOf(NEWLINE, at) + 1, end)));
    if (found !== null) return found;
  }
  return null;
}

/**
 * Returns the place where words are found last in the lines before the one around an offset, which may have them very often; -1: no line
 * has them.
 */
export function lastBefore(bytes: Buffer, words: string, at: number): number {
  const newline = bytes.lastIndexOf(NEWLINE, at);
  return newline < 0 ? -1 : bytes.lastIndexOf(words, newline);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function members(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((text) => typeof text === "string");
}
