/**
 * Verifies a log from its files alone: derives the tree from the records again, and compares what was signed, kept elsewhere
 * and stored with it. Memory doesn't grow with the log.
 */
import { closeSync, existsSync, readSync, statSync } from "node:fs";
import { join } from "node:path";
import { openRegular, readBytes } from "../../system/read_file.js";
import { BesideLines, type LineReference } from "../log/beside.js";
import { lineChunk, LineTooLong, NEWLINE, readLines, segmentsOf, type Line } from "../log/record_lines.js";
import { CHECKPOINT } from "../log/seal.js";
import { retainedIn } from "../privacy/retention_record.js";
import { openCheckpoint, readUnverified, type Checkpoint } from "./checkpoint.js";
import { isDerived, records, type Damage } from "./damage.js";
import { ENTRY_BYTES_MAX, leafHash } from "./hash.js";
import { judge, type Claim } from "./judge.js";
import { stated, type Stated } from "./line.js";
import { NoteError, parseNote, readVerifier, type Verifier } from "./note.js";
import { Order } from "./order.js";
import { Recomputed } from "./recompute.js";
import { nodeTiles } from "./tiles.js";

/** A checkpoint that was kept where whoever writes the log couldn't reach it. */
export interface KeptCheckpoint {
  /** Name of the checkpoint in the report. */
  name: string;
  /** The signed note. */
  note: string | Uint8Array;
}

export interface VerifyProgress {
  records: number;
  bytes: number;
  bytes_total: number;
}

/** Something else that is derived from the records, compared with them. */
export type DerivedCheck = (folder: string, size: number) => Derived;
export type Derived = Pick<Verification, "damage" | "notes">;

export interface LogVerifyOptions {
  folder: string;
  /** Null: those that the log itself names, which whoever rewrites it can name too. */
  keys: readonly Verifier[] | null;
  elsewhere: readonly KeptCheckpoint[];
  derived?: readonly DerivedCheck[];
  /** Receives each record's text; returns what is wrong with it, null for nothing. An example is `recordFault` of `shape.ts`. */
  fault?: (text: string) => string | null;
  progress?: (progress: VerifyProgress) => void;
}

export interface Verification {
  records: number;
  bytes: number;
  /** The log's own checkpoint, where its signature is good. */
  checkpoint: Pick<Checkpoint, "origin" | "size"> | null;
  /** That the checkpoints were held against. */
  keys: { vkeys: string[]; named_by: "caller" | "log" };
  elsewhere: { name: string; size: number; holds: boolean }[];
  tiles: { read: number; missing: number };
  /** Notes that a reader has to know and that aren't damage. */
  notes: string[];
  damage: Damage[];
}

/** Three lines and a signature for each key. */
const CHECKPOINT_BYTES_MAX = 1024 * 1024;
const PROGRESS_RECORDS = 100_000;
const DAMAGE_MAX = 1000;
/** Verifies a log. @throws NoteError, CheckpointError for a checkpoint kept elsewhere that isn't one */
export function verifyLog(options: LogVerifyOptions): Verification {
  const { folder, elsewhere } = options;
  // Before the records: a service that goes on writing has them on disk before it signs.
  const own = readOwn(folder);
  const kept = elsewhere.map(({ name, note }) => ({ name, note, ...readUnverified(note) }));
  const tree = new Recomputed(nodeTiles(folder), [own.size, ...kept.map(({ size }) => size)]);
  const walked = walk(options, own.size, tree);
  tree.finish();

  const keys = options.keys ?? walked.named.flatMap(verifierOf);
  const damage = [...own.damage];
  const how = own.note === null ? null : trust(own.note, keys);
  const claims: Claim[] = kept.map(({ name, note, origin, size, root }) => {
    // Which log this is, only a checkpoint of its own that is good says.
    const isForeign = how === "signed" && origin !== own.origin;
    return { name, own: false, origin, size, root, trust: isForeign ? "another_log" : trust(note, keys) };
  });
  if (how === "signed")
    claims.push({ name: "its own checkpoint", own: true, origin: own.origin, size: own.size, root: own.root, trust: how });
  else if (how !== null && own.note !== null && (keys.length > 0 || own.size > 0 || walked.size > 0))
    damage.push(ofSignature(how, own.note, keys));
  const judged = judge({ claims, tree, reached: walked.size, structural: walked.damage, kept_from: walked.kept_from });
  damage.push(...judged.damage);
  const derived = (options.derived ?? []).map((check) => check(folder, walked.size));
  damage.push(...derived.flatMap((one) => one.damage));
  damage.sort(byFirst);
  // Where there is too much to tell, what is derived is left out: whether the records are good is what was asked.
  const told = [...damage.filter((one) => !isDerived(one)), ...damage.filter(isDerived)].slice(0, DAMAGE_MAX);
  const lost = damage.filter(({ kind }) => kind === "tile_missing").length;
  const notes = [...notesOf(options, walked, own.size, tree.tiles.missing - lost), ...judged.notes, ...derived.flatMap((one) => one.notes)];
  if (damage.some(({ kind }) => kind === "index_disagrees")) notes.push(ofIndex(damage));
  if (damage.length >= DAMAGE_MAX) notes.push(`there may be more damage than the ${DAMAGE_MAX} places that are told`);
  return {
    records: walked.lines,
    bytes: walked.bytes,
    checkpoint: claims.some((claim) => claim.own) ? { origin: own.origin, size: own.size } : null,
    keys: { vkeys: keys.map(({ vkey }) => vkey), named_by: options.keys === null ? "log" : "caller" },
    elsewhere: judged.elsewhere,
    tiles: tree.tiles,
    notes,
    damage: told.sort(byFirst),
  };
}

