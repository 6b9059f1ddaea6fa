/**
 * The index's SQLite file. What is in it never changes, it only grows: a block, with the terms that are new in it, is put
 * in at once, so that whatever ends the process leaves whole blocks behind. Each part has a checksum, and the end of it the
 * digest of the record that it goes up to. Whatever doesn't fit makes the whole of it be made again, from the log.
 */
import { hash } from "node:crypto";
import { closeSync, constants, existsSync, openSync, rmSync } from "node:fs";
import { crc32 } from "node:zlib";
import Sqlite from "better-sqlite3";
import { BLOCK_RECORDS, COLUMNS, NONE, PARTS, StoredBlock, blockOf, encode, isPart, seqAt, type BlockBuilder } from "./block.js";
import { OUTCOME_CODES, type SaidOutcome } from "./row.js";
import { FIELDS, fieldNumber, type Field, type StoredTerms, type Term } from "./terms.js";
import { IndexUnfit } from "./unfit.js";

export const INDEX_FILE = "index.db";

/** "RMIX": tells an index from any other SQLite database. */
const APPLICATION_ID = 0x524d4958;
const SCHEMA_VERSION = 2;
const SCHEMA = `
  -- Up to which record it goes, and the SHA-256 of that record.
  CREATE TABLE log (id INTEGER PRIMARY KEY CHECK (id = 1), seq INTEGER NOT NULL, digest TEXT NOT NULL) STRICT;
  CREATE TABLE terms (id INTEGER PRIMARY KEY, field INTEGER NOT NULL, text TEXT NOT NULL, first INTEGER NOT NULL, UNIQUE (field, text)) STRICT;
  CREATE TABLE blocks (
    number INTEGER PRIMARY KEY,
    first_position INTEGER NOT NULL,
    end_position INTEGER NOT NULL,
    time_first INTEGER NOT NULL,
    time_last INTEGER NOT NULL,
    id_first INTEGER NOT NULL,
    id_last INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE parts (id INTEGER PRIMARY KEY, data BLOB NOT NULL, checksum INTEGER NOT NULL) STRICT;
  -- The blocks that have a term, by stretches of blocks: what a block adds would else change as many pages as it has terms.
  CREATE TABLE places (stretch INTEGER NOT NULL, term INTEGER NOT NULL, block INTEGER NOT NULL, PRIMARY KEY (stretch, term, block)) STRICT, WITHOUT ROWID;
  CREATE TABLE outcomes (decision INTEGER NOT NULL, seq INTEGER NOT NULL, outcome INTEGER NOT NULL, PRIMARY KEY (decision, seq)) STRICT, WITHOUT ROWID;
  CREATE TABLE besides (seq INTEGER PRIMARY KEY, start INTEGER NOT NULL, length INTEGER NOT NULL) STRICT;
`;

export const PARTS_MAX = 32;
const STRETCH_BLOCKS = 32;
/** Where many blocks are made in a row, so many are one transaction: they change the same pages. */
const UNSETTLED_MAX = 8;
const CACHE_KIB = 8192;
const BUSY_MS = 5000;
/** A prefix is looked for in so many terms at a time. */
const TERMS_CHUNK = 1000;

export interface Said {
  /** The record of the decision, … */
  decision: number;
  /** … and the one that says its outcome. */
  seq: number;
  outcome: SaidOutcome;
}

/** Where what stands beside a record is, in its segment's `.beside` file. */
export interface BesidePlace {
  seq: number;
  start: number;
  length: number;
}

interface BlockRow {
  number: number;
  first_position: number;
  end_position: number;
}

/** What a block is stored with. */
export interface Added {
  block: BlockBuilder;
  terms: readonly Term[];
  outcomes: readonly Said[];
  besides: readonly BesidePlace[];
  /** Of the block's last record. */
  digest: string;
}

export const digestOf = (line: Uint8Array): string => hash("sha256", line);

export class IndexFile implements StoredTerms {
  readonly #db: Sqlite.Database;
  readonly #statements: ReturnType<typeof prepare>;
  /** Blocks that are in the transaction at hand. */
  #unsettled = 0;

