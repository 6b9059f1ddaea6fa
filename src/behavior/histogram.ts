/** Histogram of a quantity: counts in 16 bins, and how rare that makes a value. */
import { BINS, type Slab } from "./slab.js";

/** From here on all counts halve, so that what was long ago weighs less. */
const COUNT_MAX = 2_000;
/** Beyond the largest value ever seen, each bin is rarer by so many decades: large values fall off with about the third power. */
const TAIL = 0.45;
/** A tail is only as good as what it continues. */
const TAIL_FROM = 100;
/** Counts of the peers that stand in for an agent's own; they weigh the less the more own ones there are. */
const PEERS_WEIGH = 20;

/** From here on all values are in the last bin: 2^7.5. */
const LAST_FROM = 181.02;

/** Bins of half an octave: 1 → 0, 2 → 2, 4 → 4 … */
export function octaves(value: number): number {
  if (value <= 1) return 0;
  if (value >= LAST_FROM) return BINS - 1;
  const octave = 31 - Math.clz32(value);
  return 2 * octave + (value * value >= 2 << (2 * octave) ? 1 : 0);
}

/** The largest value that belongs to a bin, of whole numbers at least the bin's own. */
export function upTo(bin: number): number {
  return Math.max(1, Math.ceil(Math.pow(2, (bin + 1) / 2)) - 1);
}

export function count({ h }: Slab, at: number, bin: number): void {
  const n = (h[at + bin] ?? 0) + 1;
  h[at + bin] = n;
  if (n < COUNT_MAX) return;
  for (let i = at; i < at + BINS; i++) h[i] = (h[i] ?? 0) >>> 1;
}

export function total({ h }: Slab, at: number): number {
  let n = 0;
  for (let i = at; i < at + BINS; i++) n += h[i] ?? 0;
  return n;
}

/** The bin that all but this share stay within. */
export function usual({ h }: Slab, at: number, share: number): number {
  let n = 0;
  for (let i = at; i < at + BINS; i++) n += h[i] ?? 0;
  let over = 0;
  for (let i = BINS - 1; i > 0; i--) {
    over += h[at + i] ?? 0;
    if (over > n * share) return i;
  }
  return 0;
}

/** Returns the rarity of being in this bin or above, in decades. */
export function rarity(own: Slab, at: number, peers: Slab, peersAt: number, bin: number): number {
  // Every value is in the first bin or above: the ordinary case, and the cheapest.
  if (bin === 0) return 0;
  const { h } = own;
  let all = 0;
  let over = 0;
  let highest = -1;
  for (let i = 0; i < BINS; i++) {
    const n = h[at + i] ?? 0;
    if (n === 0) continue;
    all += n;
    if (i >= bin) over += n;
    highest = i;
  }
  const beyond = over > 0 || all < TAIL_FROM ? 0 : Math.max(0, bin - 1 - highest) * TAIL;
  let others = 0;
  let othersOver = 0;
  for (let i = 0; i < BINS; i++) {
    const n = peers.h[peersAt + i] ?? 0;
    others += n;
    if (i >= bin) othersOver += n;
  }
  if (others > 0) {
    const weight = Math.min(PEERS_WEIGH, others);
    all += weight;
    over += (weight * othersOver) / others;
  }
  return Math.log10((all + 1) / (over + 1)) + beyond;
}

/** Returns in decades how rare it is to find at least this many where fewer are expected: the leading term of a Poisson tail. */
export function poisson(found: number, expected: number): number {
  return (found * Math.log(found / expected) - (found - expected)) / Math.LN10;
}
