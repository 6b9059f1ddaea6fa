/** Slots by key, and quantities that fade. */
import type { Slab, Table } from "./slab.js";

/** @returns index of the key's slot, or -1 */
export function find({ u }: Slab, { at, slots, width }: Table, key: number): number {
  const end = at + slots * width;
  for (let i = at; i < end; i += width) if (u[i] === key) return i;
  return -1;
}

/**
 * A slot for a key that has none: an empty one, or that of the key with the least in its word `by`. It is emptied.
 * @param view in which that word is read: counts are floats, times are whole
 */
export function takeSlot(slab: Slab, { at, slots, width }: Table, key: number, by: number, view: "f" | "u"): number {
  const { u } = slab;
  const from = slab[view];
  let slot = at;
  let least = Infinity;
  for (let i = at; i < at + slots * width; i += width) {
    const has = u[i] === 0 ? -1 : (from[i + by] ?? 0);
    if (has >= least) continue;
    least = has;
    slot = i;
  }
  u.fill(0, slot, slot + width);
  u[slot] = key;
  return slot;
}

/** Returns what is left of a quantity after a number of seconds. */
export function faded(quantity: number, seconds: number, halfLife: number): number {
  return seconds <= 0 || quantity === 0 ? quantity : quantity * Math.pow(2, -seconds / halfLife);
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
