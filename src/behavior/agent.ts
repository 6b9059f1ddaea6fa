/** One agent's state: its slab, and what its habits were at the beginning of the last two weeks, to go back to. */
import * as S from "./slab.js";
import { agentSlab, type Slab } from "./slab.js";

const WEEK_S = 7 * 86_400;
const CHECKPOINTS = 2;
const HABITS_BYTES = S.PASSING * 4;
const BINS_BYTES = S.GRAMS.at - S.RATE_BINS * 2;
const GRAM_CELLS = 2 * S.GRAMS.row;
export const CHECKPOINT_BYTES = HABITS_BYTES + BINS_BYTES + GRAM_CELLS / 2;

/** Most bytes of one agent, with its checkpoints. */
export const AGENT_BYTES_MAX = S.AGENT_BYTES + CHECKPOINTS * CHECKPOINT_BYTES;

export class AgentMemory {
  readonly slab: Slab;
  /** The oldest first; each says in its own `CHECKED` of when it is. */
  readonly checkpoints: Uint8Array[];
  /** Moves with the slab. */
  version = 0;

  constructor(bytes?: Uint8Array) {
    this.slab = agentSlab();
    this.checkpoints = [];
    if (bytes === undefined) return;
    this.slab.bytes.set(bytes.subarray(0, S.AGENT_BYTES));
    for (let at = S.AGENT_BYTES; at < bytes.length; at += CHECKPOINT_BYTES) this.checkpoints.push(bytes.slice(at, at + CHECKPOINT_BYTES));
  }

  /** Bytes of the agent's state in a snapshot. */
  get size(): number {
    return S.AGENT_BYTES + this.checkpoints.length * CHECKPOINT_BYTES;
  }

  copyTo(target: Uint8Array, at = 0): void {
    target.set(this.slab.bytes, at);
    this.checkpoints.forEach((bytes, i) => {
      target.set(bytes, at + S.AGENT_BYTES + i * CHECKPOINT_BYTES);
    });
  }

  /** Before the first act of a week. */
  check(now: number): void {
    const { u } = this.slab;
    if (u[S.BORN] === 0 || now - Math.max(u[S.CHECKED] ?? 0, u[S.BORN] ?? 0) < WEEK_S) return;
    u[S.CHECKED] = now;
    if (this.checkpoints.length === CHECKPOINTS) this.checkpoints.shift();
    this.checkpoints.push(packed(this.slab));
  }

  /** Restores the habits of the latest checkpoint up to a time. @returns the checkpoint's time in seconds; null if none is that old */
  rollBack(to: number): number | null {
    const i = this.checkpoints.findLastIndex((bytes) => checkedAt(bytes) <= to);
    const bytes = this.checkpoints[i];
    if (bytes === undefined) return null;
    const last = this.slab.u[S.LAST] ?? 0;
    unpack(bytes, this.slab);
    // Its time goes on.
    this.slab.u[S.LAST] = last;
    this.checkpoints.length = i + 1;
    return checkedAt(bytes);
  }
}

/** When each was taken, the earliest first; seconds. */
export function checkpointTimes({ checkpoints }: AgentMemory): number[] {
  return checkpoints.map(checkedAt);
}

function checkedAt(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(S.CHECKED * 4, true);
}

function packed({ bytes }: Slab): Uint8Array {
  const out = new Uint8Array(CHECKPOINT_BYTES);
  out.set(bytes.subarray(0, HABITS_BYTES));
  out.set(bytes.subarray(S.RATE_BINS * 2, S.GRAMS.at), HABITS_BYTES);
  const at = HABITS_BYTES + BINS_BYTES;
  for (let i = 0; i < GRAM_CELLS; i += 2)
    out[at + i / 2] = (LEVELS[bytes[S.GRAMS.at + i] ?? 0] ?? 0) | ((LEVELS[bytes[S.GRAMS.at + i + 1] ?? 0] ?? 0) << 4);
  return out;
}

function unpack(bytes: Uint8Array, slab: Slab): void {
  slab.bytes.fill(0);
  slab.bytes.set(bytes.subarray(0, HABITS_BYTES));
  slab.bytes.set(bytes.subarray(HABITS_BYTES, HABITS_BYTES + BINS_BYTES), S.RATE_BINS * 2);
  const at = HABITS_BYTES + BINS_BYTES;
  for (let i = 0; i < GRAM_CELLS; i += 2) {
    const two = bytes[at + i / 2] ?? 0;
    slab.bytes[S.GRAMS.at + i] = counted(two & 15);
    slab.bytes[S.GRAMS.at + i + 1] = counted(two >>> 4);
  }
}

/** Counts of steps are kept to half a power of two: 0, 1, 2, 3, 4, 6, 8, 12 … 192. */
function level(count: number): number {
  if (count < 4) return count;
  const power = 31 - Math.clz32(count);
  return 2 * power + ((count >>> (power - 1)) & 1);
}

const LEVELS = Uint8Array.from({ length: 256 }, (_, count) => level(count));

function counted(of: number): number {
  return of < 4 ? of : (2 + (of & 1)) << ((of >>> 1) - 1);
}
