/** When, how fast and how wide: hours of the day, acts and distinct resources over minutes, over a session and over days. */
import { octaves, poisson, rarity, total, upTo, usual } from "./histogram.js";
import { CHANNEL, type SeenAction } from "./seen_action.js";
import {
  ALL_FAN_BINS,
  ALL_RATE_BINS,
  BINS,
  BUSY,
  BUSY_USUAL,
  DAYS,
  HOURS,
  HOURS_SUM,
  HOURS_DAY,
  HOURS_GAIN,
  HOUR_NOW,
  HOUR_SEEN,
  LAST,
  RATE,
  RATE_BINS,
  SESSION,
  SESSION_RATE,
  SESSION_RATE_BINS,
  SUBJECT_BINS,
  TYPE,
  TYPES,
  TYPE_FAN_BINS,
  TYPE_RATE_BINS,
  type Slab,
} from "./slab.js";
import { faded } from "./tables.js";

/** Acts come in bursts of a task's steps, which a minute holds. */
export const RATE_HALF_S = 60;
/** Acts on one type come more seldom than acts, so that their rate needs longer. */
export const TYPE_RATE_HALF_S = 150;
/** Sessions begin a few in a burst of work, which five minutes hold. */
export const SESSION_RATE_HALF_S = 300;
/** Different resources, as many as one piece of work takes. */
export const FAN_HALF_S = 300;
/** A purpose is busy by shifts of several hours. */
export const BUSY_HALF_S = 3 * 3_600;
/** A slow sum over days: a working week weighs most, the one before a quarter of it. */
export const LONG_HALF_S = 3.5 * 86_400;
/** A purpose with up to so many times its usual work is as usual; and beyond that, an agent may do at most so many times as much. */
const [LOAD_FREE, LOAD_MAX] = [2, 4];
/** Excess over `LOAD_FREE` at which a purpose is as busy as can be. */
const BUSY_OVER = 1.5;
/** Allowance above a usual quantity before it is large: two acts or resources, or one session, which is several acts. */
const [FREE_ACTS, FREE_SESSIONS] = [2, 1];
/** Hours say nothing before an agent has been active on so many days, with so many acts. */
const HOURS_FROM = { days: 4, acts: 150 };
/** A session is about so many acts: in an hour they count as one event. */
const ACTS_A_SESSION = 8;
/** A type's own counts are asked from so many on. */
const TYPED_FROM = 50;
/** Weeks differ by so much; over months, by so much. Where there is less than this in a few days, there is no usual. */
const [LONG_FREE, BEYOND_FREE, LONG_FROM] = [1.3, 1.15, 4];

/** Excess of what the purpose's other agents do at these hours over their baseline: nothing up to twice as much, all of it at three and a half times. */
export function busyNow(own: Slab, peers: Slab, seen: SeenAction): void {
  seen.busy = 0;
  seen.load = 1;
  const gap = seen.now - (peers.u[LAST] ?? 0);
  if (gap > 7_200 || (peers.f[DAYS] ?? 0) < HOURS_FROM.days) return;
  const all = faded(peers.f[BUSY] ?? 0, gap, BUSY_HALF_S);
  const mine = faded(own.f[BUSY] ?? 0, seen.now - (own.u[LAST] ?? 0), BUSY_HALF_S);
  const here = usualIn(peers, seen.hour) * ((seen.now % 3_600) / 3_600);
  const ratio = (all - mine) / ((peers.f[BUSY_USUAL] ?? 0) + here + 15);
  seen.busy = Math.max(0, Math.min(1, (ratio - LOAD_FREE) / BUSY_OVER));
  seen.load = Math.max(1, Math.min(LOAD_MAX, ratio / LOAD_FREE));
}

/** Acts of a purpose in such an hour of a day. */
export function usualIn({ f }: Slab, hour: number): number {
  return (f[HOURS + hour] ?? 0) / Math.max(1, f[DAYS] ?? 0);
}

const smooth = new Float64Array(24);
const plain = new Float64Array(24);

