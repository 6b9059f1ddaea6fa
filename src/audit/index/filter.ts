/** A filter as the index answers it: what is tested in each block, and which blocks need not be looked at. */
import { SEVERITIES, type OutcomeState, type RecordFilter } from "../../contract/index.js";
import { MARKS, NONE, type Block, type Column } from "./block.js";
import type { IndexFile } from "./file.js";
import { KIND_CODES } from "./row.js";
import type { Terms } from "./terms.js";

export interface Compiled {
  filter: RecordFilter;
  /** By its number: whether a kind, and a mark, is one of those that are asked for. */
  kinds: Uint8Array;
  marks: Uint8Array;
  from: number;
  to: number;
  columns: readonly Wanted[];
  outcomes: ReadonlySet<OutcomeState> | null;
}

interface Wanted {
  column: Column;
  has: (term: number) => boolean;
  /** All of them, where they are few. */
  ids: readonly number[] | null;
}

const EQUAL = ["caller", "agent", "purpose", "task", "verb", "type", "resource", "bundle", "key"] as const;
/** So many terms with a prefix are remembered; of more, each is looked at where it is met. */
const PREFIXED_MAX = 200_000;
/** Of so many terms it is looked up which blocks have them. */
const PLACED_MAX = 256;

/** Null: nothing can match. */
export function compile(filter: RecordFilter, terms: Terms): Compiled | null {
  const columns: Wanted[] = [];
  for (const column of EQUAL) {
    const text = filter[column];
    if (text === undefined) continue;
    const id = terms.find(column, text);
    if (id === null) return null;
    columns.push({ column, has: (term) => term === id, ids: [id] });
  }
  if (filter.reason !== undefined) {
    const sets = new Set(terms.reasonSetsWith(filter.reason));
    if (sets.size === 0) return null;
    columns.push({ column: "reasons", has: (term) => sets.has(term), ids: few([...sets]) });
  }
  if (filter.resource_prefix !== undefined) columns.push(prefixed(filter.resource_prefix, terms));
  return {
    filter,
    kinds: kindsOf(filter),
    marks: marksOf(filter),
    from: filter.from ?? -Infinity,
    to: filter.to ?? Infinity,
    columns,
    outcomes: filter.outcome === undefined ? null : new Set(filter.outcome),
  };
}

/** The stored blocks that can have what is asked for, in order; null where nothing says which. */
export function placed({ columns }: Compiled, file: IndexFile, from: number, to: number): number[] | null {
  let blocks: Set<number> | null = null;
  for (const { ids } of columns) {
    if (ids === null) continue;
    const these = new Set(ids.flatMap((id) => file.placesOf(id, from, to)));
    blocks = blocks === null ? these : new Set([...these].filter((block) => blocks?.has(block)));
  }
  return blocks === null ? null : [...blocks].sort((a, b) => a - b);
}

/** The positions from `from` to `to` (not with it) that match, in order, apart from outcomes. */
export function evaluate(block: Block, { kinds, marks, from: first, to: last, columns }: Compiled, from: number, to: number): number[] {
  const [begin, end] = [Math.max(from, block.from), Math.min(to, block.to)];
  let found: number[] | null = null;
  // Columns first: mostly they leave nothing, and what else the block has need not be read.
  for (const { column, has } of columns) {
    const { ids, codes } = block.column(column);
    const wanted = new Uint8Array(ids.length);
    for (let code = 0; code < ids.length; code++) wanted[code] = has(ids[code] ?? NONE) ? 1 : 0;
    if (!wanted.includes(1)) return [];
    found = those(found, begin, end, (i) => wanted[codes[i] ?? 0] !== 0);
    if (found.length === 0) return [];
  }
  const { kinds: kindAt, marks: markAt } = block;
  const timeAt = first === -Infinity && last === Infinity ? null : block.times;
  return those(found, begin, end, (i) => {
    if (kinds[kindAt[i] ?? NONE] === 0 || marks[markAt[i] ?? 0] === 0) return false;
    return timeAt === null || ((timeAt[i] ?? NaN) >= first && (timeAt[i] ?? NaN) < last);
  });
}

/** Of some positions, or of all from `begin` up to before `end`, those that hold. */
function those(some: readonly number[] | null, begin: number, end: number, holds: (position: number) => boolean): number[] {
  if (some !== null) return some.filter(holds);
  const found: number[] = [];
  for (let i = begin; i < end; i++) if (holds(i)) found.push(i);
  return found;
}

function prefixed(prefix: string, terms: Terms): Wanted {
  const ids: number[] = [];
  for (const id of terms.withPrefix("resource", prefix)) {
    if (ids.push(id) > PREFIXED_MAX) {
      const has = (term: number): boolean => terms.text(term)?.startsWith(prefix) === true;
      return { column: "resource", has, ids: null };
    }
  }
  const set = new Set(ids);
  return { column: "resource", has: (term) => set.has(term), ids: few(ids) };
}

function few(ids: readonly number[]): readonly number[] | null {
  return ids.length <= PLACED_MAX ? ids : null;
}

function kindsOf({ kind }: RecordFilter): Uint8Array {
  const codes = new Uint8Array(KIND_CODES.size + 1);
  for (const [name, code] of KIND_CODES) codes[code] = Number(kind?.includes(name) ?? true);
  return codes;
}

function marksOf({ decision, proceed, finding, severity }: RecordFilter): Uint8Array {
  const least = severity === undefined ? -1 : SEVERITIES.indexOf(severity);
  return Uint8Array.from(MARKS, (mark) => {
    const judged = mark.decision !== null;
    return Number(
      (decision === undefined || (mark.decision !== null && decision.includes(mark.decision))) &&
        (proceed === undefined || (judged && mark.proceed === proceed)) &&
        (finding === undefined || (finding ? mark.finding : judged && !mark.finding)) &&
        mark.severity >= least,
    );
  });
}
