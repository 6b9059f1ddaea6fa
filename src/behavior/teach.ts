/**
 * Updates a profile after an act. Windows and the risk's memory take in everything; habits are learned from acts that may teach, and by
 * little a day, so that they can't be bought by doing something often enough.
 */
import { addEvidence, end, learnEnded } from "./evidence.js";
import { count, octaves, usual } from "./histogram.js";
import { DENIED_WITHIN_S, EPOCH_S, HABIT_DAYS, MEANWHILE_HALF_S, SUBJECTS_MAX } from "./look.js";
import { countStep, newBin, RUN_TAUGHT_MAX, stepBin } from "./order.js";
import { BUSY_HALF_S, beyond, FAN_HALF_S, LONG_HALF_S, RATE_HALF_S, SESSION_RATE_HALF_S, TYPE_RATE_HALF_S } from "./pace.js";
import { remember, type Score } from "./score.js";
import { START, TESTS, type SeenAction } from "./seen_action.js";
import * as S from "./slab.js";
import type { Slab } from "./slab.js";
import { clear, daysOf, faded, find, halve, takeSlot, withDay } from "./tables.js";

/** From so many on, all counts of acts halve: what was long ago weighs less. */
const ACTS_MAX = 20_000;
/** The same for one type: a share of all, so that types that come seldom keep what they have. */
const TYPE_ACTS_MAX = 4_000;
/** Most that an hour of the day may gain on one day: acts, and a share of what it has. */
const HOUR_GAIN = { acts: 5, share: 0.3 };
/** Acts a day by which the largest of usual quantities may grow. */
const STRETCH_A_DAY = 5;
/** Score from which an act doesn't make what it met known: it is odd. */
const TRUSTED_BELOW = 4;
/** Acts that an action weighs which a person found to be as expected. */
const EXPECTED_ACTS = 32;
/** Days before a baseline over days is set. */
const FIRST_DAYS = 7;
/** Shares by which that baseline may rise or fall in a day: who raises it on purpose needs most of a year to double it. */
const NORM_STEP = { up: 0.003, down: 0.03 };

/**
 * @param how `denied`, `apart`: a person has approved this very act, it is no deviation and makes no habit; `noted`: windows
 * take note; `taught`: habits learn as well
 */
export function teachOwn(own: Slab, seen: SeenAction, score: Score, how: "denied" | "apart" | "noted" | "taught"): void {
  const { f, u } = own;
  begins(own, seen);
  changeVersion(own, seen.version);
  remember(own, seen.now, score.step, how === "denied");
  const gap = seen.now - (u[S.LAST] ?? 0);
  const counts = how === "noted" || how === "taught";
  const teaches = how === "taught";
  f[S.RATE] = faded(f[S.RATE] ?? 0, gap, RATE_HALF_S) + (counts ? 1 : 0);
  f[S.BUSY] = faded(f[S.BUSY] ?? 0, gap, BUSY_HALF_S) + 1;
  f[S.SESSION_RATE] = counts ? seen.sessionRate : faded(f[S.SESSION_RATE] ?? 0, gap, SESSION_RATE_HALF_S);
  u[S.LAST] = seen.now;
  if (how === "denied") denied(own, seen);
  if (!counts) return;
  beginHour(own, seen);
  f[S.HOUR_SEEN] = (f[S.HOUR_SEEN] ?? 0) + 1;
  if (teaches) seen.typeSlot = typeSlotOf(own, seen);
  source(own, seen, teaches);
  const trusts = teaches && (score.total < TRUSTED_BELOW || !seen.guarded);
  resource(own, seen, trusts);
  if (seen.typeSlot >= 0) windows(own, seen, teaches);
  session(own, seen);
  if (!teaches) return;
  habits(own, seen, true);
  typeHabits(own, seen, trusts);
}

/** The nodes of a cluster hear of an agent's first acts in different orders, and say the same of when it began. */
function begins({ u }: Slab, { done }: SeenAction): void {
  if (u[S.BORN] === 0 || done < (u[S.BORN] ?? 0)) u[S.BORN] = done;
}