interface Own extends Checkpoint {
  note: Buffer | null;
  damage: Damage[];
}

function readOwn(folder: string): Own {
  const none = { note: null, origin: "", size: 0, root: "" as Checkpoint["root"] };
  const file = join(folder, CHECKPOINT);
  if (!existsSync(file)) {
    if (segmentsOf(folder).length === 0) return { ...none, damage: [] };
    return { ...none, damage: [about("checkpoint_missing", "there is no checkpoint: nothing that was signed says what the records were")] };
  }
  const note = readBytes(file, CHECKPOINT_BYTES_MAX);
  try {
    return { note, damage: [], ...readUnverified(note) };
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return { ...none, damage: [about("checkpoint_altered", `the checkpoint can't be read: ${error.message}`)] };
  }
}

interface Walked {
  /** The last record's number; more than `lines` where some are missing. */
  size: number;
  lines: number;
  bytes: number;
  torn_bytes: number;
  /** Verifier keys that the log's service records name. */
  named: string[];
  /** Records answered for and lost, as the log itself says: relaxed durability. */
  lost: number;
  /** The log says that it was kept from this record on. */
  kept_from: number;
  damage: Damage[];
}

function walk({ folder, progress, fault }: LogVerifyOptions, size: number, tree: Recomputed): Walked {
  const segments = segmentsOf(folder).map(({ name, first }) => ({ name, first, bytes: statSync(join(folder, name)).size }));
  const total = segments.reduce((sum, { bytes }) => sum + bytes, 0);
  const walked: Walked = { size: 0, lines: 0, bytes: 0, torn_bytes: 0, named: [], lost: 0, kept_from: 1, damage: [] };
  const order = new Order(size, (from, to, leaf) => {
    tree.take(from, to, leaf);
  });
  let segment = "";
  const beside = new BesideLines(folder);
  let end = 0;
  try {
    for (const line of lines(folder)) {
      if (line.segment !== segment) {
        segment = line.segment;
        order.begin(line.seq);
      }
      const state = stated(line.bytes);
      const seq = order.next;
      const leaf = line.length > ENTRY_BYTES_MAX ? null : leafHash(line.bytes);
      if (order.take({ seq: state.seq, leaf }) && leaf !== null) {
        checkRecord(seq, state, segment, beside, walked);
        const wrong = state.well ? (fault?.(line.bytes.toString()) ?? null) : null;
        if (wrong !== null && walked.damage.length < DAMAGE_MAX)
          walked.damage.push({ kind: "unreadable", from: seq, to: seq, message: `record ${seq}: ${wrong}` });
      }
      walked.lines++;
      walked.bytes += line.length + 1;
      end = line.offset + line.length + 1;
      if (walked.lines % PROGRESS_RECORDS === 0) progress?.({ records: walked.lines, bytes: walked.bytes, bytes_total: total });
    }
  } finally {
    beside.close();
  }
  order.end();
  const last = segments.at(-1);
  if (last !== undefined && order.next <= last.first && segment !== last.name) order.begin(last.first);
  if (last?.name === segment) walked.torn_bytes = Math.max(0, last.bytes - end);
  progress?.({ records: walked.lines, bytes: walked.bytes, bytes_total: total });
  walked.size = order.next - 1;
  walked.damage.push(...order.damage);
  return walked;
}

/** Line with its length. If it is too long to be kept in memory, `bytes` are only its last. */
type WalkedLine = Line & { length: number };

/** All of them: behind one that is too long it goes on with the next. */
function* lines(folder: string): Generator<WalkedLine, void, undefined> {
  const chunk = lineChunk();
  for (let from = 1, at: { segment: string; offset: number } | undefined; ;) {
    try {
      for (const line of readLines(folder, from, Infinity, at, chunk)) yield { ...line, length: line.bytes.length };
      return;
    } catch (error) {
      if (!(error instanceof LineTooLong)) throw error;
      const { segment, offset, seq } = error;
      const { end, last, isZero } = tooLong(join(folder, segment), offset, chunk);
      const segments = segmentsOf(folder);
      // A power cut can leave a file's end allocated and never written.
      if (isZero && segments.at(-1)?.name === segment) return;
      yield { seq, bytes: last, segment, offset, length: end - offset };
      from = segments.find(({ name }) => name === segment)?.first ?? seq;
      at = { segment, offset: end + 1 };
    }
  }
}

