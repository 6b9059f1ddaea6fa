/** History before a start, from the log: how far changes of facts are on record, and which grants were used. */
import { segmentsIn, type LogFiles } from "./files.js";
import { lastBefore, readRetained } from "../privacy/retention_record.js";

const NEWLINE = 0x0a;
const FACTS = '"kind":"facts"';
const USES = '"uses":["';

export interface Past {
  /** The highest `facts_revision` of records of changes; 0 where there are none. */
  revision: number;
  /** The grants that each decision on record used: of all that were made on this facts revision or a later one. */
  uses(since: number): AsyncIterable<readonly string[]>;
}

/** The highest `facts_revision` of records of changes up to record `seq`. */
export interface FactsOnRecord {
  seq: number;
  revision: number;
}

interface FactsRecord {
  kind: string;
  facts_revision: number | null;
}

/** Uses of grants in a segment. */
export interface SegmentUses {
  /** The grants that each of its decisions used. */
  uses: readonly (readonly string[])[];
  /** The facts revision of its first decision; Infinity where it has none. */
  first: number;
}

/**
 * @param files of a log that is open, and may be written meanwhile: a line that isn't whole yet is passed over
 * @param known segments that needn't be read, by name: of `usesIn`, since when they haven't changed
 * @param mark what is known of changes on record, of this very log
 */
export function readPast(files: LogFiles, known: ReadonlyMap<string, SegmentUses> = new Map(), mark: FactsOnRecord | null = null): Past {
  return { revision: lastRevision(files, mark), uses: (since) => usesSince(files, known, since) };
}

/** Changes are recorded in the order of their revisions, so the last one that has a revision has the highest. */
function lastRevision(files: LogFiles, mark: FactsOnRecord | null): number {
  const segments = segmentsIn(files);
  for (const { name, first } of [...segments].reverse()) {
    const bytes = files.read(name);
    for (let at = bytes.lastIndexOf(FACTS); at >= 0; at = lastBefore(bytes, FACTS, at)) {
      // A text that an agent has written may hold these words as well; only a whole record counts.
      const { kind, facts_revision } = lineAt(bytes, at) as FactsRecord;
      if (kind === "facts" && facts_revision !== null) return facts_revision;
    }
    if (mark !== null && first <= mark.seq + 1) return mark.revision;
  }
  // Where the last change was dropped, the record of that says how far they had come.
  const isWhole = (segments[0]?.first ?? 1) === 1;
  return isWhole ? 0 : (readRetained(files)?.facts_revision ?? 0);
}

/**
 * From the last segment back. Decisions are recorded in the order of the facts revisions they were made on, and by nothing else:
 * the host's clock may have jumped.
 */
async function* usesSince(files: LogFiles, known: ReadonlyMap<string, SegmentUses>, since: number): AsyncIterable<readonly string[]> {
  for (const { name } of segmentsIn(files).reverse()) {
    const { uses, first } = known.get(name) ?? usesIn(files.read(name));
    yield* uses;
    if (first < since) return;
    await Promise.resolve();
  }
}

/** @param bytes a segment's */
export function usesIn(bytes: Buffer): SegmentUses {
  const found: (readonly string[])[] = [];
  for (let at = bytes.indexOf(USES); at >= 0; at = bytes.indexOf(USES, bytes.indexOf(NEWLINE, at))) {
    const { kind, uses } = lineAt(bytes, at) as { kind: string; uses?: readonly string[] };
    if (kind !== "facts" && uses !== undefined) found.push(uses);
  }
  return { uses: found, first: firstDecidedOn(bytes) };
}

function firstDecidedOn(bytes: Buffer): number {
  for (let at = 0, end = bytes.indexOf(NEWLINE); end >= 0; at = end + 1, end = bytes.indexOf(NEWLINE, at)) {
    const { kind, answer, engine } = lineAt(bytes, at) as {
      kind: string;
      answer?: { facts_revision: number };
      engine?: object;
    };
    // One that was handed in was made when it was made.
    if (kind !== "facts" && answer !== undefined && engine === undefined) return answer.facts_revision;
  }
  return Infinity;
}

/** The record around an offset; nothing where its line isn't whole yet. */
function lineAt(bytes: Buffer, at: number): unknown {
  const start = at === 0 ? 0 : bytes.lastIndexOf(NEWLINE, at) + 1;
  const end = bytes.indexOf(NEWLINE, at);
  return end < 0 ? {} : JSON.parse(bytes.toString("utf8", start, end));
}