/** A new version is a change: what the old one did still counts, half. */
function changeVersion(own: Slab, version: number): void {
  if (own.u[S.VERSION] === version) return;
  if (own.u[S.VERSION] !== 0) fadeHabits(own);
  own.u[S.VERSION] = version;
}

function fadeHabits(own: Slab): void {
  halve(own, S.ACTS, 3);
  halve(own, S.DENIED, 1);
  halve(own, S.HOURS, 24);
  halve(own, S.HOURS_SUM, 1);
  halve(own, S.ENDED, 1);
  for (let i = S.HOURS_GAIN; i < S.HOURS_GAIN + 24; i++) own.h[i] = (own.h[i] ?? 0) >>> 1;
  for (let i = S.KEYS.at; i < S.KEYS.at + S.KEYS.slots * S.KEYS.width; i += S.KEYS.width) halve(own, i + S.KEY.acts, 1);
}

function denied(own: Slab, seen: SeenAction): void {
  let i = find(own, S.DENIES, seen.key);
  const isKnown = i >= 0 && seen.now - (own.u[i + S.DENIAL.when] ?? 0) <= DENIED_WITHIN_S;
  if (i < 0) i = takeSlot(own, S.DENIES, seen.key, S.DENIAL.when, "u");
  // A kind counts once a while: one that is denied over and over makes no room for others.
  if (!isKnown) own.f[S.DENIED] = (own.f[S.DENIED] ?? 0) + 1;
  own.u[i + S.DENIAL.when] = seen.now;
}

function beginHour({ f, u, h }: Slab, seen: SeenAction): void {
  const now = Math.floor(seen.now / 3_600);
  if (u[S.HOUR_NOW] !== now) {
    u[S.HOUR_NOW] = now;
    f[S.HOUR_SEEN] = 0;
  }
  // A zone that is behind another is still in the day before: that is no day of its own.
  if (seen.localDay <= (h[S.HOURS_DAY + seen.hour] ?? 0)) return;
  h[S.HOURS_DAY + seen.hour] = seen.localDay;
  h[S.HOURS_GAIN + seen.hour] = 0;
}

/** An established source at work counts against every one that came after it had been at work for days. */
function source(own: Slab, seen: SeenAction, teaches: boolean): void {
  if (seen.source === 0) return;
  const { f, u } = own;
  const begins = seen.sessionSlot < 0;
  let i = seen.sourceSlot;
  if (i < 0) {
    i = sourceSlotFor(own, seen.source);
    u[i + S.SOURCE.first] = u[i + S.SOURCE.meanwhileAt] = seen.now;
    f[i + S.SOURCE.meanwhile] = seen.meanwhile;
    if (teaches) f[S.SOURCES_NEW] = (f[S.SOURCES_NEW] ?? 0) + 1;
  }
  u[i + S.SOURCE.last] = seen.now;
  if (!begins) return;
  if (daysOf(u[i + S.SOURCE.days] ?? 0) >= HABIT_DAYS) {
    for (let k = S.SOURCES.at; k < S.SOURCES.at + S.SOURCES.slots * S.SOURCES.width; k += S.SOURCES.width) {
      const came = u[k + S.SOURCE.first] ?? 0;
      if (k === i || came < (u[i + S.SOURCE.first] ?? 0) + 2 * 86_400) continue;
      f[k + S.SOURCE.meanwhile] =
        faded(f[k + S.SOURCE.meanwhile] ?? 0, seen.now - (u[k + S.SOURCE.meanwhileAt] ?? 0), MEANWHILE_HALF_S) + 1;
      u[k + S.SOURCE.meanwhileAt] = seen.now;
    }
  }
  if (!teaches) return;
  f[S.SESSIONS_BEGUN] = (f[S.SESSIONS_BEGUN] ?? 0) + 1;
  f[i + S.SOURCE.sessions] = (f[i + S.SOURCE.sessions] ?? 0) + 1;
  u[i + S.SOURCE.days] = withDay(u[i + S.SOURCE.days] ?? 0, seen.day);
}

