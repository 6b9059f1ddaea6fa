/** One act against what is known of its agent, and of its purpose's agents: what each channel makes of it. Changes nothing but `Seen`. */
import type { Act } from "../contract/index.js";
import { weigh } from "./evidence.js";
import { hash } from "./hash.js";
import { poisson } from "./histogram.js";
import { order } from "./order.js";
import { busyNow, fanOut, hour, longRun, rate } from "./pace.js";
import { CHANNEL, START, type SeenAction } from "./seen_action.js";
import {
  ACTS,
  DAYS,
  DENIAL,
  DENIED,
  DENIES,
  KEY,
  KEYS,
  LAST,
  NOVEL,
  RESOURCE,
  RESOURCES,
  SESSION,
  SESSIONS,
  SESSIONS_BEGUN,
  SOURCE,
  SOURCES,
  SOURCES_NEW,
  TAKER,
  TASKED,
  TYPE,
  TYPES,
  takersOf,
  type Slab,
} from "./slab.js";
import { daysOf, faded, find } from "./tables.js";

/** Epoch of the times of resources, in seconds: they fit beside the days. */
export const EPOCH_S = 1_577_836_800;
const DAY_S = 86_400;
/** Seconds within which a resource counts once. */
const FRESH_AFTER_S = 600;
/** A kind of act that was denied counts as tried for a quarter of an hour: who probes tries many kinds within it. */
export const DENIED_WITHIN_S = 900;
/** Seconds of silence after which a session begins again. */
const SESSION_GAP_S = 4 * 3_600;
/** Resources of a session are counted up to here. */
export const SUBJECTS_MAX = 255;
/** Weight of the peers' behaviour, in acts of an agent's own: much for a newcomer, nothing for an old hand. */
const PEERS_WEIGH = 20;
/** Others of the purpose that do a kind of act: from the first of these numbers on they count, and from the second on it is the purpose's work. */
const [ROLE_FROM, ROLE_AT] = [1, 3];
/** A habit is one after so many days. */
export const HABIT_DAYS = 3;
/** Time for which what established sources do is held against a new one. */
export const MEANWHILE_HALF_S = 5_400;
/** A source that comes within so many seconds of what an established one did has come while that was at work: who moves stops first. */
const AT_WORK_S = 900;

export function look(act: Act, own: Slab, peers: Slab, seen: SeenAction): void {
  begin(act, own, peers, seen);
  seen.decades.fill(0);
  seen.most.fill(9);
  what(own, peers, seen);
  resource(own, seen);
  source(own, seen);
  busyNow(own, peers, seen);
  hour(own, peers, seen);
  order(own, peers, seen);
  rate(own, peers, seen);
  fanOut(own, peers, seen);
  longRun(own, seen);
  denies(own, seen);
  ticket(own, seen);
  weigh(own, peers, seen);
}

/** Sets the act's time, day, hour, hashes and slots in the slabs. */
function begin(act: Act, own: Slab, peers: Slab, seen: SeenAction): void {
  const { u } = own;
  seen.done = secondOf(act.time_ms);
  seen.now = Math.max(seen.done, u[LAST] ?? 0);
  seen.day = Math.floor(seen.now / DAY_S);
  const local = seen.now + Math.round(act.offset_ms / 1000);
  seen.localDay = Math.floor(local / DAY_S);
  seen.hour = Math.floor((local - seen.localDay * DAY_S) / 3_600);
  seen.version = hash(act.version);
  seen.bit = 1 << (hash(act.agent) & 31);
  seen.type = hash(act.type);
  seen.key = hash(act.verb, seen.type);
  seen.resource = act.id === null ? 0 : hash(act.id, seen.type);
  seen.source = act.source === null ? 0 : hash(act.source);
  seen.session = act.session !== null ? hash(act.session) : act.task !== null ? hash(act.task) : 0;
  seen.task = act.task !== null;
  seen.other = act.relation === "other";
  seen.labelled = act.labels !== undefined && act.labels.length > 0;
  seen.needed = seen.task && act.relation === "task";
  seen.acts = own.f[ACTS] ?? 0;
  seen.keySlot = find(own, KEYS, seen.key);
  seen.times = seen.keySlot < 0 ? 0 : (own.f[seen.keySlot + KEY.acts] ?? 0);
  seen.typeSlot = find(own, TYPES, seen.type);
  seen.peerSlot = find(peers, KEYS, seen.key);
  beginSession(own, seen);
}

