/**
 * Dropping the oldest records of a log, whole segments at a time, so that what remains can be proven as before: the hashes of
 * what goes stay, as tiles that were held against the checkpoint and synced; a record says what goes before it does.
 */
import { existsSync, readdirSync } from "node:fs";
import { rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { RECORD_BYTES_MAX, RECORD_VERSION, canonical } from "../../contract/index.js";
import { lock } from "../../system/lock.js";
import { openRegularFile, readRegularFile } from "../../system/read_file.js";
import { flush } from "../../system/replaced_file.js";
import { BesideLines, type LineReference } from "../log/beside.js";
import { CURSOR, CursorDamaged, readCursor } from "../export/cursor.js";
import { nodeFiles } from "../log/files.js";
import { readLines, segmentsOf, timeIn } from "../log/record_lines.js";
import { CHECKPOINT } from "../log/seal.js";
import { Segments, besideName } from "../log/segments.js";
import { readUnverified } from "../tree/checkpoint.js";
import { hashesOf, isWhole, nodeTiles, onlyRead, TiledTree, tilePath, type TileFiles } from "../tree/tiles.js";
import { leafHash, toBase64, type Hash } from "../tree/hash.js";
import { rootOf, TILE_WIDTH } from "../tree/levels.js";
import { periodsOver, shred } from "./keys.js";
import { RETAIN, RETAINED, SHRED, readRetained, type Retained } from "./retention_record.js";

/** Records before this one, or of before this time (milliseconds since the epoch). */
export type Before = { seq: number } | { ms: number };

export interface RetentionOptions {
  /** The log's. */
  directory: string;
  before: Before;
  /** Milliseconds since the epoch: grants that end later are still needed. */
  nowMs: number;
}

export interface RetentionPlan {
  /** Null: no record can go. */
  retained: Retained | null;
  segments: { name: string; from: number; to: number; bytes: number }[];
  /** Reason why the oldest segment that is old enough stays. */
  held: HeldBack | null;
  /** Periods whose masks' keys can go, by their first days. */
  shredded: string[];
}

/** Puts on record what goes, and resolves with that record's number once it is on disk. */
export type PutOnRecord = (action: typeof RETAIN | typeof SHRED, detail: object) => Promise<number>;

export const HELD = {
  last: "the log goes on in it",
  uncovered: "no checkpoint covers it yet, or no whole tile of hashes does",
  grants: "it has a grant that hasn't ended, whose uses a start counts",
  export: "a sink hasn't taken all of it",
} as const;
export type RetentionHold = keyof typeof HELD;

export interface HeldBack {
  name: string;
  why: RetentionHold;
  /** Sink, if `why` is `export`: the one that has received the fewest records, even if it is no longer configured. */
  sink?: string;
}

/** Records or tiles aren't what was signed: nothing is dropped. */
export class RetentionRefused extends Error {
  override readonly name = "RetentionRefused";
  readonly code = "log_damaged";
}

const BESIDE = /^\d{16}\.(?:beside|cut-\d+)$/;
const CHUNK_BYTES = 256 * 1024;
const NEWLINE = 0x0a;
const LINE_BYTES_MAX = 4 * RECORD_BYTES_MAX;

/**
 * Returns what can be dropped. Changes nothing.
 * @throws RetentionRefused if what would be dropped isn't what was signed
 */
export async function planRetention(options: RetentionOptions): Promise<RetentionPlan> {
  const { directory, before } = options;
  const slowest = slowestSink(directory);
  const checkpoint = readUnverified(await readRegularFile(join(directory, CHECKPOINT)));
  const all = segmentsOf(directory).map(({ name, first }, i, those) => ({ name, from: first, to: (those[i + 1]?.first ?? Infinity) - 1 }));
  const [first] = all;
  // The key of the period that goes on stays, by whichever clock: by the host's, and by that of who wrote last.
  const over = Math.min(timeOfBound(directory, before), options.nowMs, (await lastRecordTime(directory)) ?? Infinity);
  const shredded = await periodsOver(directory, over);
  const plan: RetentionPlan = { retained: null, segments: [], held: null, shredded };
  if (first === undefined || !(await isOlder(directory, first, before))) return plan;
  // What a whole log has dropped, it still has.
  const earlier = first.from === 1 ? null : readRetained(nodeFiles(directory));
  const tree = signedTree(directory, checkpoint.size, first.from - 1);
  if (tree.root() !== checkpoint.root)
    throw new RetentionRefused(`records and tiles don't lead to the checkpoint: \`remit audit verify ${directory}\` says where`);
  let revision = earlier?.facts_revision ?? 0;
  const keys = new Set(earlier?.keys);
  for (const segment of all) {
    if (!(await isOlder(directory, segment, before))) break;
    const why = isHeld(segment.to, checkpoint.size, slowest.seq);
    const read = why === null ? await readSegment(directory, segment, tree, options.nowMs) : null;
    // A clock that was put back in between, too.
    if (read !== null && "ms" in before && !(read.last_ms < before.ms)) break;
    if (read === null || read.needsGrants) {
      plan.held = { name: segment.name, why: why ?? "grants", ...(why === "export" && { sink: slowest.name }) };
      break;
    }
    revision = Math.max(revision, read.facts_revision);
    for (const key of read.keys) keys.add(key);
    plan.segments.push({ ...segment, bytes: read.bytes });
  }
  const last = plan.segments.at(-1);
  if (last === undefined) return plan;
  plan.retained = {
    from: first.from,
    to: last.to,
    root: toBase64(tree.root(last.to)),
    facts_revision: revision,
    keys: [...keys],
  };
  return plan;
}

/** Deletes nothing before it is on record. */
export async function carryOut(directory: string, { retained, shredded }: RetentionPlan, record: PutOnRecord): Promise<void> {
  if (retained !== null) {
    await syncTiles(directory, retained);
    const seq = await record(RETAIN, retained);
    nodeFiles(directory).replace(RETAINED, Buffer.from(`${seq}\n`));
    await dropUpTo(directory, retained.to);
  }
  if (shredded.length === 0) return;
  await record(SHRED, { periods: shredded });
  for (const period of shredded) await shred(directory, period);
}

/** Deletes what the log says was dropped and a crash has left. @returns how many segments that were */
export async function finishRetention(directory: string): Promise<number> {
  const files = nodeFiles(directory);
  const retained = files.list().includes(RETAINED) ? readRetained(files) : null;
  return retained === null ? 0 : await dropUpTo(directory, retained.to);
}

async function dropUpTo(directory: string, to: number): Promise<number> {
  const segments = segmentsOf(directory);
  let dropped = 0;
  // The oldest first: whatever is left of a crash begins where a record vouches for it.
  for (const [i, { name }] of segments.entries()) {
    if ((segments[i + 1]?.first ?? Infinity) > to + 1) break;
    await rm(join(directory, name));
    // What the index made of it says the same, and is made from nothing but it.
    for (const end of ["parquet", "json"]) await rm(join(directory, "records", "parquet", name.replace(/jsonl$/, end)), { force: true });
    dropped++;
  }
  // After their segments: a record whose input is gone would look damaged.
  const kept = new Set(segmentsOf(directory).map(({ first }) => first));
  const left = nodeFiles(directory)
    .list()
    .filter((name) => BESIDE.test(name) && !kept.has(Number.parseInt(name, 10)));
  for (const name of left) if (Number.parseInt(name, 10) <= to) await rm(join(directory, name));
  if (dropped > 0 || left.length > 0) nodeFiles(directory).syncDirectory();
  return dropped;
}

function timeOfBound(directory: string, before: Before): number {
  if ("ms" in before) return before.ms;
  for (const { bytes } of readLines(directory, before.seq, before.seq)) {
    const ms = timeOf(bytes);
    return ms === Infinity ? -Infinity : ms;
  }
  return -Infinity;
}

/** The last record that every sink has taken, and which has taken no more. */
function slowestSink(directory: string): { name: string; seq: number } {
  const folder = join(directory, "export");
  const files = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith(CURSOR)) : [];
  const sinks = files.map((file) => ({ name: file.slice(0, -CURSOR.length), seq: takenBy(join(folder, file)) }));
  return sinks.reduce((slowest, sink) => (sink.seq < slowest.seq ? sink : slowest), { name: "", seq: Infinity });
}