/** An empty one, or that of the source that was silent the longest; one that is established goes last. */
function sourceSlotFor({ u }: Slab, key: number): number {
  const end = S.SOURCES.at + S.SOURCES.slots * S.SOURCES.width;
  let slot = S.SOURCES.at;
  let least = Infinity;
  for (let i = slot; i < end; i += S.SOURCES.width) {
    const isHabit = daysOf(u[i + S.SOURCE.days] ?? 0) >= HABIT_DAYS;
    const worth = u[S.keyAt(S.SOURCES, i)] === 0 ? -1 : (u[i + S.SOURCE.last] ?? 0) + (isHabit ? 2 ** 32 : 0);
    if (worth >= least) continue;
    least = worth;
    slot = i;
  }
  u.fill(0, slot + 1, slot + 1 + S.SOURCES.width);
  u[S.keyAt(S.SOURCES, slot)] = key;
  return slot;
}

/** A resource is known when it was used on three days; in an agent's first three days, at once. */
function resource(own: Slab, seen: SeenAction, teaches: boolean): void {
  if (seen.resource === 0) return;
  const { u } = own;
  const set = S.RESOURCES.at + (seen.resource % S.RESOURCES.sets) * S.RESOURCES.width;
  let i = seen.resourceSlot;
  if (i < 0) {
    // A resource that may not teach uses the set's last place, so that it pushes out nothing known.
    const [from, to] = teaches ? [set, set + S.RESOURCES.width - 2] : [set + S.RESOURCES.width - 2, set + S.RESOURCES.width];
    let least = Infinity;
    for (let k = from; k < to; k += 2) {
      const word = u[k + S.RESOURCE.used] ?? 0;
      const worth = u[k] === 0 ? -1 : (word >>> 2) + (word & 3) * 3 * 86_400;
      if (worth >= least) continue;
      least = worth;
      i = k;
    }
    u[i] = seen.resource;
    u[i + S.RESOURCE.used] = 0;
  }
  const word = u[i + S.RESOURCE.used] ?? 0;
  const now = Math.max(0, seen.now - EPOCH_S);
  let days = word & 3;
  if (teaches && (days === 0 || Math.floor((word >>> 2) / 86_400) !== Math.floor(now / 86_400))) days = Math.min(HABIT_DAYS, days + 1);
  if (teaches && (!seen.guarded || (own.f[S.DAYS] ?? 0) <= HABIT_DAYS)) days = HABIT_DAYS;
  u[i + S.RESOURCE.used] = ((now << 2) | days) >>> 0;
}

function typeSlotOf(own: Slab, seen: SeenAction): number {
  if (seen.typeSlot >= 0) return seen.typeSlot;
  const i = takeSlot(own, S.TYPES, seen.type, S.TYPE.acts, "f");
  own.u[i + S.TYPE.normDay] = seen.day;
  for (const bins of [S.TYPE_RATE_BINS, S.TYPE_FAN_BINS]) own.h.fill(0, binsOf(bins, i), binsOf(bins, i) + S.BINS);
  return i;
}

function binsOf(bins: number, typeSlot: number): number {
  return bins + ((typeSlot - S.TYPES.at) / S.TYPES.width) * S.BINS;
}

/** Amount of this type in the last minutes, and in the last days. */
function windows({ f, u }: Slab, seen: SeenAction, teaches: boolean): void {
  const i = seen.typeSlot;
  seen.typeRate = faded(f[i + S.TYPE.rate] ?? 0, seen.now - (u[i + S.TYPE.rateAt] ?? 0), TYPE_RATE_HALF_S) + 1;
  f[i + S.TYPE.rate] = seen.typeRate;
  u[i + S.TYPE.rateAt] = seen.now;
  if (seen.resource === 0) return;
  const gap = seen.now - (u[i + S.TYPE.fanAt] ?? 0);
  seen.fan = faded(f[i + S.TYPE.fan] ?? 0, gap, FAN_HALF_S) + (seen.fresh ? 1 : 0);
  f[i + S.TYPE.fan] = seen.fan;
  f[i + S.TYPE.long] = faded(f[i + S.TYPE.long] ?? 0, gap, LONG_HALF_S) + (seen.fresh ? 1 : 0);
  u[i + S.TYPE.fanAt] = seen.now;
  f[i + S.TYPE.beyond] = beyond(f, i, gap) + (seen.fresh ? 1 : 0);
  follow(f, u, i, seen);
  if (teaches) return;
  const held = u[i + S.TYPE.held] ?? 0;
  u[i + S.TYPE.held] = (Math.max(held >>> 8, octaves(seen.typeRate)) << 8) | Math.max(held & 0xff, octaves(seen.fan));
}

