/**
 * The records of a folder, found by what they say. What it knows is in whole blocks in a file, and in one block in memory that
 * is made again from the log at each start: following the log costs no write until a block is full.
 */
import type { OutcomeState, RecordAction, RecordFilter, RecordOrder } from "../../contract/index.js";
import { BesideLines } from "../beside.js";
import { numbered, parse, type Numbered, type Reading } from "../numbered.js";
import { lineChunk } from "../reading.js";
import { segmentName } from "../segments.js";
import {
  BLOCK_RECORDS,
  BlockBuilder,
  MARKS,
  NONE,
  blockOf,
  idKey,
  positionOf,
  positionsOfId,
  seqAt,
  type Block,
  type Column,
  type Place,
} from "./block.js";
import { digestOf, type BesidePlace, type IndexFile, type Said } from "./file.js";
import { compile, evaluate, placed, type Compiled } from "./filter.js";
import { Lines, SegmentGone } from "./lines.js";
import { KIND_CODES, OUTCOME_CODES, matches, outcomeOf, outcomeState, rowOf, type Row, type SaidOutcome } from "./row.js";
import { Terms, habitText, reasonsText, type Field, type Term } from "./terms.js";
import { IndexUnfit } from "./unfit.js";

/** What is looked at in one go; between two, whoever asked may let others have their turn. */
export interface Batch {
  block: Block;
  /** In the order that was asked for. */
  positions: readonly number[];
  outcomes: ReadonlyMap<number, OutcomeState | null> | null;
}

/** Which records, apart from the filter. */
export interface Range {
  order: RecordOrder;
  /** In this order, after this record; null: from the first on. */
  after: number | null;
  /** No record after this one. */
  until: number;
  /** Milliseconds since the epoch, as outcomes are seen. */
  now_ms: number;
}

export interface Found {
  seq: number;
  row: Row;
  outcome: OutcomeState | null;
  /** The record as it stands in the log, … */
  text: string;
  /** … as it reads … */
  record: unknown;
  /** … and what stands beside it; null where nothing does, or not what the record names. Both texts are JSON. */
  beside: string | null;
  /** Whether it names something that isn't there. */
  beside_missing: boolean;
}

export interface RecordIndexOptions {
  folder: string;
  file: IndexFile;
  /** How long after its answer was valid an action without outcome counts as missing one. */
  overdue_ms: number;
}

/** Records that a log should have. */
export interface Lacking {
  records: number;
  first: number;
}

/** What a record says of what stands beside it. */
interface Naming {
  beside?: { digest?: unknown };
}

const KINDS = new Map([...KIND_CODES].map(([kind, code]) => [code, kind]));
const SAID = new Map([...OUTCOME_CODES].map(([outcome, code]) => [code, outcome]));
/** Stored blocks that stay in memory, in case they are asked for again. */
const BLOCKS_KEPT = 16;
const BLOCKS_AT_ONCE = 64;
const NO_KINDS = new Uint8Array(BLOCK_RECORDS);

export class RecordIndex {
  readonly #options: RecordIndexOptions;
  readonly #file: IndexFile;
  readonly #terms: Terms;
  readonly #lines: Lines;
  readonly #besideLines: BesideLines;
  readonly #blocks = new Map<number, Block>();
  #tail: BlockBuilder | null = null;
  /** Of the tail. */
  #said: Said[] = [];
  #besides = new Map<number, BesidePlace>();
  /** The first record of each decision: what becomes of one is mostly said soon. */
  #decisions = new Map<string, number>();
  #next: number;
  readonly #chunk = lineChunk();
  #reading: Generator<Numbered, void, undefined> | null = null;
  #at: { segment: string; offset: number } | undefined;

  /**
   * @param to the last record that the log is known to have
   * @throws IndexUnfit where the file isn't of this log, or goes beyond it
   */
  constructor(options: RecordIndexOptions, to = Infinity) {
    this.#options = options;
    this.#file = options.file;
    this.#lines = new Lines(options.folder);
    this.#besideLines = new BesideLines(options.folder);
    this.#next = this.#file.seq + 1;
    try {
      this.#checkFits(to);
      this.#terms = new Terms(this.#file);
    } catch (cause) {
      this.#lines.close();
      throw cause;
    }
  }

  /** The last record that is found. */
  get indexedTo(): number {
    return this.#next - 1;
  }

  /** Where the next record would stand; undefined before the first. */
  get at(): { segment: string; offset: number } | undefined {
    return this.#at;
  }

