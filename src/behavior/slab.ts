/**
 * All that is known of one agent, or of one purpose's agents together: one block of bytes, so that its size is its bound and a copy of it is
 * all there is to keep. Offsets are defined here alone; the modules that use them say what they mean. Times are whole
 * seconds since the epoch, days are days since then.
 */
import { BEHAVIOR_CHANNELS } from "../contract/index.js";

/** Levels of oddness that an agent's day has in each channel. */
export const LEVELS_MAX = 3;

export interface Slab {
  readonly bytes: Uint8Array;
  readonly f: Float32Array;
  readonly u: Uint32Array;
  readonly h: Uint16Array;
}

/**
 * Keyed slots. Keys stand together, apart from what is kept under them: a search reads a few lines of the processor's cache, and
 * those of an agent that was not heard of for a while have all to come from memory.
 */
export interface SlabTable {
  /** Index of the first key; 0 is the key of an empty slot. */
  readonly keys: number;
  /** Index of the first slot; its words are counted from 1. */
  readonly at: number;
  readonly slots: number;
  /** Words of a slot, its key apart. */
  readonly width: number;
}

/** Offsets of a slot's words from the slot's index, by name. */
export type SlotWords<Name extends string> = Readonly<Record<Name, number>>;

let bytes = 0;

/** @returns index of the first of so many elements of this size, in the view of that size */
function place(count: number, size: 1 | 2 | 4): number {
  const at = Math.ceil(bytes / size);
  bytes = (at + count) * size;
  return at;
}

/**
 * @param words how many words a slot has under each name, in order
 * @returns the table, and where each name's words begin in a slot: apart, so that all tables are of one shape for the engine
 */
function table<Name extends string>(slots: number, words: Readonly<Record<Name, number>>): [SlabTable, SlotWords<Name>] {
  const offsets = {} as Record<Name, number>;
  let width = 0;
  for (const name of Object.keys(words) as Name[]) {
    offsets[name] = width + 1;
    width += words[name];
  }
  const keys = place(slots, 4);
  return [{ keys, at: place(slots * width, 4) - 1, slots, width }, offsets];
}

/** Returns the index of a slot's key. */
export function keyAt({ keys, at, width }: SlabTable, slot: number): number {
  return keys + (slot - at) / width;
}

let word = place(16, 4);
const next = (): number => word++;

/** First and last action. */
export const BORN = next();
export const LAST = next();
/** Hash of the version it has. */
export const VERSION = next();
/** Acts learned from, and how many of them were of a kind it had never done; both fade. */
export const ACTS = next();
export const NOVEL = next();
/** Number of them that belonged to a task. */
export const TASKED = next();
/** Days on which it was active, and the last of them. */
export const DAYS = next();
export const DAY = next();
/** Denied acts; fades with `ACTS`. */
export const DENIED = next();
/** Sessions begun, and how many of them from a source it had never used. */
export const SESSIONS_BEGUN = next();
export const SOURCES_NEW = next();
/** Mean surprise of a step, in bits. */
export const BITS = next();
/** All that `HOURS` hold. */
export const HOURS_SUM = next();
/** On this day, by how many acts the largest of usual quantities have grown. */
export const STRETCH_DAY = next();
export const STRETCH = next();
/** When the latest checkpoint was taken. */
export const CHECKED = next();

/** (verb, type): acts, days << 16 | last day, first day. */
export const [KEYS, KEY] = table(64, { acts: 1, days: 1, first: 1 });
/**
 * Type: acts, of them with a task, about another's subject, on a resource it knows; acts of the last minutes, when; resources of the
 * last minutes, when; resources of the last days, their baseline, as of which day; the largest bins while flagged (rate << 8 | fan-out);
 * resources beyond the baseline since it was last kept to; acts on resources it knew or met for the first time. Until there is a baseline,
 * its day is that on which the type was first met.
 */
export const [TYPES, TYPE] = table(16, {
  ...{ acts: 1, tasked: 1, other: 1, known: 1 },
  ...{ rate: 1, rateAt: 1, fan: 1, fanAt: 1 },
  ...{ long: 1, norm: 1, normDay: 1, held: 1, beyond: 1, met: 1 },
});
/** Source: sessions, first, last, days << 16 | last day, sessions of established ones meanwhile, as of when. */
export const [SOURCES, SOURCE] = table(8, { sessions: 1, first: 1, last: 1, days: 1, meanwhile: 1, meanwhileAt: 1 });
/** Acts by hour of the local day. */
export const HOURS = place(24, 4);
/** Four to a set: resource, seconds << 2 | days it was used on, up to three. The last of a set is for what may not teach. */
export const RESOURCES = { at: place(192 * 2, 4), sets: 48, width: 8 };
export const RESOURCE: SlotWords<"used"> = { used: 1 };
/** Here end habits and begins what passes: a checkpoint holds what is before. */
export const PASSING = place(0, 4);