/** Moves the baseline over days once a day towards what was done, by little. The first week sets it. */
function follow(f: Float32Array, u: Uint32Array, i: number, seen: SeenAction): void {
  const [norm, long] = [f[i + S.TYPE.norm] ?? 0, f[i + S.TYPE.long] ?? 0];
  if (u[i + S.TYPE.normDay] === seen.day || (norm === 0 && seen.day - (u[i + S.TYPE.normDay] ?? 0) < FIRST_DAYS)) return;
  u[i + S.TYPE.normDay] = seen.day;
  f[i + S.TYPE.norm] =
    norm === 0
      ? long / (1 - faded(1, FIRST_DAYS * 86_400, LONG_HALF_S))
      : Math.max(norm * (1 - NORM_STEP.down), Math.min(norm * (1 + NORM_STEP.up), long));
}

function session(own: Slab, seen: SeenAction): void {
  seen.ended.fill(-1);
  if (seen.session === 0) return;
  const { f, u } = own;
  let i = seen.sessionSlot;
  const begins = i < 0;
  if (begins) {
    i = find(own, S.SESSIONS, seen.session);
    if (i < 0) i = endedSession(own, seen);
    else end(own, i, seen);
    u.fill(0, i + 1, i + 1 + S.SESSIONS.width);
    u[i + S.SESSION.before] = u[i + S.SESSION.before2] = START;
  }
  addEvidence(own, seen, i, begins);
  u[i + S.SESSION.last] = seen.now;
  u[i + S.SESSION.before2] = u[i + S.SESSION.before] ?? START;
  u[i + S.SESSION.before] = seen.key;
  f[i + S.SESSION.run] = seen.run;
  if (!seen.newSubject) return;
  if (seen.subjects < SUBJECTS_MAX) u[i + S.SESSION.touched] = (u[i + S.SESSION.touched] ?? 0) + 1;
  const bit = seen.resource & 63;
  const word = i + S.SESSION.used + (bit >>> 5);
  u[word] = ((u[word] ?? 0) | (1 << (bit & 31))) >>> 0;
}

/** The one that was silent the longest gives its place, and how many resources it had is what sessions have. */
function endedSession(own: Slab, seen: SeenAction): number {
  const { u } = own;
  let i = S.SESSIONS.at;
  for (let k = i; k < S.SESSIONS.at + S.SESSIONS.slots * S.SESSIONS.width; k += S.SESSIONS.width)
    if ((u[k + S.SESSION.last] ?? 0) < (u[i + S.SESSION.last] ?? 0)) i = k;
  const subjects = (u[i + S.SESSION.touched] ?? 0) & SUBJECTS_MAX;
  const key = S.keyAt(S.SESSIONS, i);
  if (u[key] !== 0) end(own, i, seen);
  if (u[key] !== 0 && subjects > 0) countWithin(own, S.SUBJECT_BINS, octaves(subjects), seen);
  u[key] = seen.session;
  return i;
}

/** Learns the habits that agents and the agents of a purpose have in common. */
export function habits(slab: Slab, seen: SeenAction, isOwn: boolean): void {
  const { f, u } = slab;
  const acts = (f[S.ACTS] ?? 0) + 1;
  f[S.ACTS] = acts;
  if (seen.localDay > (u[S.DAY] ?? 0)) {
    u[S.DAY] = seen.localDay;
    f[S.DAYS] = (f[S.DAYS] ?? 0) + 1;
  }
  if (seen.task) f[S.TASKED] = (f[S.TASKED] ?? 0) + 1;
  keyHabit(slab, seen, isOwn ? seen.keySlot : seen.peerSlot);
  hourHabit(slab, seen, isOwn);
  countWithin(slab, S.RATE_BINS, octaves(seen.rate), seen);
  if (seen.session !== 0) countWithin(slab, S.SESSION_RATE_BINS, octaves(seen.sessionRate), seen);
  countWithin(slab, S.ALL_RATE_BINS, octaves(seen.typeRate), seen);
  if (seen.resource !== 0) countWithin(slab, S.ALL_FAN_BINS, octaves(seen.fan), seen);
  f[S.BITS] = (f[S.BITS] ?? 0) + (seen.bits - (f[S.BITS] ?? 0)) / Math.min(acts, 500);
  count(slab, S.STEP_BINS, stepBin(seen.bits));
  count(slab, S.RUN_BINS, octaves(1 + seen.run));
  if (seen.newness > 0) count(slab, S.NOVEL_BINS, newBin(seen.newness));
  learnEnded(slab, seen);
  if (isOwn && (seen.run < RUN_TAUGHT_MAX || acts < 300 || !seen.guarded)) countStep(slab, seen);
  if (acts >= ACTS_MAX) fadeHabits(slab);
}