/** An hour at which it does next to nothing; the more it does then, the more so. What it has done in this very hour doesn't vouch for it. */
export function hour(own: Slab, peers: Slab, seen: SeenAction): void {
  const { f, u, h } = own;
  seen.hourShare = 1;
  if ((f[DAYS] ?? 0) < HOURS_FROM.days || seen.acts < HOURS_FROM.acts) return;
  const others = 6 / Math.max(1, peers.f[HOURS_SUM] ?? 0);
  for (let i = 0; i < 24; i++) plain[i] = (f[HOURS + i] ?? 0) + others * (peers.f[HOURS + i] ?? 0);
  const isOfToday = (h[HOURS_DAY + seen.hour] ?? 0) >= seen.localDay;
  let sum = 0;
  for (let i = 0; i < 24; i++) {
    const around = (plain[(i + 23) % 24] ?? 0) + (plain[(i + 1) % 24] ?? 0);
    const here = (plain[i] ?? 0) + around / 2;
    smooth[i] = here;
    sum += here;
  }
  const mine = (smooth[seen.hour] ?? 0) - (isOfToday ? (h[HOURS_GAIN + seen.hour] ?? 0) : 0);
  let rarer = 0;
  for (let i = 0; i < 24; i++) if ((smooth[i] ?? 0) <= mine) rarer += smooth[i] ?? 0;
  seen.hourShare = mine / sum;
  seen.hourActs = (u[HOUR_NOW] === Math.floor(seen.now / 3_600) ? (f[HOUR_SEEN] ?? 0) : 0) + 1;
  // Some hour is the rarest one even of an agent that never rests: against an even spread it has to be rare as well.
  const rare = Math.min(-Math.log10((rarer + 1) / (sum + 1)), 1 - Math.log10((24 * (mine + 1)) / (sum + 1)));
  if (rare <= 0) return;
  let many = 0;
  if (rare > 1) {
    const expected = 0.05 + mine / (ACTS_A_SESSION * Math.max(1, f[DAYS] ?? 0));
    const found = seen.hourActs / ACTS_A_SESSION;
    if (found > expected) many = poisson(found, expected);
  }
  seen.decades[CHANNEL.hour] = Math.max(rare, Math.min(rare + 2, many)) * (1 - 0.8 * seen.busy);
}

/** Acts of the last minutes: all of them, those on this type, and sessions begun. On a busy day they are compared as on a usual one. */
export function rate(own: Slab, peers: Slab, seen: SeenAction): void {
  const { f, u } = own;
  seen.rate = faded(f[RATE] ?? 0, seen.now - (u[LAST] ?? 0), RATE_HALF_S) + 1;
  const rated = seen.rate / seen.load;
  const all = rarity(own, RATE_BINS, peers, RATE_BINS, octaves(rated));
  const allMost = sized(own, RATE_BINS, rated, all, FREE_ACTS);
  seen.typeRate = 1;
  let typed = 0;
  let typedMost = 0;
  let bins = ALL_RATE_BINS;
  if (seen.typeSlot >= 0) {
    seen.typeRate = faded(f[seen.typeSlot + TYPE.rate] ?? 0, seen.now - (u[seen.typeSlot + TYPE.rateAt] ?? 0), TYPE_RATE_HALF_S) + 1;
    bins = binsOf(own, TYPE_RATE_BINS, ALL_RATE_BINS, seen.typeSlot);
    const others = bins === ALL_RATE_BINS ? peers : own;
    typed = rarity(own, bins, others, ALL_RATE_BINS, octaves(seen.typeRate / seen.load));
    typedMost = sized(own, bins, seen.typeRate / seen.load, typed, FREE_ACTS);
  }
  const begun = seen.session !== 0 && seen.sessionSlot < 0 ? 1 : 0;
  seen.sessionRate = faded(f[SESSION_RATE] ?? 0, seen.now - (u[LAST] ?? 0), SESSION_RATE_HALF_S) + begun;
  const sessions = rarity(own, SESSION_RATE_BINS, peers, SESSION_RATE_BINS, octaves(seen.sessionRate / seen.load));
  const sessionsMost = sized(own, SESSION_RATE_BINS, seen.sessionRate / seen.load, sessions, FREE_SESSIONS);
  seen.rateOfSessions = sessionsMost > Math.max(allMost, typedMost);
  seen.rateOfType = typedMost > allMost && !seen.rateOfSessions;
  seen.rateBins = seen.rateOfSessions ? SESSION_RATE_BINS : seen.rateOfType ? bins : RATE_BINS;
  seen.decades[CHANNEL.rate] = Math.max(all, typed, sessions);
  seen.most[CHANNEL.rate] = Math.max(allMost, typedMost, sessionsMost);
}