function takenBy(file: string): number {
  try {
    return readCursor(file)?.seq ?? 0;
  } catch (cause) {
    if (!(cause instanceof CursorDamaged)) throw cause;
    // Its sink gets all records again.
    return 0;
  }
}

function isHeld(to: number, signed: number, takenUpTo: number): RetentionHold | null {
  if (to === Infinity) return "last";
  if (to > takenUpTo) return "export";
  return Math.ceil(to / TILE_WIDTH) * TILE_WIDTH > signed ? "uncovered" : null;
}

async function isOlder(
  directory: string,
  { name, from, to }: { name: string; from: number; to: number },
  before: Before,
): Promise<boolean> {
  if ("seq" in before) return (to === Infinity ? from : to) < before.seq;
  const [first, last] = await timesOf(join(directory, name));
  // A clock that was put back must not make young records old.
  return first !== null && last !== null && first < before.ms && last < before.ms;
}

/** Time of the log's last record, in milliseconds since the epoch; null if it has no record. */
export async function lastRecordTime(directory: string): Promise<number | null> {
  for (const { name } of segmentsOf(directory).reverse()) {
    const [, last] = await timesOf(join(directory, name));
    if (last !== null) return last;
  }
  return null;
}

/** Times of a segment's first and last whole record: Infinity if it can't be read, null if there is no record. */
async function timesOf(file: string): Promise<[first: number | null, last: number | null]> {
  const opened = await openRegularFile(file);
  try {
    const { size } = await opened.stat();
    const room = Buffer.alloc(Math.min(size, LINE_BYTES_MAX));
    await opened.read(room, 0, room.length, 0);
    if (!room.includes(NEWLINE)) return [null, null];
    const first = timeOf(room.subarray(0, room.indexOf(NEWLINE)));
    await opened.read(room, 0, room.length, size - room.length);
    const end = room.lastIndexOf(NEWLINE);
    return [first, timeOf(room.subarray(room.lastIndexOf(NEWLINE, end - 1) + 1, end))];
  } finally {
    await opened.close();
  }
}