function keyHabit(slab: Slab, seen: SeenAction, slot: number): void {
  const { f, u } = slab;
  let i = slot;
  if (i < 0) {
    i = takeSlot(slab, S.KEYS, seen.key, S.KEY.acts, "f");
    f[S.NOVEL] = (f[S.NOVEL] ?? 0) + 1;
    u[i + S.KEY.first] = seen.day;
    // Who took up what stood here is forgotten with it.
    if (slab.bytes.length === S.PURPOSE_BYTES) u.fill(0, S.takersOf(i), S.takersOf(i) + 4);
  }
  f[i + S.KEY.acts] = (f[i + S.KEY.acts] ?? 0) + 1;
  u[i + S.KEY.days] = withDay(u[i + S.KEY.days] ?? 0, seen.day);
  if (!seen.guarded) u[i + S.KEY.days] = ((HABIT_DAYS << 16) | (seen.day & 0xffff)) >>> 0;
}

function hourHabit(slab: Slab, seen: SeenAction, isOwn: boolean): void {
  const { f, h } = slab;
  const i = S.HOURS + seen.hour;
  if (isOwn && seen.guarded) {
    const gained = h[S.HOURS_GAIN + seen.hour] ?? 0;
    if (gained >= HOUR_GAIN.acts + HOUR_GAIN.share * ((f[i] ?? 0) - gained)) return;
    h[S.HOURS_GAIN + seen.hour] = gained + 1;
  }
  f[i] = (f[i] ?? 0) + 1;
  f[S.HOURS_SUM] = (f[S.HOURS_SUM] ?? 0) + 1;
}

function typeHabits(own: Slab, seen: SeenAction, trusts: boolean): void {
  const { f } = own;
  const i = seen.typeSlot;
  f[i + S.TYPE.acts] = (f[i + S.TYPE.acts] ?? 0) + 1;
  if (seen.task) f[i + S.TYPE.tasked] = (f[i + S.TYPE.tasked] ?? 0) + 1;
  if (seen.other) f[i + S.TYPE.other] = (f[i + S.TYPE.other] ?? 0) + 1;
  // What is met again before it is known says nothing of how often it goes back: it would raise its own baseline.
  if (seen.known) f[i + S.TYPE.known] = (f[i + S.TYPE.known] ?? 0) + 1;
  if (seen.known || (trusts && seen.resourceSlot < 0)) f[i + S.TYPE.met] = (f[i + S.TYPE.met] ?? 0) + 1;
  countWithin(own, binsOf(S.TYPE_RATE_BINS, i), octaves(seen.typeRate), seen);
  if (seen.resource !== 0) countWithin(own, binsOf(S.TYPE_FAN_BINS, i), octaves(seen.fan), seen);
  if ((f[i + S.TYPE.acts] ?? 0) < TYPE_ACTS_MAX) return;
  halve(own, i + S.TYPE.acts, 4);
  halve(own, i + S.TYPE.met, 1);
}

/** A quantity beyond the usual is learned from a few acts a day only. */
function countWithin(slab: Slab, at: number, bin: number, seen: SeenAction): void {
  const { f, u } = slab;
  if (seen.day > (u[S.STRETCH_DAY] ?? 0)) {
    u[S.STRETCH_DAY] = seen.day;
    f[S.STRETCH] = 0;
  }
  if (seen.guarded && bin > 0 && bin > usual(slab, at, 0.01) && (f[S.DAYS] ?? 0) > HABIT_DAYS) {
    if ((f[S.STRETCH] ?? 0) >= STRETCH_A_DAY) return;
    f[S.STRETCH] = (f[S.STRETCH] ?? 0) + 1;
  }
  count(slab, at, bin);
}

