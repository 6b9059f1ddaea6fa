/**
 * Scores the order in which an agent does things: what comes after the last two steps of a session. Steps are counted by hash in a table of
 * fixed size; the lower of two counts is used, so that steps that share a place don't vouch for each other.
 */
import { pair } from "./hash.js";
import { octaves, rarity } from "./histogram.js";
import { CHANNEL, START, type SeenAction } from "./seen_action.js";
import { BITS, BINS, GRAMS, NOVEL_BINS, RUN_BINS, STEP_BINS, type Slab } from "./slab.js";

/** Counts that stand in for those of a step while it is seldom seen: of the step alone, of the last two steps. */
const [BACK_OFF, BACK_OFF_2] = [5, 20];
/** Bits of oddness beyond the mean that each step of a run is allowed; and the most that one step can add. */
const [RUN_EASE, RUN_STEP_MAX] = [0.5, 12];
/** Steps before their order says anything. */
const LEARNED_FROM = 100;
/** Bits of oddness that count for nothing; each bit after that may add a third of a decade, which is what a bit is. */
const RUN_FREE = 6;
/** Unlikely and new are two views of one thing: together they say more than either, by this share of the lesser. */
const BOTH = 0.25;
/** A session that is as odd as this teaches no steps. */
export const RUN_TAUGHT_MAX = 40;

export function order(own: Slab, peers: Slab, seen: SeenAction): void {
  const { acts, times, before, before2 } = seen;
  const one = pair(before, 11);
  const two = pair(pair(before2, before), 13);
  const stepped = gram(own, pair(one, seen.key));
  const stepped2 = gram(own, pair(two, seen.key));
  const alone = (times + 0.5) / (acts + 48);
  const [n, n2] = [gram(own, one), gram(own, two)];
  const after = (Math.min(n, stepped) + BACK_OFF * alone) / (n + BACK_OFF);
  const after2 = (Math.min(n2, stepped2) + BACK_OFF_2 * after) / (n2 + BACK_OFF_2);
  seen.bits = -Math.log2(after2);
  seen.newness = 0;
  seen.shuffled = 0;
  if (acts < LEARNED_FROM) return;
  seen.shuffled = Math.log2(alone / after2);
  const excess = seen.bits - (own.f[BITS] ?? 0);
  seen.run = Math.max(0, seen.run + Math.min(excess, RUN_STEP_MAX) - RUN_EASE);
  // How new, whatever is likely: what a session begins with is no step from anything.
  seen.newness = 1 / (1 + times);
  if (before !== START) seen.newness += 1 / (1 + stepped);
  if (before2 !== START) seen.newness += 1 / (1 + stepped2);
  const step = rarity(own, STEP_BINS, peers, STEP_BINS, stepBin(seen.bits));
  const run = rarity(own, RUN_BINS, peers, RUN_BINS, octaves(1 + seen.run));
  const isNew = rarity(own, NOVEL_BINS, peers, NOVEL_BINS, newBin(seen.newness));
  const larger = Math.max(step, run);
  seen.decades[CHANNEL.order] = Math.max(larger, isNew) + BOTH * Math.min(larger, isNew);
  const size = 1.3 + Math.max(0, (seen.run - RUN_FREE) * Math.LOG10E * Math.LN2);
  const sized = Math.min(larger, size);
  seen.most[CHANNEL.order] = Math.max(sized, isNew) + BOTH * Math.min(sized, isNew);
}

export function stepBin(bits: number): number {
  return Math.max(0, Math.min(BINS - 1, Math.floor(bits)));
}

export function newBin(newness: number): number {
  return Math.min(BINS - 1, Math.floor(5 * newness));
}

/** Counts this step, after each of what came before it. */
export function countStep(slab: Slab, seen: SeenAction): void {
  const one = pair(seen.before, 11);
  const two = pair(pair(seen.before2, seen.before), 13);
  addGram(slab, one);
  addGram(slab, pair(one, seen.key));
  addGram(slab, two);
  addGram(slab, pair(two, seen.key));
}

function gram({ bytes }: Slab, key: number): number {
  const a = bytes[GRAMS.at + (key & (GRAMS.row - 1))] ?? 0;
  const b = bytes[GRAMS.at + GRAMS.row + ((key >>> 11) & (GRAMS.row - 1))] ?? 0;
  return a < b ? a : b;
}

/** Only the lesser of the two counts grows; when a count is full, all halve. */
function addGram({ bytes }: Slab, key: number): void {
  const a = GRAMS.at + (key & (GRAMS.row - 1));
  const b = GRAMS.at + GRAMS.row + ((key >>> 11) & (GRAMS.row - 1));
  const [inA, inB] = [bytes[a] ?? 0, bytes[b] ?? 0];
  const least = Math.min(inA, inB);
  if (least === 255) {
    for (let i = GRAMS.at; i < GRAMS.at + 2 * GRAMS.row; i++) bytes[i] = (bytes[i] ?? 0) >>> 1;
    return;
  }
  if (inA === least) bytes[a] = least + 1;
  if (inB === least) bytes[b] = least + 1;
}