  /**
   * Takes in records that are on disk.
   * @param to the last of them; none is read beyond it
   * @param limit how many at most
   * @returns whether there is more to take in now
   */
  advance(to: number, limit: number): boolean {
    let more = false;
    try {
      for (let taken = 0; taken < limit; taken++) {
        const line = this.#nextLine(to);
        if (line === null) return false;
        this.#take(line);
      }
      more = this.#next <= to;
      return more;
    } finally {
      if (!more) this.#file.settle();
    }
  }

  /** What matches, block by block; blocks without a match are empty. */
  *select(filter: RecordFilter, range: Range): Generator<Batch> {
    const compiled = compile(filter, this.#terms);
    if (compiled === null) return;
    const { order, after, until, now_ms } = range;
    const oldest = order === "oldest";
    const low = Math.max(oldest ? (after ?? 0) + 1 : 1, this.#lines.first);
    const high = Math.min(oldest || after === null ? until : after - 1, until, this.indexedTo);
    if (low > high) return;
    for (const number of this.#numbers(compiled, blockOf(low), blockOf(high), oldest)) {
      const block = this.#block(number);
      if (block === null) continue;
      const from = number === blockOf(low) ? positionOf(low) : 0;
      const to = number === blockOf(high) ? positionOf(high) + 1 : BLOCK_RECORDS;
      let positions = evaluate(block, compiled, from, to);
      const outcomes = positions.length === 0 || compiled.outcomes === null ? null : this.#outcomes(block, positions, now_ms);
      if (outcomes !== null) {
        positions = positions.filter((position) => {
          const state = outcomes.get(position) ?? null;
          return state !== null && compiled.outcomes?.has(state) === true;
        });
      }
      yield { block, positions: oldest ? positions : positions.reverse(), outcomes };
    }
  }

  /**
   * The record itself, and that it is what the index says it is.
   * @throws IndexUnfit; SegmentGone where it was dropped meanwhile
   */
  read(block: Block, position: number, now_ms: number, filter: RecordFilter = {}): Found {
    const seq = seqAt(block.number, position);
    const text = this.#lines.record(seq, placeAt(block, position)).toString("utf8");
    const record = parse(text) as (Naming & { seq?: unknown }) | null;
    const beside = this.#besideOf(seq, record);
    const row = rowOf(record, beside === null ? null : parse(beside));
    const outcome = outcomeState(row, this.#saidBy(seq, row), now_ms, this.#options.overdue_ms);
    if (record?.seq !== seq || !matches(row, outcome, filter)) throw new IndexUnfit(`record ${seq} is not where the index says`);
    return { seq, row, outcome, text, record, beside, beside_missing: beside === null && record.beside !== undefined };
  }

  /** Null where there is none. */
  find(seq: number, now_ms: number): Found | null {
    if (seq < this.#lines.first || seq > this.indexedTo) return null;
    const block = this.#block(blockOf(seq));
    const position = positionOf(seq);
    if (block === null || (block.kinds[position] ?? NONE) === NONE) return null;
    return this.read(block, position, now_ms);
  }

  /** The record of a decision; null where there is none. */
  seqOf(decisionId: string): number | null {
    const recent = this.#decisions.get(decisionId);
    if (recent !== undefined) return recent;
    const { ms, bytes } = idKey(decisionId);
    const numbers = [...(this.#tail === null ? [] : [this.#tail.number]), ...this.#file.blocksOfIds(ms)];
    for (const number of numbers) {
      const block = this.#block(number);
      if (block === null) continue;
      for (const position of positionsOfId(block, bytes)) {
        const seq = seqAt(number, position);
        if (this.#isDecision(seq, placeAt(block, position), decisionId)) return seq;
      }
    }
    return null;
  }

  /** The records that say what became of a decision, in order. @throws IndexUnfit, SegmentGone */
  outcomesOf(seq: number): string[] {
    return this.#saidOf(seq, seq).flatMap(({ seq: by }) => {
      const block = this.#block(blockOf(by));
      return block === null ? [] : [this.read(block, positionOf(by), 0, { kind: ["outcome"] }).text];
    });
  }

  text(term: number): string | null {
    return this.#terms.text(term);
  }

  reasons(set: number): readonly Row["reasons"][number][] {
    return this.#terms.reasons(set);
  }

  /** Terms that came up first in records of a time in [from, to), the last first, with that time. */
  *novel(fields: readonly Field[], time: { from: number; to: number }, until: number): Generator<Term & { time_ms: number }> {
    const last = Math.min(until, this.indexedTo);
    const [first] = this.#file.blocks(0, blockOf(last), time, true, 1);
    const begin = first === undefined ? (this.#tail === null ? Infinity : seqAt(this.#tail.number, 0)) : seqAt(first, 0);
    // Of what was dropped it isn't known when it was.
    const from = Math.max(begin, this.#lines.first);
    if (from > last) return;
    const fresh = this.#terms.fresh.filter((term) => fields.includes(term.field) && term.first >= from && term.first <= last);
    const all = [...this.#file.firstSeen(fields, from, Math.min(last, this.#storedTo)), ...fresh].sort((a, b) => b.first - a.first);
    for (const term of all) {
      const time_ms = this.#block(blockOf(term.first))?.times[positionOf(term.first)] ?? NaN;
      if (time_ms >= time.from && time_ms < time.to) yield { ...term, time_ms };
    }
  }

  /** Those up to now that the log hasn't, or has as no records; a block at a time. @returns null where there are none */
  *lacking(): Generator<void, Lacking | null, void> {
    const [from, to] = [this.#lines.first, this.indexedTo];
    const all = compile({}, this.#terms);
    if (all === null || from > to) return null;
    const lacking: Lacking = { records: 0, first: Infinity };
    const lack = (first: number, end: number): void => {
      if (first >= end) return;
      lacking.records += end - first;
      lacking.first = Math.min(lacking.first, first);
    };
    let next = from;
    // Between two there can be any number of blocks that there aren't: as many as a number says that was altered.
    for (const number of this.#numbers(all, blockOf(from), blockOf(to), true)) {
      const kinds = (this.#tail?.number === number ? this.#tail : this.#file.block(number))?.kinds ?? NO_KINDS;
      const begin = Math.max(next, seqAt(number, 0));
      const end = Math.min(to + 1, seqAt(number, BLOCK_RECORDS));
      lack(next, begin);
      for (let at = kinds.indexOf(NONE, positionOf(begin)); at >= 0 && seqAt(number, at) < end; at = kinds.indexOf(NONE, at + 1))
        lack(seqAt(number, at), seqAt(number, at + 1));
      next = end;
      yield;
    }
    lack(next, to + 1);
    return lacking.records === 0 ? null : lacking;
  }

  /** The last record that isn't in the tail: a file that is another's may meanwhile have more. */
  get #storedTo(): number {
    return this.#tail === null ? this.indexedTo : seqAt(this.#tail.number, this.#tail.from) - 1;
  }

  /** Whether it still has something of records that were dropped from the log. */
  get outlives(): boolean {
    return this.#file.first < Math.min(this.#lines.first, this.#file.seq);
  }

  /** Takes that out, for good; whoever has it has to open it again. */
  forget(): void {
    const { first } = this.#lines;
    const number = blockOf(first);
    let block: BlockBuilder | null = null;
    if (this.#file.block(number) !== null) {
      block = new BlockBuilder(number, positionOf(first));
      const last = Math.min(seqAt(number, BLOCK_RECORDS - 1), this.#file.seq);
      for (const line of this.#numbered({ from: first, to: last })) this.#add(line, block);
    }
    this.#file.forget(first, block);
  }

  close(): void {
    this.#reading?.return();
    this.#lines.close();
    this.#besideLines.close();
    this.#file.close();
  }

  #checkFits(to: number): void {
    const { seq, digest } = this.#file;
    if (seq === 0) return;
    if (seq > to) throw new IndexUnfit(`the index goes up to record ${seq}, and the log to ${to}`);
    const block = this.#block(blockOf(seq));
    if (block === null) throw new IndexUnfit(`the index has no block with record ${seq}`);
    const place = placeAt(block, positionOf(seq));
    try {
      if (digestOf(this.#lines.record(seq, place)) !== digest) throw new IndexUnfit(`record ${seq} is not the one that was indexed`);
      const first = this.#lines.segmentOf(seq);
      this.#at = { segment: segmentName(first), offset: place.offset + place.length + 1 };
    } catch (cause) {
      if (cause instanceof SegmentGone) throw new IndexUnfit(`the log has no record ${seq}`, { cause });
      throw cause;
    }
  }

  #nextLine(to: number): Numbered | null {
    if (this.#next > to) return null;
    for (let attempt = 0; attempt < 2; attempt++) {
      const isFresh = this.#reading === null;
      this.#reading ??= this.#numbered({ from: this.#next, to, at: this.#at, chunk: this.#chunk });
      const { value } = this.#reading.next();
      if (value !== undefined) return value;
      this.#reading = null;
      if (isFresh) return null;
    }
    return null;
  }

  #numbered(reading: Omit<Reading, "folder" | "rangeOf">): Generator<Numbered, void, undefined> {
    return numbered({ folder: this.#options.folder, rangeOf: (segment) => this.#lines.rangeOf(segment), ...reading });
  }

  #take(line: Numbered): void {
    const { seq, bytes, segment, offset } = line;
    const number = blockOf(seq);
    if (this.#tail !== null && this.#tail.number !== number) this.#store(this.#tail);
    this.#tail ??= new BlockBuilder(number, positionOf(seq));
    const { row, place } = this.#add(line, this.#tail);
    if (place !== null) this.#besides.set(seq, place);
    this.#internNovel(row, seq);
    if (row.decision !== null && row.decision_id !== null && !this.#decisions.has(row.decision_id))
      this.#decisions.set(row.decision_id, seq);
    const outcome = row.kind === "outcome" ? outcomeOf(row) : null;
    const decision = outcome === null || row.decision_id === null ? null : this.seqOf(row.decision_id);
    if (outcome !== null && decision !== null) this.#said.push({ decision, seq, outcome });
    this.#next = seq + 1;
    this.#at = { segment, offset: offset + bytes.length + 1 };
    if (positionOf(seq) === BLOCK_RECORDS - 1) this.#store(this.#tail);
  }

  #add({ seq, bytes, segment, offset, record }: Numbered, block: BlockBuilder): { row: Row; place: BesidePlace | null } {
    const found = this.#findBeside(seq, segment, record);
    const row = rowOf(record, found?.beside ?? null);
    block.add(positionOf(seq), row, { offset, length: bytes.length }, (column) => this.#terms.intern(column, columnText(row, column), seq));
    return { row, place: found?.place ?? null };
  }

  #internNovel(row: Row, seq: number): void {
    if (row.kind !== "decision" && row.kind !== "observed") return;
    for (const { code } of row.reasons) this.#terms.intern("rule", code, seq);
    this.#terms.intern("habit", habitText(row), seq);
  }

  /** A block that is full, or that a gap in the log ends. */
  #store(block: BlockBuilder): void {
    const last = block.to - 1;
    const digest = digestOf(this.#lines.record(seqAt(block.number, last), placeAt(block, last)));
    const terms = this.#terms.fresh;
    this.#file.add({ block, terms, outcomes: this.#said, besides: [...this.#besides.values()], digest });
    this.#terms.kept();
    this.#said = [];
    this.#besides = new Map();
    this.#decisions = new Map();
    this.#tail = null;
  }

  /** What stands beside a record that says so, and where. */
  #findBeside(seq: number, segment: string, record: unknown): { place: BesidePlace; beside: unknown } | null {
    const digest = (record as Naming | null)?.beside?.digest;
    if (typeof digest !== "string") return null;
    const place = this.#besideLines.placeOf(segment, { digest });
    if (place === null) return null;
    const { offset: start, bytes: length } = place;
    const text = this.#lines.beside(seq, { offset: start, length });
    return text === null ? null : { place: { seq, start, length }, beside: parse(text.toString("utf8")) };
  }

  #besideOf(seq: number, record: Naming | null): string | null {
    const digest = record?.beside?.digest;
    const place = digest === undefined ? null : (this.#besides.get(seq) ?? this.#file.beside(seq));
    if (place === null) return null;
    const bytes = this.#lines.beside(seq, { offset: place.start, length: place.length });
    return bytes !== null && `sha256:${digestOf(bytes)}` === digest ? bytes.toString("utf8") : null;
  }

  /** What was said last of a decision, by the record that says it. @throws IndexUnfit, SegmentGone */
  #saidBy(seq: number, { kind, decision_id }: Row): SaidOutcome | null {
    const last = kind === "decision" ? this.#saidOf(seq, seq).at(-1) : undefined;
    if (last === undefined) return null;
    const block = this.#block(blockOf(last.seq));
    const line = block === null ? null : this.#lines.record(last.seq, placeAt(block, positionOf(last.seq)));
    const record = line === null ? null : (parse(line.toString("utf8")) as { seq?: unknown } | null);
    const row = rowOf(record);
    if (record?.seq !== last.seq || row.kind !== "outcome" || row.decision_id !== decision_id || outcomeOf(row) !== last.outcome)
      throw new IndexUnfit(`record ${last.seq} is no outcome of record ${seq}`);
    return last.outcome;
  }

  #isDecision(seq: number, place: Place, decisionId: string): boolean {
    try {
      const { answer } = (parse(this.#lines.record(seq, place).toString("utf8")) ?? {}) as { answer?: { decision_id?: unknown } };
      return answer?.decision_id === decisionId;
    } catch (cause) {
      // Of what was dropped from the log there is no decision, whatever the index still has.
      if (cause instanceof SegmentGone) return false;
      throw cause;
    }
  }

  #block(number: number): Block | null {
    if (this.#tail?.number === number) return this.#tail;
    let block = this.#blocks.get(number) ?? null;
    if (block !== null) {
      this.#blocks.delete(number);
      this.#blocks.set(number, block);
      return block;
    }
    block = this.#file.block(number);
    if (block === null) return null;
    this.#blocks.set(number, block);
    const [oldest] = this.#blocks.keys();
    if (this.#blocks.size > BLOCKS_KEPT && oldest !== undefined) this.#blocks.delete(oldest);
    return block;
  }

  *#numbers(compiled: Compiled, from: number, to: number, oldest: boolean): Generator<number> {
    const tail = this.#tail !== null && this.#tail.number >= from && this.#tail.number <= to ? this.#tail.number : null;
    if (!oldest && tail !== null) yield tail;
    const stored = tail === null ? to : Math.min(to, tail - 1);
    const [first = Infinity] = this.#file.blocks(from, stored, compiled, true, 1);
    const [last = -Infinity] = this.#file.blocks(from, stored, compiled, false, 1);
    const known = first > last ? [] : placed(compiled, this.#file, first, last);
    if (known !== null) yield* oldest ? known : known.reverse();
    else yield* this.#inTime(compiled, from, stored, oldest);
    if (oldest && tail !== null) yield tail;
  }

  *#inTime(time: { from: number; to: number }, from: number, to: number, oldest: boolean): Generator<number> {
    let [low, high] = [from, to];
    for (;;) {
      const some = this.#file.blocks(low, high, time, oldest, BLOCKS_AT_ONCE);
      yield* some;
      const last = some.at(-1);
      if (last === undefined || some.length < BLOCKS_AT_ONCE) return;
      if (oldest) low = last + 1;
      else high = last - 1;
    }
  }

  /** What became of each. */
  #outcomes(block: Block, positions: readonly number[], now_ms: number): Map<number, OutcomeState | null> {
    const said = new Map<number, SaidOutcome>();
    const [first = 0, last = 0] = [positions[0], positions.at(-1)];
    for (const { decision, outcome } of this.#saidOf(seqAt(block.number, first), seqAt(block.number, last))) {
      said.set(positionOf(decision), outcome);
    }
    return new Map(
      positions.map((position) => {
        const kind = KINDS.get(block.kinds[position] ?? NONE) ?? null;
        const row = {
          kind,
          key: kind === "observed" ? this.#terms.text(termAt(block, "key", position)) : null,
          proceed: MARKS[block.marks[position] ?? 0]?.proceed ?? false,
          time_ms: block.times[position] ?? 0,
          valid_for_ms: block.valid[position] ?? 0,
        };
        return [position, outcomeState(row, said.get(position) ?? null, now_ms, this.#options.overdue_ms)];
      }),
    );
  }

  /** In the order of the decisions, then of what was said. */
  #saidOf(from: number, to: number): Said[] {
    const stored = this.#file.outcomes(from, to).flatMap(({ decision, seq, outcome: code }) => {
      const outcome = SAID.get(code);
      return outcome === undefined || seq > this.#storedTo ? [] : [{ decision, seq, outcome }];
    });
    const fresh = this.#said.filter(({ decision }) => decision >= from && decision <= to);
    return [...stored, ...fresh].sort((a, b) => a.decision - b.decision || a.seq - b.seq);
  }
}

/** Of the action that was judged; null of a record of another kind, or of one whose action is gone. */
export function actionOf({ agent, purpose, task, verb, type, resource }: Row): RecordAction | null {
  if (agent === null || purpose === null || verb === null || type === null) return null;
  return { agent, purpose, task, verb, type, id: resource };
}

function columnText(row: Row, column: Column): string | null {
  return column === "reasons" ? reasonsText(row) : row[column];
}

function termAt(block: Block, name: Column, position: number): number {
  const { ids, codes } = block.column(name);
  return ids[codes[position] ?? 0] ?? NONE;
}

function placeAt({ offsets, lengths }: Block, position: number): Place {
  return { offset: offsets[position] ?? 0, length: lengths[position] ?? 0 };
}