word = place(14, 4);
/** Memory of odd acts, when it was last updated, and the channel that scored highest. */
export const MEMORY = next();
export const MEMORY_AT = next();
export const MEMORY_WHY = next();
/** Acts of the last minutes, faded. */
export const RATE = next();
/** Sessions begun in the last minutes, faded. */
export const SESSION_RATE = next();
/** The hour that is going on, and acts in it. */
export const HOUR_NOW = next();
export const HOUR_SEEN = next();
/** Acts of the last hours, faded; of a purpose also how many are usual at these hours, and the last hour that was counted in. */
export const BUSY = next();
export const BUSY_USUAL = next();
export const BUSY_HOUR = next();
/** Evidence of each sequential test, as odds; and sessions that have ended, which fade with `ACTS`. */
export const ODDS = next();
next();
next();
export const ENDED = next();
/**
 * Last day on which each hour of the local day was worked, and what the hour has gained on that day. An agent may work in several zones at
 * once, so that no hour of a day is the only one that gains.
 */
export const HOURS_DAY = place(24, 2);
export const HOURS_GAIN = place(24, 2);
/**
 * Session: last, step before, the one before that, run of odd steps, resources (up to 255) and above them a set of its types, two
 * words of a set of resources; what the sequential tests know of it (see `evidence.ts`), and the part of each test's odds that began after it.
 */
export const [SESSIONS, SESSION] = table(11, { last: 1, before: 1, before2: 1, run: 1, touched: 1, used: 2, known: 1, after: 3 });
/** Denied (verb, type): when. */
export const [DENIES, DENIAL] = table(9, { when: 1 });

word = place(4, 4);
/**
 * The local day on which groups count the agent, shifted by eight bits, and below it the kinds of groups for which a finding names it on that
 * day, a bit each; the purpose of its first act of that day and its owner, by hash; the source of its latest odd act.
 */
export const GROUP_DAY = next();
export const GROUP_PURPOSE = next();
export const GROUP_OWNER = next();
export const ODD_SOURCE = next();
/** Types that it was odd with on that day, the first of them: the highest level of each channel, two bits each. */
export const [ODD_TYPES, ODD_TYPE] = table(3, { levels: 1 });

export const BINS = 16;
const histogram = (): number => place(BINS, 2);
/**
 * Sessions by the highest bin of each sequential test, and acts by the sessions begun in the minutes before. A checkpoint does without: after
 * going back to one, both begin with the peers' again.
 */
export const TEST_BINS = histogram();
histogram();
histogram();
export const SESSION_RATE_BINS = histogram();
export const RATE_BINS = histogram();
export const ALL_RATE_BINS = histogram();
export const ALL_FAN_BINS = histogram();
export const SUBJECT_BINS = histogram();
export const STEP_BINS = histogram();
export const RUN_BINS = histogram();
export const NOVEL_BINS = histogram();
/** One a slot of `TYPES`. */
export const TYPE_RATE_BINS = place(16 * BINS, 2);
export const TYPE_FAN_BINS = place(16 * BINS, 2);

/** Counts of steps, by hash, in two rows. */
export const GRAMS = { at: place(4096, 1), row: 2048 };

/** An agent's slab ends here; a purpose's has, beside each key, sets of agents: that ever did it, that began to on a day, on the day before; that day. */
export const AGENT_BYTES = Math.ceil(bytes / 8) * 8;
const TAKERS = place(KEYS.slots * 4, 4);
export const TAKER: SlotWords<"today" | "yesterday" | "day"> = { today: 1, yesterday: 2, day: 3 };
/** Returns the index of the first of a key's sets of agents. */
export function takersOf(keySlot: number): number {
  return TAKERS + (4 * (keySlot - KEYS.at)) / KEYS.width;
}

/** A purpose's days of agents; and types that agents were odd with: on how many of these days, on how many each channel had each level or more. */
export const AGENT_DAYS = place(1, 4);
export const [TYPE_DAYS, TYPE_DAY] = table(8, { days: 1, levels: BEHAVIOR_CHANNELS.length * LEVELS_MAX });

/** People's verdicts on findings about behaviour in the purpose, and the score by which they move its thresholds. */
export const JUDGED_EXPECTED = place(1, 4);
export const JUDGED_MISUSE = place(1, 4);
export const MOVED = place(1, 4);

export const PURPOSE_BYTES = Math.ceil(bytes / 8) * 8;

export function agentSlab(): Slab {
  return over(new ArrayBuffer(AGENT_BYTES));
}

export function purposeSlab(): Slab {
  return over(new ArrayBuffer(PURPOSE_BYTES));
}

export function over(buffer: ArrayBuffer): Slab {
  return {
    bytes: new Uint8Array(buffer),
    f: new Float32Array(buffer),
    u: new Uint32Array(buffer),
    h: new Uint16Array(buffer),
  };
}
