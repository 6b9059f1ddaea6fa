/**
 * A profile as bytes, to go on from: written a few agents at a time while acts are learned, and all of one moment. An agent that is about
 * to change before its turn has come is set aside first.
 *
 *   magic, algorithm (u32), seq (f64), and how many agents, purposes, names and followed logs (u32 each)
 *   of each: length of its name (u16), its name, length of its state (u32), its state
 *   SHA-256 of all before
 *
 * Numbers are little-endian, and so are the states.
 */
import { createHash, type Hash } from "node:crypto";
import { AgentMemory, AGENT_BYTES_MAX, CHECKPOINT_BYTES } from "./agent.js";
import { Peers, peersBytes } from "./peers.js";
import { AGENT_BYTES, PURPOSE_BYTES } from "./slab.js";

/** Moves whenever the same acts would come to other assessments: what another has learned is not read. */
export const BEHAVIOR_ALGORITHM = 7;

const MAGIC = "remit/profile/2\n";
const HEADER_BYTES = 16 + 4 + 8 + 4 * 4;
const DIGEST_BYTES = 32;

export class SnapshotDamaged extends Error {
  override readonly name = "SnapshotDamaged";

  constructor(
    readonly code: "snapshot_damaged" | "snapshot_of_another_algorithm",
    message: string,
  ) {
    super(message);
  }
}

export interface ProfileSnapshot {
  /** The record whose moment this is of. */
  readonly seq: number;
  /** The next piece of the file, of at most so many agents, good until the next one is asked for; null when there is no more. */
  slice(agents: number): Uint8Array | null;
}

export class Round implements ProfileSnapshot {
  readonly #agents: ReadonlyMap<string, AgentMemory>;
  /** Agents whose turn is yet to come, in their order; and the earlier states of those that have changed since. */
  #waiting: string[];
  #next = 0;
  readonly #isWaiting: Set<string>;
  readonly #kept = new Map<string, Uint8Array>();
  #first: Uint8Array | null;
  /** Buffer used for one piece after another: a profile's worth of pieces, thrown away, would stay with the process for good. */
  #piece = new Uint8Array(0);
  readonly #hash: Hash = createHash("sha256");
  #ended = false;

  constructor(
    readonly seq: number,
    agents: ReadonlyMap<string, AgentMemory>,
    purposes: ReadonlyMap<string, Peers>,
    names: ReadonlyMap<number, string>,
    followed: ReadonlyMap<string, number>,
  ) {
    this.#agents = agents;
    this.#waiting = [...agents.keys()];
    this.#isWaiting = new Set(this.#waiting);
    const parts = [header(seq, [agents.size, purposes.size, names.size, followed.size])];
    for (const [name, peers] of purposes) parts.push(...entry(name, peersBytes(peers)));
    for (const [key, name] of names) parts.push(...entry(name, new Uint8Array(Uint32Array.of(key).buffer)));
    for (const [log, to] of followed) parts.push(...entry(log, new Uint8Array(Float64Array.of(to).buffer)));
    this.#first = Buffer.concat(parts);
  }