  /**
   * Makes the file where it is missing, unless it is only to be read.
   * @throws IndexUnfit
   */
  constructor(file: string, { readonly = false } = {}) {
    if (!existsSync(file)) {
      if (readonly) throw new IndexUnfit(`${file} doesn't exist`);
      closeSync(openSync(file, constants.O_CREAT | constants.O_WRONLY, 0o600));
    }
    this.#db = new Sqlite(file, { readonly, timeout: BUSY_MS });
    try {
      if (readonly) checkMade(this.#db, file);
      else make(this.#db, file);
      this.#statements = prepare(this.#db);
    } catch (cause) {
      this.#db.close();
      throw unfit(cause);
    }
  }

  /** The last record in it; 0 for none. */
  get seq(): number {
    return this.#guarded(() => this.#statements.log.get())?.seq ?? 0;
  }

  /** The first record in it; Infinity for none. */
  get first(): number {
    const row = this.#guarded(() => this.#statements.firstBlock.get());
    return row === undefined ? Infinity : seqAt(row.number, row.first_position);
  }

  /** The SHA-256 of that record. */
  get digest(): string | null {
    return this.#guarded(() => this.#statements.log.get())?.digest ?? null;
  }

  get lastId(): number {
    return this.#guarded(() => this.#statements.lastTerm.get())?.id ?? NONE;
  }

  /** Puts a block in. It outlives the process once it was settled; blocks are, too, when there are enough of them. */
  add({ block, terms, outcomes, besides, digest }: Added): void {
    const { addTerm, addOutcome, addBeside, setLog } = this.#statements;
    this.#changing(() => {
      for (const { id, field, text, first } of terms) addTerm.run(id, fieldNumber(field), text, first);
      this.#addBlock(block);
      for (const { decision, seq, outcome } of outcomes) addOutcome.run(decision, seq, OUTCOME_CODES.get(outcome) ?? 0);
      for (const { seq, start, length } of besides) addBeside.run(seq, start, length);
      setLog.run(seqAt(block.number, block.to - 1), digest);
    });
    if (++this.#unsettled >= UNSETTLED_MAX) this.settle();
  }

  settle(): void {
    if (!this.#db.inTransaction) return;
    this.#changing(() => {
      this.#db.exec("COMMIT");
    });
    this.#unsettled = 0;
  }