/** A person has looked at this act and finds it as it should be: it is a habit from here on, and what it left is forgotten. */
export function teachExpected(own: Slab, seen: SeenAction, hour: number): void {
  const { f, u } = own;
  begins(own, seen);
  u[S.LAST] = seen.now;
  seen.typeSlot = typeSlotOf(own, seen);
  const { typeSlot } = seen;
  const habit = ((HABIT_DAYS << 16) | (seen.day & 0xffff)) >>> 0;
  if (seen.keySlot < 0) {
    seen.keySlot = takeSlot(own, S.KEYS, seen.key, S.KEY.acts, "f");
    u[seen.keySlot + S.KEY.first] = seen.day;
  }
  const add = (i: number): void => {
    f[i] = (f[i] ?? 0) + EXPECTED_ACTS;
  };
  add(seen.keySlot + S.KEY.acts);
  u[seen.keySlot + S.KEY.days] = Math.max(u[seen.keySlot + S.KEY.days] ?? 0, habit);
  add(S.ACTS);
  add(typeSlot + S.TYPE.acts);
  if (seen.task) add(typeSlot + S.TYPE.tasked);
  if (seen.task) add(S.TASKED);
  if (seen.other) add(typeSlot + S.TYPE.other);
  if (seen.resource !== 0) {
    resource(own, seen, true);
    const i = findResource(own, seen.resource);
    if (i >= 0) u[i + S.RESOURCE.used] = ((u[i + S.RESOURCE.used] ?? 0) | HABIT_DAYS) >>> 0;
  }
  if (seen.source !== 0) {
    if (seen.sourceSlot < 0) seen.sourceSlot = sourceSlotFor(own, seen.source);
    if (u[seen.sourceSlot + S.SOURCE.first] === 0) u[seen.sourceSlot + S.SOURCE.first] = seen.now;
    u[seen.sourceSlot + S.SOURCE.last] = seen.now;
    u[seen.sourceSlot + S.SOURCE.days] = Math.max(u[seen.sourceSlot + S.SOURCE.days] ?? 0, habit);
  }
  add(S.HOURS + hour);
  add(S.HOURS_SUM);
  const held = u[typeSlot + S.TYPE.held] ?? 0;
  for (let k = 0; held !== 0 && k < 3; k++) {
    count(own, binsOf(S.TYPE_RATE_BINS, typeSlot), held >>> 8);
    count(own, binsOf(S.TYPE_FAN_BINS, typeSlot), held & 0xff);
  }
  forgive(own);
}

function findResource({ u }: Slab, resource: number): number {
  const set = S.RESOURCES.at + (resource % S.RESOURCES.sets) * S.RESOURCES.width;
  for (let i = set; i < set + S.RESOURCES.width; i += 2) if (u[i] === resource) return i;
  return -1;
}

/** A person lets it go on: what is held against it so far counts no more. Habits stay. */
export function forgive(own: Slab): void {
  const { f, u } = own;
  f[S.MEMORY] = f[S.RATE] = f[S.SESSION_RATE] = f[S.HOUR_SEEN] = 0;
  f.fill(0, S.ODDS, S.ODDS + TESTS);
  clear(own, S.SESSIONS);
  clear(own, S.DENIES);
  for (let i = S.TYPES.at; i < S.TYPES.at + S.TYPES.slots * S.TYPES.width; i += S.TYPES.width) {
    f[i + S.TYPE.rate] = f[i + S.TYPE.fan] = 0;
    u[i + S.TYPE.held] = 0;
    if ((f[i + S.TYPE.norm] ?? 0) > 0) f[i + S.TYPE.norm] = Math.max(f[i + S.TYPE.norm] ?? 0, f[i + S.TYPE.long] ?? 0);
  }
  for (let i = S.SOURCES.at; i < S.SOURCES.at + S.SOURCES.slots * S.SOURCES.width; i += S.SOURCES.width) f[i + S.SOURCE.meanwhile] = 0;
}