/** Whole seconds; what is no time is the epoch, and what is beyond 32 bits their end. */
function secondOf(ms: number): number {
  return ms > 0 ? Math.min(0xffffffff, Math.floor(ms / 1000)) : 0;
}

function beginSession(own: Slab, seen: SeenAction): void {
  const { f, u } = own;
  seen.sessionSlot = -1;
  seen.before = seen.before2 = START;
  seen.run = seen.subjects = 0;
  if (seen.session === 0) return;
  const i = find(own, SESSIONS, seen.session);
  if (i < 0 || seen.now - (u[i + SESSION.last] ?? 0) > SESSION_GAP_S) return;
  seen.sessionSlot = i;
  seen.before = u[i + SESSION.before] ?? START;
  seen.before2 = u[i + SESSION.before2] ?? START;
  seen.run = f[i + SESSION.run] ?? 0;
  seen.subjects = (u[i + SESSION.touched] ?? 0) & SUBJECTS_MAX;
}

/** Share of all it does that is no more usual than this; for a kind of act that is new, how often it does new ones. */
function what(own: Slab, peers: Slab, seen: SeenAction): void {
  const { f, u } = own;
  const { times, acts, peerSlot } = seen;
  const novelty = ((f[NOVEL] ?? 0) + 2) / (acts + PEERS_WEIGH);
  // What was done on three days is a habit, and before it is on probation: it is as rare as new things are.
  const habit = seen.keySlot >= 0 && (daysOf(u[seen.keySlot + KEY.days] ?? 0) >= HABIT_DAYS || (f[DAYS] ?? 0) <= HABIT_DAYS);
  let rarer = 0;
  if (habit) {
    for (let i = KEYS.at; i < KEYS.at + KEYS.slots * KEYS.width; i += KEYS.width) {
      const n = f[i + KEY.acts] ?? 0;
      if (n <= times) rarer += n;
    }
  }
  const share = peerSlot < 0 ? 0 : (peers.f[peerSlot + KEY.acts] ?? 0) / Math.max(1, peers.f[ACTS] ?? 0);
  const tail = (rarer + PEERS_WEIGH * Math.min(1, 5 * share)) / (acts + PEERS_WEIGH) + novelty;
  seen.decades[CHANNEL.what] = Math.max(0, -Math.log10(tail));
  // A habit is rare at most, and a new verb on a type it works with is less than a type it never touched.
  seen.most[CHANNEL.what] = habit ? 1.7 : seen.keySlot >= 0 ? 2.5 : seen.typeSlot >= 0 ? 3.5 : 5;
  takers(peers, seen);
}

/** Rates whether others of the purpose do this kind of act; and whether it is new for all: several that had never done it took it up in the last two days. */
function takers({ u }: Slab, seen: SeenAction): void {
  seen.release = 0;
  seen.peersDoing = 0;
  seen.role = 0;
  if (seen.peerSlot < 0) return;
  const i = takersOf(seen.peerSlot);
  const others = ~seen.bit;
  const today = (u[i + TAKER.day] ?? 0) === seen.day ? (u[i + TAKER.today] ?? 0) | (u[i + TAKER.yesterday] ?? 0) : 0;
  const yesterday = (u[i + TAKER.day] ?? 0) === seen.day - 1 ? (u[i + TAKER.today] ?? 0) : 0;
  const lately = (today | yesterday) & others;
  seen.peersDoing = ones((u[i] ?? 0) & others);
  seen.role = Math.max(0, Math.min(1, (seen.peersDoing - ROLE_FROM) / (ROLE_AT - ROLE_FROM)));
  const began = ones(lately);
  if (began >= 3 && seen.times < 30) seen.release = Math.min(1, began / (2 + 2 * ones((u[i] ?? 0) & others & ~lately)));
}