/** Returns where a line ends, even if that is the end of its file, and its last bytes: a record's number is at its end. */
function tooLong(path: string, offset: number, chunk: Buffer): { end: number; last: Buffer; isZero: boolean } {
  const file = openRegular(path);
  try {
    let last = Buffer.alloc(0);
    let isZero = true;
    for (let at = offset; ;) {
      const read = chunk.subarray(0, readSync(file, chunk, 0, chunk.length, at));
      const newline = read.indexOf(NEWLINE);
      const bytes = newline < 0 ? read : read.subarray(0, newline);
      last = Buffer.concat([last, bytes.subarray(-ENTRY_BYTES_MAX)]).subarray(-ENTRY_BYTES_MAX);
      isZero &&= bytes.every((byte) => byte === 0);
      at += bytes.length;
      if (newline >= 0 || read.length === 0) return { end: at, last, isZero: isZero && newline < 0 };
    }
  } finally {
    closeSync(file);
  }
}

function besideWrong({ bytes }: LineReference, found: number | null): string | null {
  if (found === null) return "what stands beside it is not there, or not what it was";
  return found === bytes ? null : `what stands beside it has ${found} bytes, and the record says ${bytes}`;
}

function checkRecord(seq: number, { well, beside, parsed }: Stated, segment: string, lines: BesideLines, walked: Walked): void {
  if (walked.damage.length >= DAMAGE_MAX) return;
  if (!well) walked.damage.push({ kind: "unreadable", from: seq, to: seq, message: `record ${seq} is no record of version 2` });
  const wrong = beside === null ? null : besideWrong(beside, lines.bytesOf(segment, beside));
  if (wrong !== null) walked.damage.push({ kind: "beside_altered", from: seq, to: seq, message: `record ${seq}: ${wrong}` });
  if (parsed === null) return;
  const { kind, keys, count } = parsed;
  if (kind === "service" && Array.isArray(keys))
    for (const key of keys) if (typeof key === "string" && !walked.named.includes(key)) walked.named.push(key);
  if (kind === "lost" && typeof count === "number") walked.lost += count;
  const retained = kind === "admin" ? retainedIn(parsed) : null;
  if (retained === null) return;
  walked.kept_from = Math.max(walked.kept_from, retained.to + 1);
  for (const key of retained.keys) if (!walked.named.includes(key)) walked.named.push(key);
}

function verifierOf(vkey: string): Verifier[] {
  try {
    return [readVerifier(vkey)];
  } catch {
    // What the log names and isn't a key signs nothing.
    return [];
  }
}

type Trust = "signed" | "forged" | "another_key";

function trust(note: string | Uint8Array, keys: readonly Verifier[]): Trust {
  try {
    openCheckpoint(note, keys);
    return "signed";
  } catch (error) {
    if (error instanceof NoteError && error.code === "keys_ambiguous") throw error;
    return error instanceof NoteError && error.code === "note_forged" ? "forged" : "another_key";
  }
}

function ofSignature(how: Exclude<Trust, "signed">, note: Buffer, keys: readonly Verifier[]): Damage {
  if (how === "forged")
    return about("checkpoint_altered", "the checkpoint isn't what its key has signed: its text or its signature was altered");
  const wanted =
    keys.length === 0 ? "no key is known to hold it against" : `not by ${keys.map(({ name, id }) => `\`${name}+${id}\``).join(" or ")}`;
  return about("checkpoint_of_another_key", `the checkpoint is signed by ${signersOf(note)}, ${wanted}`);
}

function signersOf(note: Buffer): string {
  return parseNote(note)
    .signatures.map(({ name, id }) => `\`${name}+${id}\``)
    .join(" and ");
}

function notesOf({ keys, elsewhere }: LogVerifyOptions, walked: Walked, signed: number, missing: number): string[] {
  const notes: string[] = [];
  if (keys === null)
    notes.push("the keys are those that the log names itself: whoever rewrites it can name another; `--key` names those you know");
  if (elsewhere.length === 0)
    notes.push(
      "no checkpoint that was kept elsewhere was compared: with its key the log could have been cut, rolled back or rewritten as a whole, and its files wouldn't show it; `--checkpoint` names one",
    );
  if (walked.size > signed)
    notes.push(`${records(signed + 1, walked.size)}: not under the checkpoint yet, so only tiles would show that they were altered`);
  if (walked.torn_bytes > 0)
    notes.push(
      `the last segment ends in ${walked.torn_bytes} bytes that are no whole record: one that is being written, or was never answered for`,
    );
  if (missing > 0)
    notes.push(
      `${missing} tiles are not there; they are made again from the records, and without them an altered record may be told less exactly`,
    );
  if (walked.lost > 0) notes.push(`the log says itself that ${walked.lost} records were answered for and lost (relaxed durability)`);
  return notes;
}

function byFirst(a: Damage, b: Damage): number {
  return a.from - b.from;
}

/** Returns advice on the index: one that is made again agrees with whatever the records are by then. */
function ofIndex(damage: readonly Damage[]): string {
  return damage.every(isDerived)
    ? "`remit audit rebuild-index` makes the index anew from the records"
    : "leave the index as it is until the records are what they were: made anew, it would agree with what they are now";
}

function about(kind: Damage["kind"], message: string): Damage {
  return { kind, from: 0, to: 0, message };
}