function timeOf(line: Buffer): number {
  try {
    const { time } = JSON.parse(line.toString()) as { time?: unknown };
    const ms = typeof time === "string" ? Date.parse(time) : NaN;
    return Number.isNaN(ms) ? Infinity : ms;
  } catch {
    return Infinity;
  }
}

interface SegmentRead {
  bytes: number;
  facts_revision: number;
  /** Verifier keys that starts of the service name. */
  keys: string[];
  needsGrants: boolean;
  /** The latest time of a record; Infinity where one has none. Milliseconds since the epoch. */
  last_ms: number;
}

/** Holds each record against its tile, and each tile against the tree. */
async function readSegment(
  directory: string,
  { name, from, to }: { name: string; from: number; to: number },
  tree: TiledTree,
  nowMs: number,
): Promise<SegmentRead> {
  const found: SegmentRead = { bytes: 0, facts_revision: 0, keys: [], needsGrants: false, last_ms: -Infinity };
  const tiles = nodeTiles(directory);
  const besides = new BesideLines(directory);
  let hashes: Hash[] = [];
  let seq = from;
  try {
    for await (const line of linesOf(join(directory, name))) {
      const at = (seq - 1) % TILE_WIDTH;
      if (hashes.length === 0 || at === 0) hashes = tileOf(tiles, tree, Math.floor((seq - 1) / TILE_WIDTH));
      if (leafHash(line) !== hashes[at])
        throw new RetentionRefused(`record ${seq} isn't what was signed: \`remit audit verify ${directory}\` says more`);
      look(line, found, nowMs, (beside) => {
        const text = besides.text(name, beside);
        if (text !== null) return JSON.parse(text) as Looked;
        throw new RetentionRefused(`what stands beside record ${seq} is missing: \`remit audit verify ${directory}\` says more`);
      });
      found.last_ms = Math.max(found.last_ms, timeIn(line));
      found.bytes += line.length + 1;
      seq++;
    }
  } finally {
    besides.close();
  }
  if (seq !== to + 1) throw new RetentionRefused(`${name} ends at record ${seq - 1}, and the next begins at ${to + 1}`);
  found.bytes += await stat(join(directory, besideName(name))).then(
    ({ size }) => size,
    () => 0,
  );
  return found;
}

function tileOf(tiles: TileFiles, tree: TiledTree, n: number): Hash[] {
  const tile = tiles.read(tilePath({ level: 0, n, width: TILE_WIDTH }));
  if (!isWhole(tile)) throw new RetentionRefused(`the tile of records from ${n * TILE_WIDTH + 1} on is missing`);
  const hashes = hashesOf(tile);
  if (rootOf(hashes) !== tree.hashAt(8, n))
    throw new RetentionRefused(`the tile of records from ${n * TILE_WIDTH + 1} on isn't what was signed`);
  return hashes;
}