function ones(set: number): number {
  let n = set - ((set >>> 1) & 0x55555555);
  n = (n & 0x33333333) + ((n >>> 2) & 0x33333333);
  return Math.imul((n + (n >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

/** A resource it doesn't know, of a type whose resources it mostly comes back to. */
function resource({ f, u }: Slab, seen: SeenAction): void {
  seen.resourceSlot = -1;
  seen.known = false;
  seen.fresh = seen.resource !== 0;
  seen.returning = 0;
  if (seen.resource === 0) return;
  const set = RESOURCES.at + (seen.resource % RESOURCES.sets) * RESOURCES.width;
  for (let i = set; i < set + RESOURCES.width; i += 2) {
    if (u[i] !== seen.resource) continue;
    const word = u[i + RESOURCE.used] ?? 0;
    seen.resourceSlot = i;
    seen.known = (word & 3) === HABIT_DAYS;
    seen.fresh = seen.now - EPOCH_S - (word >>> 2) > FRESH_AFTER_S;
  }
  if (seen.typeSlot < 0) return;
  const n = f[seen.typeSlot + TYPE.met] ?? 0;
  const known = f[seen.typeSlot + TYPE.known] ?? 0;
  seen.returning = known / Math.max(1, n);
  if (!seen.known) seen.decades[CHANNEL.resource] = Math.max(0, -Math.log10((n - known + 1) / (n + 2)));
}

/** A source it isn't known from; more so while those it is known from go on working. */
function source(own: Slab, seen: SeenAction): void {
  const { f, u } = own;
  seen.sourceSlot = -1;
  seen.meanwhile = 0;
  if (seen.source === 0) return;
  const i = find(own, SOURCES, seen.source);
  seen.sourceSlot = i;
  if (i >= 0 && daysOf(u[i + SOURCE.days] ?? 0) >= HABIT_DAYS) return;
  const isNew = Math.min(1, ((f[SOURCES_NEW] ?? 0) + 2) / ((f[SESSIONS_BEGUN] ?? 0) + 10));
  let decades = -Math.log10(isNew);
  if (i >= 0) {
    seen.meanwhile = faded(f[i + SOURCE.meanwhile] ?? 0, seen.now - (u[i + SOURCE.meanwhileAt] ?? 0), MEANWHILE_HALF_S);
    decades -= Math.log10(1 + (f[i + SOURCE.sessions] ?? 0) / 4);
  } else if (isAtWork(own, seen.now)) seen.meanwhile = 1;
  decades += Math.min(3, 1.5 * seen.meanwhile);
  seen.decades[CHANNEL.source] = Math.max(0, decades);
}

/** Returns true if an established source was in use in the last minutes. */
function isAtWork({ u }: Slab, now: number): boolean {
  for (let i = SOURCES.at; i < SOURCES.at + SOURCES.slots * SOURCES.width; i += SOURCES.width)
    if (daysOf(u[i + SOURCE.days] ?? 0) >= HABIT_DAYS && now - (u[i + SOURCE.last] ?? 0) <= AT_WORK_S) return true;
  return false;
}

/** More kinds of act denied than it is usually denied acts. */
function denies({ f, u }: Slab, seen: SeenAction): void {
  let kinds = 0;
  for (let i = DENIES.at; i < DENIES.at + DENIES.slots * DENIES.width; i += DENIES.width)
    if (u[i + DENIAL.when] !== 0 && seen.now - (u[i + DENIAL.when] ?? 0) <= DENIED_WITHIN_S) kinds++;
  seen.denied = kinds;
  const usual = 0.3 + (30 * (f[DENIED] ?? 0)) / (seen.acts + 100);
  if (kinds > usual) seen.decades[CHANNEL.denies] = poisson(kinds, usual);
}

/** No task where such acts have one; or about another's subject where they are about the task's. */
function ticket({ f }: Slab, seen: SeenAction): void {
  seen.tasked = 0;
  if (seen.task && !seen.other) return;
  const typed = seen.typeSlot >= 0 && (f[seen.typeSlot + TYPE.acts] ?? 0) > 30;
  const n = typed ? (f[seen.typeSlot + TYPE.acts] ?? 0) : seen.acts;
  const other = typed ? (f[seen.typeSlot + TYPE.other] ?? 0) : 0;
  const usual = seen.task ? n - other : typed ? (f[seen.typeSlot + TYPE.tasked] ?? 0) : (f[TASKED] ?? 0);
  seen.tasked = usual / Math.max(1, n);
  seen.decades[CHANNEL.ticket] = Math.max(0, -Math.log10((n - usual + 1) / (n + 2)));
}