  /**
   * Leaves nothing of records before this one, save which rules and habits there were.
   * @param block what is left of the block with it, where there is one
   */
  forget(seq: number, block: BlockBuilder | null): void {
    const end = blockOf(seq) + (block === null ? 0 : 1);
    // What is deleted would otherwise stay in the file until its place is needed.
    this.#db.pragma("secure_delete = ON");
    this.#changing(() => {
      const fields = COLUMNS.map(fieldNumber).join(",");
      this.#db.prepare("DELETE FROM parts WHERE id < ?").run(end * PARTS_MAX);
      this.#db.prepare("DELETE FROM blocks WHERE number < ?").run(end);
      this.#db.prepare("DELETE FROM places WHERE block < ?").run(end);
      this.#db.prepare("DELETE FROM outcomes WHERE decision < ?").run(seq);
      this.#db.prepare("DELETE FROM besides WHERE seq < ?").run(seq);
      if (block !== null) this.#addBlock(block);
      this.#db.exec(`DELETE FROM terms WHERE field IN (${fields}) AND id NOT IN (SELECT term FROM places)`);
    });
    this.settle();
    this.#db.pragma("wal_checkpoint(TRUNCATE)");
  }

  #addBlock(block: BlockBuilder): void {
    const { number, from, to, span, idMs } = block;
    const { addPart, addPlace, addBlock } = this.#statements;
    for (const [part, data] of encode(block).entries()) addPart.run(number * PARTS_MAX + part, data, crc32(data));
    const placed = COLUMNS.flatMap((name) => block.column(name).ids).filter((id) => id !== NONE);
    for (const id of placed.sort((a, b) => a - b)) addPlace.run(stretchOf(number), id, number);
    const bounded = (value: number): number => (Number.isFinite(value) ? value : 0);
    addBlock.run(number, from, to, ...[span.first, span.last, idMs.first, idMs.last].map(bounded));
  }

  #changing(change: () => void): void {
    if (!this.#db.inTransaction) this.#db.exec("BEGIN IMMEDIATE");
    try {
      change();
    } catch (cause) {
      if (this.#db.inTransaction) this.#db.exec("ROLLBACK");
      throw unfit(cause);
    }
  }

  /** Blocks from `from` to `to` with records of a time in [first, last), in their order or from the last back. */
  blocks(from: number, to: number, time: { from: number; to: number }, oldestFirst: boolean, limit: number): number[] {
    const statement = oldestFirst ? this.#statements.blocksUp : this.#statements.blocksDown;
    return this.#guarded(() => statement.all(from, to, finite(time.from), finite(time.to), limit).map(({ number }) => number));
  }

  block(number: number): StoredBlock | null {
    const row = this.#guarded(() => this.#statements.block.get(number));
    if (row === undefined) return null;
    const { first_position, end_position } = row;
    if (first_position >= end_position || end_position > BLOCK_RECORDS) throw new IndexUnfit(`block ${number} is damaged`);
    return new StoredBlock(number, first_position, end_position, (part) => this.#part(number, part));
  }

  /** The blocks from `from` to `to` that have a term. */
  placesOf(term: number, from: number, to: number): number[] {
    const [first, last] = [from, to].map(stretchOf) as [number, number];
    return this.#guarded(() => this.#statements.places.all(first, last, term, from, to).map(({ block }) => block));
  }

  /** The blocks with ids that were made then. */
  blocksOfIds(ms: number): number[] {
    return this.#guarded(() => this.#statements.blocksOfIds.all(ms, ms).map(({ number }) => number));
  }

  /** What was said of decisions from record `from` to `to`, in the order of the decisions, then of what was said. */
  outcomes(from: number, to: number): { decision: number; seq: number; outcome: number }[] {
    return this.#guarded(() => this.#statements.outcomes.all(from, to));
  }

  beside(seq: number): BesidePlace | null {
    return this.#guarded(() => this.#statements.beside.get(seq)) ?? null;
  }

  idOf(field: Field, text: string): number | null {
    return this.#guarded(() => this.#statements.idOf.get(fieldNumber(field), text)) ?? null;
  }

  textOf(id: number): string | null {
    return this.#guarded(() => this.#statements.textOf.get(id))?.text ?? null;
  }

  *withPrefix(field: Field, prefix: string): Generator<{ id: number; text: string }> {
    let after = prefix;
    let statement = this.#statements.termsFrom;
    for (;;) {
      const [from, since] = [statement, after];
      const terms = this.#guarded(() => from.all(fieldNumber(field), since, TERMS_CHUNK));
      for (const term of terms) {
        if (!term.text.startsWith(prefix)) return;
        yield term;
      }
      const last = terms.at(-1);
      if (last === undefined || terms.length < TERMS_CHUNK) return;
      after = last.text;
      statement = this.#statements.termsAfter;
    }
  }

  all(field: Field): Generator<{ id: number; text: string }> {
    return this.withPrefix(field, "");
  }

  /** Terms whose first record is from `from` to `to`, the last first. */
  firstSeen(fields: readonly Field[], from: number, to: number): Term[] {
    return this.#guarded(() =>
      fields.flatMap((field) =>
        this.#statements.firstSeen
          .all(fieldNumber(field), from, to)
          .map(({ field: of, ...term }) => ({ ...term, field: FIELDS[of] ?? field })),
      ),
    );
  }

  /** Everything in it, as of now, into a file that isn't there yet. */
  copyTo(file: string): void {
    this.#db.prepare("VACUUM INTO ?").run(file);
  }

  close(): void {
    try {
      this.settle();
    } finally {
      this.#db.close();
    }
  }

  #part(number: number, part: number): Buffer {
    const found = this.#guarded(() => this.#statements.part.get(number * PARTS_MAX + part));
    const name = PARTS[part];
    if (found === undefined || name === undefined || crc32(found.data) !== found.checksum || !isPart(name, found.data))
      throw new IndexUnfit(`${name ?? "a part"} of block ${number} is not what was written`);
    return found.data;
  }

  #guarded<T>(read: () => T): T {
    try {
      return read();
    } catch (cause) {
      throw unfit(cause);
    }
  }
}

/** Where an index is made anew beside the one that is there. */
export const partialOf = (file: string): string => `${file}.partial`;

export function removeIndex(file: string): void {
  for (const suffix of ["", "-wal", "-shm", "-journal"]) rmSync(`${file}${suffix}`, { force: true });
}

function make(db: Sqlite.Database, file: string): void {
  const isEmpty = db.prepare("SELECT 1 FROM sqlite_schema LIMIT 1").get() === undefined;
  if (!isEmpty) checkMade(db, file);
  db.pragma("journal_mode = WAL");
  // A commit may be lost with the power, in order: what is left is sound, and the log has the rest.
  db.pragma("synchronous = NORMAL");
  db.pragma(`cache_size = -${CACHE_KIB}`);
  if (!isEmpty) return;
  db.exec("BEGIN IMMEDIATE");
  db.exec(SCHEMA);
  db.pragma(`application_id = ${APPLICATION_ID}`);
  db.pragma(`user_version = ${SCHEMA_VERSION}`);
  db.exec("COMMIT");
}

function checkMade(db: Sqlite.Database, file: string): void {
  const id = db.pragma("application_id", { simple: true });
  const version = db.pragma("user_version", { simple: true });
  if (id !== APPLICATION_ID) throw new IndexUnfit(`${file} is no index`);
  if (version !== SCHEMA_VERSION) throw new IndexUnfit(`${file} is an index of version ${String(version)}`);
}