const FACTS = '"kind":"facts"';
const SERVICE = '"kind":"service"';

interface Looked {
  kind: string;
  beside?: LineReference;
  facts_revision?: number | null;
  grant?: { uses: number | null; expires: string; ended: object | null } | null;
  keys?: string[];
}

/** A grant's uses are those of decisions after it was made, so as long as it lasts the segment that made it stays. */
function look(line: Buffer, found: SegmentRead, nowMs: number, read: (beside: LineReference) => Looked): void {
  if (!line.includes(FACTS) && !line.includes(SERVICE)) return;
  const { kind, facts_revision, keys, beside, ...own } = JSON.parse(line.toString()) as Looked;
  if (kind === "service") found.keys.push(...(keys ?? []));
  if (kind !== "facts") return;
  found.facts_revision = Math.max(found.facts_revision, facts_revision ?? 0);
  const { grant } = beside === undefined ? own : read(beside);
  if (grant === undefined || grant === null || grant.uses === null || grant.ended !== null) return;
  if (!(Date.parse(grant.expires) <= nowMs)) found.needsGrants = true;
}

/** Others have their turn between chunks. */
async function* linesOf(file: string): AsyncGenerator<Buffer, void, undefined> {
  const opened = await openRegularFile(file);
  try {
    const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
    let kept = Buffer.alloc(0);
    for (;;) {
      const { bytesRead } = await opened.read(chunk, 0, chunk.length, null);
      if (bytesRead === 0) break;
      const bytes = Buffer.concat([kept, chunk.subarray(0, bytesRead)]);
      let start = 0;
      for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, start)) {
        yield bytes.subarray(start, end);
        start = end + 1;
      }
      kept = bytes.subarray(start);
      if (kept.length > LINE_BYTES_MAX) throw new RetentionRefused(`${file} has a line that is no record`);
    }
    if (kept.length > 0) throw new RetentionRefused(`${file} ends in bytes that are no whole record`);
  } finally {
    await opened.close();
  }
}

/** The tree of what was signed: from its tiles, and the records behind the last whole one. */
function signedTree(directory: string, size: number, dropped: number): TiledTree {
  const tree = TiledTree.open(onlyRead(nodeTiles(directory)), size);
  if (tree.size < dropped) throw new RetentionRefused(`tiles of records up to ${dropped} are missing`);
  for (const { bytes } of readLines(directory, tree.size + 1, size)) tree.add(leafHash(bytes));
  if (tree.size !== size) throw new RetentionRefused(`the log has ${tree.size} records, and its checkpoint covers ${size}`);
  return tree;
}

/** From now on nothing can make them again. */
async function syncTiles(directory: string, { from, to }: Pick<Retained, "from" | "to">): Promise<void> {
  const folders = new Set<string>();
  for (let n = Math.floor((from - 1) / TILE_WIDTH); n * TILE_WIDTH < to; n++) {
    const file = join(directory, tilePath({ level: 0, n, width: TILE_WIDTH }));
    await flush(file);
    for (let folder = dirname(file); !folders.has(folder) && folder.startsWith(directory); folder = dirname(folder)) folders.add(folder);
  }
  for (const folder of folders) await flush(folder);
}

/** Does `finishRetention` for a log that no service writes. @throws Locked if a service does */
export async function finishRetentionAlone(directory: string): Promise<number> {
  const unlock = lock(directory, join(directory, "lock"));
  try {
    return await finishRetention(directory);
  } finally {
    unlock();
  }
}

/**
 * Does `carryOut` for a log that no service writes.
 * @throws Locked if a service does
 */
export async function carryOutAlone(directory: string, plan: RetentionPlan, caller: string, nowMs: number): Promise<void> {
  const unlock = lock(directory, join(directory, "lock"));
  try {
    await carryOut(directory, plan, (action, detail) => {
      const files = nodeFiles(directory);
      const segments = new Segments(files, Infinity);
      segments.open(null, readUnverified(files.read(CHECKPOINT)).size);
      const seq = segments.seq + 1;
      const record = {
        kind: "admin",
        action,
        caller,
        detail,
        seq,
        time: new Date(nowMs).toISOString(),
        v: RECORD_VERSION,
      };
      try {
        segments.append(Buffer.from(`${canonical(record)}\n`), seq);
      } finally {
        segments.close();
      }
      return Promise.resolve(seq);
    });
  } finally {
    unlock();
  }
}