/** Distinct resources of this type in ten minutes, which on a busy day are compared as on a usual one; and in the session. */
export function fanOut(own: Slab, peers: Slab, seen: SeenAction): void {
  const { f, u } = own;
  seen.fan = 0;
  seen.newSubject = false;
  if (seen.resource === 0) return;
  let typed = 0;
  let typedMost = 0;
  let bins = ALL_FAN_BINS;
  if (seen.typeSlot >= 0) {
    const before = faded(f[seen.typeSlot + TYPE.fan] ?? 0, seen.now - (u[seen.typeSlot + TYPE.fanAt] ?? 0), FAN_HALF_S);
    seen.fan = before + (seen.fresh ? 1 : 0);
    bins = binsOf(own, TYPE_FAN_BINS, ALL_FAN_BINS, seen.typeSlot);
    const others = bins === ALL_FAN_BINS ? peers : own;
    typed = rarity(own, bins, others, ALL_FAN_BINS, octaves(seen.fan / seen.load));
    typedMost = sized(own, bins, seen.fan / seen.load, typed, FREE_ACTS);
  }
  let session = 0;
  let sessionMost = 0;
  if (seen.session !== 0) {
    const bit = seen.resource & 63;
    const set = seen.sessionSlot < 0 ? 0 : (u[seen.sessionSlot + SESSION.used + (bit >>> 5)] ?? 0);
    seen.newSubject = (set & (1 << (bit & 31))) === 0;
    if (seen.newSubject) {
      const subjects = seen.subjects + 1;
      session = rarity(own, SUBJECT_BINS, peers, SUBJECT_BINS, octaves(subjects));
      sessionMost = sized(own, SUBJECT_BINS, subjects, session, FREE_ACTS);
    }
  }
  seen.fanOfSession = sessionMost > typedMost;
  seen.fanBins = seen.fanOfSession ? SUBJECT_BINS : bins;
  // Going back to what it has just used widens nothing.
  seen.decades[CHANNEL.fan_out] = seen.fresh ? Math.max(typed, session) : 0;
  seen.most[CHANNEL.fan_out] = Math.max(typedMost, sessionMost);
}

/** Resources of the type over days, against a usual that may grow by little a day: what is slow enough for all the others. */
export function longRun({ f, u }: Slab, seen: SeenAction): void {
  const i = seen.typeSlot;
  seen.long = seen.norm = seen.beyond = 0;
  if (i < 0 || seen.resource === 0) return;
  seen.norm = f[i + TYPE.norm] ?? 0;
  if (seen.norm < LONG_FROM) return;
  const gap = seen.now - (u[i + TYPE.fanAt] ?? 0);
  const more = seen.fresh ? 1 : 0;
  seen.long = faded(f[i + TYPE.long] ?? 0, gap, LONG_HALF_S) + more;
  seen.beyond = beyond(f, i, gap) + more;
  const ratio = seen.long / seen.norm;
  // A session's resources come together: four count as one event.
  const fast = ratio > LONG_FREE ? Math.min(poisson(seen.long / 4, seen.norm / 4), 1.3 + 6 * Math.log2(ratio / LONG_FREE)) : 0;
  const weeks = seen.beyond / (7 * aDay(seen.norm));
  const slow = seen.beyond >= 12 && weeks > 0.5 ? 1 + weeks / 0.75 : 0;
  seen.decades[CHANNEL.drift] = Math.max(fast, slow) * (1 - 0.8 * seen.busy);
}

/** Returns the daily increase of a steady quantity that halves in `LONG_HALF_S`. */
export function aDay(norm: number): number {
  return (norm * 86_400 * Math.LN2) / LONG_HALF_S;
}

/** Returns the resources used beyond the baseline and its allowance, after a number of seconds without. */
export function beyond(f: Float32Array, typeSlot: number, seconds: number): number {
  const norm = f[typeSlot + TYPE.norm] ?? 0;
  if (norm < LONG_FROM) return 0;
  return Math.max(0, (f[typeSlot + TYPE.beyond] ?? 0) - (BEYOND_FREE * aDay(norm) * Math.max(0, seconds)) / 86_400);
}

/** The type's own counts, where there are enough of them; else those of all types. */
function binsOf(own: Slab, typed: number, all: number, typeSlot: number): number {
  const at = typed + ((typeSlot - TYPES.at) / TYPES.width) * BINS;
  return total(own, at) > TYPED_FROM ? at : all;
}

/** Decades, and no more of them than how much larger than usual the value is. */
function sized(own: Slab, at: number, value: number, decades: number, free: number): number {
  if (decades <= 1.3) return decades;
  return Math.min(decades, 1.3 + Math.max(0, 1.5 * Math.log2(value / (upTo(usual(own, at, 0.01)) + free))));
}