function prepare(db: Sqlite.Database) {
  // From one that there is to the next: where records are missing, between two can be any number.
  const stretches =
    "WITH RECURSIVE stretches (at, last) AS (SELECT ?, ? UNION ALL SELECT (SELECT min(stretch) FROM places WHERE stretch > at), last FROM stretches WHERE at < last)";
  const inTime = "number BETWEEN ? AND ? AND time_last >= ? AND time_first < ?";
  return {
    log: db.prepare<[], { seq: number; digest: string }>("SELECT seq, digest FROM log"),
    setLog: db.prepare<[number, string]>("INSERT OR REPLACE INTO log VALUES (1, ?, ?)"),
    lastTerm: db.prepare<[], { id: number }>("SELECT id FROM terms ORDER BY id DESC LIMIT 1"),
    addTerm: db.prepare<[number, number, string, number]>("INSERT INTO terms VALUES (?, ?, ?, ?)"),
    idOf: db.prepare<[number, string], number>("SELECT id FROM terms WHERE field = ? AND text = ?").pluck(),
    textOf: db.prepare<[number], { text: string }>("SELECT text FROM terms WHERE id = ?"),
    termsFrom: db.prepare<[number, string, number], { id: number; text: string }>(
      "SELECT id, text FROM terms WHERE field = ? AND text >= ? ORDER BY text LIMIT ?",
    ),
    termsAfter: db.prepare<[number, string, number], { id: number; text: string }>(
      "SELECT id, text FROM terms WHERE field = ? AND text > ? ORDER BY text LIMIT ?",
    ),
    firstSeen: db.prepare<[number, number, number], { id: number; field: number; text: string; first: number }>(
      "SELECT id, field, text, first FROM terms WHERE field = ? AND first BETWEEN ? AND ? ORDER BY first DESC",
    ),
    addBlock: db.prepare<number[]>("INSERT INTO blocks VALUES (?, ?, ?, ?, ?, ?, ?)"),
    firstBlock: db.prepare<[], BlockRow>("SELECT * FROM blocks ORDER BY number LIMIT 1"),
    block: db.prepare<[number], BlockRow>("SELECT * FROM blocks WHERE number = ?"),
    blocksUp: db.prepare<number[], { number: number }>(`SELECT number FROM blocks WHERE ${inTime} ORDER BY number LIMIT ?`),
    blocksDown: db.prepare<number[], { number: number }>(`SELECT number FROM blocks WHERE ${inTime} ORDER BY number DESC LIMIT ?`),
    blocksOfIds: db.prepare<[number, number], { number: number }>(
      "SELECT number FROM blocks WHERE id_first <= ? AND id_last >= ? ORDER BY number DESC",
    ),
    addPart: db.prepare<[number, Buffer, number]>("INSERT INTO parts VALUES (?, ?, ?)"),
    part: db.prepare<[number], { data: Buffer; checksum: number }>("SELECT data, checksum FROM parts WHERE id = ?"),
    addPlace: db.prepare<[number, number, number]>("INSERT INTO places VALUES (?, ?, ?)"),
    places: db.prepare<number[], { block: number }>(
      `${stretches} SELECT block FROM stretches CROSS JOIN places ON stretch = at AND term = ? WHERE block BETWEEN ? AND ?`,
    ),
    addOutcome: db.prepare<[number, number, number]>("INSERT INTO outcomes VALUES (?, ?, ?)"),
    outcomes: db.prepare<[number, number], { decision: number; seq: number; outcome: number }>(
      "SELECT * FROM outcomes WHERE decision BETWEEN ? AND ? ORDER BY decision, seq",
    ),
    addBeside: db.prepare<[number, number, number]>("INSERT INTO besides VALUES (?, ?, ?)"),
    beside: db.prepare<[number], BesidePlace>("SELECT * FROM besides WHERE seq = ?"),
  };
}

function stretchOf(block: number): number {
  return Math.floor(block / STRETCH_BLOCKS);
}

/** SQLite takes no infinities. */
function finite(value: number): number {
  return Math.max(-Number.MAX_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, value));
}

/** SQLite's own words for a file that it can't make sense of, and what holds of no file that was written here. */
export function unfit(cause: unknown): unknown {
  const damaged = cause instanceof Sqlite.SqliteError && /^SQLITE_(CORRUPT|NOTADB|CONSTRAINT|ERROR|MISMATCH)/.test(cause.code);
  return damaged ? new IndexUnfit(`the index is damaged: ${cause.message}`, { cause }) : cause;
}
