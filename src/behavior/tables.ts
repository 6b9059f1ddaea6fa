/** Slots by key, and quantities that fade. */
import type { Slab, SlabTable } from "./slab.js";

/** @returns index of the key's slot, or -1 */
export function find({ u }: Slab, { keys, at, slots, width }: SlabTable, key: number): number {
  for (let k = 0; k < slots; k++) if (u[keys + k] === key) return at + k * width;
  return -1;
}

/** Empties all slots. */
export function clear({ u }: Slab, { keys, at, slots, width }: SlabTable): void {
  u.fill(0, keys, keys + slots);
  u.fill(0, at + 1, at + 1 + slots * width);
}

/**
 * A slot for a key that has none: an empty one, or that of the key with the least in its word `by`. It is emptied.
 * @param view in which that word is read: counts are floats, times are whole
 */
export function takeSlot(slab: Slab, { keys, at, slots, width }: SlabTable, key: number, by: number, view: "f" | "u"): number {
  const { u } = slab;
  const from = slab[view];
  let taken = 0;
  let least = Infinity;
  for (let k = 0; k < slots; k++) {
    const has = u[keys + k] === 0 ? -1 : (from[at + k * width + by] ?? 0);
    if (has >= least) continue;
    least = has;
    taken = k;
  }
  const slot = at + taken * width;
  u.fill(0, slot + 1, slot + 1 + width);
  u[keys + taken] = key;
  return slot;
}

/** Half-lives after which nothing is left of a quantity. */
const GONE_AFTER = 32;

/** Returns what is left of a quantity after a number of seconds. */
export function faded(quantity: number, seconds: number, halfLife: number): number {
  if (seconds <= 0 || quantity === 0) return quantity;
  // Most windows are of minutes, and most gaps longer: a power is the dearest sum in a look.
  return seconds > GONE_AFTER * halfLife ? 0 : quantity * Math.exp((-Math.LN2 * seconds) / halfLife);
}

/** Halves counts. */
export function halve({ f }: Slab, at: number, count: number): void {
  for (let i = at; i < at + count; i++) f[i] = (f[i] ?? 0) / 2;
}

/** Days and the last of them in one word; a day counts once. */
export function withDay(word: number, day: number): number {
  const today = day & 0xffff;
  if ((word & 0xffff) === today && word !== 0) return word;
  return ((Math.min(0xfff, (word >>> 16) + 1) << 16) | today) >>> 0;
}

export function daysOf(word: number): number {
  return word >>> 16;
}