  /** An agent is about to change. */
  keep(agent: string): void {
    if (!this.#isWaiting.has(agent) || this.#kept.has(agent)) return;
    const state = this.#agents.get(agent);
    if (state === undefined) return;
    const bytes = new Uint8Array(state.size);
    state.copyTo(bytes);
    this.#kept.set(agent, bytes);
  }

  /** Another has begun: this one is of no use any more. */
  end(): void {
    this.#ended = true;
    this.#waiting = [];
    this.#isWaiting.clear();
    this.#kept.clear();
    this.#piece = new Uint8Array(0);
  }

  slice(agents: number): Uint8Array | null {
    if (this.#ended) return null;
    if (this.#first !== null) {
      const first = this.#first;
      this.#first = null;
      this.#hash.update(first);
      return first;
    }
    if (this.#next === this.#waiting.length) {
      this.end();
      return this.#hash.digest();
    }
    const to = Math.min(this.#waiting.length, this.#next + Math.max(1, agents));
    let length = 0;
    for (; this.#next < to; this.#next++) length = this.#add(this.#waiting[this.#next] ?? "", length);
    const piece = this.#piece.subarray(0, length);
    this.#hash.update(piece);
    return piece;
  }

  /** Adds an agent to the piece. @returns the offset after it */
  #add(name: string, at: number): number {
    const kept = this.#kept.get(name);
    const state = this.#agents.get(name);
    const size = kept?.length ?? state?.size;
    if (size === undefined) throw new Error("an agent went without having been set aside");
    const head = Buffer.concat(headOf(name, size));
    const from = at + head.length;
    if (from + size > this.#piece.length) this.#piece = grown(this.#piece, 2 * (from + size));
    this.#piece.set(head, at);
    if (kept === undefined) state?.copyTo(this.#piece, from);
    else this.#piece.set(kept, from);
    this.#isWaiting.delete(name);
    this.#kept.delete(name);
    return from + size;
  }
}

function grown(bytes: Uint8Array, length: number): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(length);
  larger.set(bytes);
  return larger;
}

function header(seq: number, counts: readonly [number, number, number, number]): Uint8Array {
  const bytes = Buffer.alloc(HEADER_BYTES);
  bytes.write(MAGIC, "latin1");
  bytes.writeUInt32LE(BEHAVIOR_ALGORITHM, 16);
  bytes.writeDoubleLE(seq, 20);
  counts.forEach((count, i) => bytes.writeUInt32LE(count, 28 + 4 * i));
  return bytes;
}

function entry(name: string, state: Uint8Array): Uint8Array[] {
  return [...headOf(name, state.length), state];
}

function headOf(name: string, size: number): Uint8Array[] {
  const text = Buffer.from(name, "utf8");
  const [before, between] = [Buffer.alloc(2), Buffer.alloc(4)];
  before.writeUInt16LE(text.length);
  between.writeUInt32LE(size);
  return [before, text, between];
}

export interface Restored {
  seq: number;
  agents: Map<string, AgentMemory>;
  purposes: Map<string, Peers>;
  names: Map<number, string>;
  /** Last record that it has learned from, of each other node's log. */
  followed: Map<string, number>;
}

/** @throws SnapshotDamaged where a byte of it is not as it was written, or another algorithm wrote it */
export function readSnapshot(given: Uint8Array): Restored {
  const bytes = Buffer.from(given.buffer, given.byteOffset, given.byteLength);
  const damaged = (why: string): SnapshotDamaged => new SnapshotDamaged("snapshot_damaged", why);
  if (bytes.length < HEADER_BYTES + DIGEST_BYTES) throw damaged(`a snapshot has more than ${bytes.length} bytes`);
  if (bytes.toString("latin1", 0, 16) !== MAGIC) throw damaged("it is no snapshot of a profile, or one of another form");
  const algorithm = bytes.readUInt32LE(16);
  if (algorithm !== BEHAVIOR_ALGORITHM)
    throw new SnapshotDamaged("snapshot_of_another_algorithm", `algorithm ${algorithm} wrote it, and this is ${BEHAVIOR_ALGORITHM}`);
  const end = bytes.length - DIGEST_BYTES;
  const digest = createHash("sha256").update(bytes.subarray(0, end)).digest();
  if (!digest.equals(bytes.subarray(end))) throw damaged("its digest is of other bytes: it was cut short or changed");
  let at = HEADER_BYTES;
  const next = (isSize: (size: number) => boolean): [string, Uint8Array] => {
    const name = bytes.toString("utf8", at + 2, at + 2 + bytes.readUInt16LE(at));
    at += 2 + bytes.readUInt16LE(at);
    const size = bytes.readUInt32LE(at);
    at += 4 + size;
    if (!isSize(size) || at > end) throw damaged("a state in it has another size than states have");
    return [name, bytes.subarray(at - size, at)];
  };
  const [agents = 0, purposes = 0, names = 0, followed = 0] = [28, 32, 36, 40].map((offset) => bytes.readUInt32LE(offset));
  const found: Restored = { seq: bytes.readDoubleLE(20), agents: new Map(), purposes: new Map(), names: new Map(), followed: new Map() };
  for (let i = 0; i < purposes; i++) {
    const [name, state] = next((size) => size === 2 * PURPOSE_BYTES);
    found.purposes.set(name, new Peers(state));
  }
  for (let i = 0; i < names; i++) {
    const [name, key] = next((size) => size === 4);
    found.names.set(Buffer.from(key).readUInt32LE(), name);
  }
  for (let i = 0; i < followed; i++) {
    const [log, to] = next((size) => size === 8);
    found.followed.set(log, Buffer.from(to).readDoubleLE());
  }
  const isAgent = (size: number): boolean =>
    size >= AGENT_BYTES && size <= AGENT_BYTES_MAX && (size - AGENT_BYTES) % CHECKPOINT_BYTES === 0;
  for (let i = 0; i < agents; i++) {
    const [name, state] = next(isAgent);
    found.agents.set(name, new AgentMemory(state));
  }
  if (at !== end) throw damaged("there is more in it than it says");
  return found;
}
