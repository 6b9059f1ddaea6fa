/**
 * A purpose's agents together. What they do is taught here as it happens and shown every ten minutes: so an assessment stands
 * while other agents work.
 */
import { BUSY_HALF_S, usualIn } from "./pace.js";
import type { SeenAction } from "./seen_action.js";
import * as S from "./slab.js";
import { purposeSlab, type Slab } from "./slab.js";
import { faded, find } from "./tables.js";
import { habits } from "./teach.js";

/** A purpose is looked at as it was at most so long ago: one act of its others moves nobody at once. */
const SHOWN_EVERY_S = 600;

export class Peers {
  readonly live: Slab;
  readonly shown: Slab;

  constructor(bytes?: Uint8Array) {
    this.live = purposeSlab();
    this.shown = purposeSlab();
    if (bytes === undefined) return;
    this.live.bytes.set(bytes.subarray(0, S.PURPOSE_BYTES));
    this.shown.bytes.set(bytes.subarray(S.PURPOSE_BYTES));
  }

  /** Teaches the peers an act. @returns true if the shown habits have changed */
  teach(seen: SeenAction): boolean {
    const { live } = this;
    const moved = Math.floor(seen.now / SHOWN_EVERY_S) > Math.floor((live.u[S.LAST] ?? 0) / SHOWN_EVERY_S);
    if (moved) this.shown.bytes.set(live.bytes);
    seen.peerSlot = find(live, S.KEYS, seen.key);
    busy(live, seen);
    habits(live, seen, false);
    if (seen.peerSlot < 0) seen.peerSlot = find(live, S.KEYS, seen.key);
    took(live, seen);
    return moved;
  }
}

/** Counts everyone's acts in these hours, beside the baseline of these hours. */
function busy(live: Slab, seen: SeenAction): void {
  const { f, u } = live;
  const hour = Math.floor(seen.now / 3_600);
  const last = u[S.BUSY_HOUR] ?? 0;
  if (hour > last) {
    for (let k = Math.min(24, hour - last); k >= 1; k--) {
      const usual = (f[S.BUSY_USUAL] ?? 0) + usualIn(live, (seen.hour - k + 24) % 24);
      f[S.BUSY_USUAL] = faded(usual, 3_600, BUSY_HALF_S);
    }
    u[S.BUSY_HOUR] = hour;
  }
  f[S.BUSY] = faded(f[S.BUSY] ?? 0, seen.now - (u[S.LAST] ?? 0), BUSY_HALF_S) + 1;
  u[S.LAST] = Math.max(seen.now, u[S.LAST] ?? 0);
}

/** Notes which agents do this, and which have only just begun to. */
function took({ u }: Slab, seen: SeenAction): void {
  const i = S.takersOf(seen.peerSlot);
  const ever = u[i] ?? 0;
  if ((ever & seen.bit) !== 0) return;
  if (u[i + S.TAKER.day] !== seen.day) {
    u[i + S.TAKER.yesterday] = u[i + S.TAKER.day] === seen.day - 1 ? (u[i + S.TAKER.today] ?? 0) : 0;
    u[i + S.TAKER.today] = 0;
    u[i + S.TAKER.day] = seen.day;
  }
  u[i] = (ever | seen.bit) >>> 0;
  u[i + S.TAKER.today] = ((u[i + S.TAKER.today] ?? 0) | seen.bit) >>> 0;
}

/** Returns both slabs as a snapshot stores them. */
export function peersBytes({ live, shown }: Peers): Uint8Array {
  const bytes = new Uint8Array(2 * S.PURPOSE_BYTES);
  bytes.set(live.bytes);
  bytes.set(shown.bytes, S.PURPOSE_BYTES);
  return bytes;
}
