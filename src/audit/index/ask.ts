/** What can be asked of the index, and each answer as JSON: the records in it go out as they stand in the log. */
import {
  NOVEL_FIELDS,
  type DecisionRecord,
  type Novelty,
  type RecordFilter,
  type RecordOrder,
  type SummaryField,
} from "../../contract/index.js";
import { seqAt } from "./block.js";
import { toCursor } from "./cursor.js";
import { SegmentGone } from "./lines.js";
import { actionOf, type Found, type RecordIndex } from "./record_index.js";
import { Counting } from "./summary.js";

export interface PageAsk {
  kind: "page";
  filter: RecordFilter;
  order: RecordOrder;
  /** In this order, after this record; null: from the first on. */
  after: number | null;
  limit: number;
}

export type Ask =
  | PageAsk
  /** Of a decision by its id, or of any record by its number. */
  | { kind: "one"; id: string }
  /** Who decided each of these, by their ids: an array of `DecidedBy`, null for what isn't there. */
  | { kind: "decided"; ids: readonly string[] }
  /** Whole records, in order: a tile of the log's entries. */
  | { kind: "entries"; from: number; to: number }
  | { kind: "summary"; filter: RecordFilter; by: readonly SummaryField[]; limit: number }
  | { kind: "new"; from: number; to: number; limit: number };

/** `engine` where one in an application did. */
export type DecidedBy = { [K in "caller" | "engine"]: DecisionRecord[K] };

/** A page ends after so much text, however many records were asked for. */
const PAGE_LENGTH_MAX = 4 * 1024 * 1024;
/** Others' questions have their turn after so many. */
const IDS_AT_ONCE = 16;
const SEQ = /^[1-9]\d{0,15}$/;

/**
 * Does some of the work each time it is asked to go on.
 * @param until no record after this one
 * @returns JSON; null where there is no such record
 * @throws IndexUnfit, TooManyGroups
 */
export function answer(index: RecordIndex, ask: Ask, until: number, now_ms: number): Generator<void, string | null, void> {
  switch (ask.kind) {
    case "page":
      return page(index, ask, until, now_ms);
    case "one":
      return one(index, ask.id, until, now_ms);
    case "decided":
      return decided(index, ask.ids, until, now_ms);
    case "entries":
      return entries(index, ask, until, now_ms);
    case "summary":
      return summary(index, ask, until, now_ms);
    case "new":
      return novelty(index, ask, until);
  }
}

/** Records that match, each as JSON; `to` is how far was looked. */
export interface Some {
  items: string[];
  seqs: number[];
  to: number;
  more: boolean;
}

/** As a page, `limit` of them at most. @param textOf what is told of each, as JSON */
export function* some(
  index: RecordIndex,
  ask: Omit<PageAsk, "kind">,
  until: number,
  now_ms: number,
  textOf: (found: Found) => string = itemText,
): Generator<void, Some, void> {
  const { filter, order, after, limit } = ask;
  const found: Some = { items: [], seqs: [], to: after ?? 0, more: false };
  let length = 0;
  for (const { block, positions } of index.select(filter, { order, after, until, now_ms })) {
    for (const position of positions) {
      if (found.items.length === limit || length >= PAGE_LENGTH_MAX) return { ...found, more: true };
      // In the turn in which it was selected: what became of it may be another thing later.
      const read = unlessGone(() => index.read(block, position, now_ms, filter));
      found.to = seqAt(block.number, position);
      if (read === null) continue;
      const text = textOf(read);
      length += text.length;
      found.items.push(text);
      found.seqs.push(read.seq);
    }
    yield;
  }
  return { ...found, to: order === "oldest" ? Math.max(until, found.to) : 0 };
}

function* page(index: RecordIndex, ask: PageAsk, until: number, now_ms: number): Generator<void, string, void> {
  const { items, to, more } = yield* some(index, ask, until, now_ms);
  const next = more ? JSON.stringify(toCursor(to)) : "null";
  return `{"items":[${items.join(",")}],"next":${next},"indexed_to":${until}}`;
}

function* one(index: RecordIndex, id: string, until: number, now_ms: number): Generator<void, string | null, void> {
  yield;
  const seq = SEQ.test(id) ? Number(id) : index.seqOf(id);
  if (seq === null || seq > until) return null;
  return unlessGone(() => {
    const found = index.find(seq, now_ms);
    if (found === null) return null;
    const beside = `"beside":${found.beside ?? "null"},"beside_missing":${found.beside_missing}`;
    const outcomes = index.outcomesOf(seq).join(",");
    return `{${membersText(found)},"leaf":${seq - 1},${beside},"outcomes":[${outcomes}],"indexed_to":${until}}`;
  });
}

function* decided(index: RecordIndex, ids: readonly string[], until: number, now_ms: number): Generator<void, string, void> {
  const texts: string[] = [];
  for (const id of ids) {
    const seq = index.seqOf(id);
    const found = seq === null || seq > until ? null : unlessGone(() => index.find(seq, now_ms));
    texts.push(found === null ? "null" : decidedBy(found));
    if (texts.length % IDS_AT_ONCE === 0) yield;
  }
  return `[${texts.join(",")}]`;
}

function* entries(
  index: RecordIndex,
  { from, to }: Extract<Ask, { kind: "entries" }>,
  until: number,
  now_ms: number,
): Generator<void, string | null, void> {
  if (to > until) return null;
  const texts: string[] = [];
  for (let seq = from; seq <= to; seq++) {
    const found = unlessGone(() => index.find(seq, now_ms));
    if (found === null) return null;
    texts.push(found.text);
  }
  yield;
  return `[${texts.join(",")}]`;
}

function* summary(
  index: RecordIndex,
  { filter, by, limit }: Extract<Ask, { kind: "summary" }>,
  until: number,
  now_ms: number,
): Generator<void, string, void> {
  const counting = new Counting(index, by);
  for (const { block, positions } of index.select(filter, { order: "oldest", after: null, until, now_ms })) {
    counting.add(block, positions);
    yield;
  }
  return JSON.stringify({ ...counting.result(limit), indexed_to: until });
}

function* novelty(index: RecordIndex, { from, to, limit }: Extract<Ask, { kind: "new" }>, until: number): Generator<void, string, void> {
  const items: Novelty["items"] = [];
  let more = false;
  for (const { field, text, first, time_ms } of index.novel(FIELDS, { from, to }, until)) {
    if (items.length === limit) {
      more = true;
      break;
    }
    items.push({ field: field as Novelty["items"][number]["field"], value: text, seq: first, time: new Date(time_ms).toISOString() });
    yield;
  }
  return JSON.stringify({ items, more, indexed_to: until } satisfies Novelty);
}

const FIELDS = [...NOVEL_FIELDS];

function decidedBy({ text }: Found): string {
  const { caller, engine } = JSON.parse(text) as DecisionRecord;
  return JSON.stringify({ caller, engine } satisfies DecidedBy);
}

function itemText(found: Found): string {
  return `{${membersText(found)}}`;
}

function membersText({ seq, row, outcome, text }: Found): string {
  return `"seq":${seq},"action":${JSON.stringify(actionOf(row))},"outcome":${JSON.stringify(outcome)},"record":${text}`;
}

/** Null where the segment was dropped while it was looked at. */
function unlessGone<T>(read: () => T): T | null {
  try {
    return read();
  } catch (cause) {
    if (cause instanceof SegmentGone) return null;
    throw cause;
  }
}
