/** Results of one look at an act. One object is filled again and again: a look allocates nothing. */
import { BEHAVIOR_CHANNELS, type BehaviorChannel } from "../contract/index.js";

/** Index of each channel in arrays of them. */
export const CHANNEL = Object.fromEntries(BEHAVIOR_CHANNELS.map((name, i) => [name, i])) as Record<BehaviorChannel, number>;
export const CHANNELS = BEHAVIOR_CHANNELS.length;

/** Sequential tests, of what adds up over sessions. */
export const TESTS = 3;

/** The step before the first of a session. */
export const START = 1;

export class SeenAction {
  /** False: nothing is on probation, and a day teaches without bound. For measurements of what that is worth. */
  guarded = true;
  /** Seconds since the epoch: never before what was last heard of the agent. */
  now = 0;
  /** The second that the act itself gives: before `now` if another node decided it, and this one heard of it late. */
  done = 0;
  /** Days since the epoch, in UTC; then in the local time of the purpose. */
  day = 0;
  localDay = 0;
  /** Local hour, 0-23. */
  hour = 0;
  /** Hashes; 0: absent. */
  version = 0;
  type = 0;
  key = 0;
  resource = 0;
  source = 0;
  session = 0;
  /** The agent's bit in sets of a purpose's agents. */
  bit = 0;
  task = false;
  /** About another subject than its task's. */
  other = false;
  /** The resource's type has labels; and the resource belongs to what the task is about. */
  labelled = false;
  needed = false;

  /** Slots in the agent's slab, -1: none. */
  keySlot = -1;
  typeSlot = -1;
  sourceSlot = -1;
  sessionSlot = -1;
  resourceSlot = -1;
  /** Slot in the purpose's slab, -1: none. */
  peerSlot = -1;

  /** The resource is one it has come back to for days. */
  known = false;
  /** The resource hasn't been used in the last minutes. */
  fresh = false;
  /** Number of times that it has done this, and of acts that it has done. */
  times = 0;
  acts = 0;
  /** Agents of the purpose that ever did this, and that there are. */
  peersDoing = 0;
  /** 0-1: peers have taken this up in the last two days, and none had before. */
  release = 0;
  /** 0-1: others of the purpose do this kind of act. */
  role = 0;
  /** 0-1: the whole purpose has more to do than usual; and how many times as much as is still usual, 1 or more. */
  busy = 0;
  load = 1;
  /** Share of a type's acts that are on known resources, that have a task (or are about it). */
  returning = 0;
  tasked = 0;
  /** Sessions that established sources began since this source first came, and one for those that were at work then. */
  meanwhile = 0;
  /** This hour's share of its acts, and its acts in it today. */
  hourShare = 0;
  hourActs = 0;
  /** Acts of the last minutes, of this type, distinct resources of it; distinct resources of the session. */
  rate = 0;
  typeRate = 0;
  /** Sessions begun in the last minutes, with this act's. */
  sessionRate = 0;
  fan = 0;
  subjects = 0;
  newSubject = false;
  /** Which says most: of all acts, of the type or of sessions; of ten minutes or of the session. And where its bins are. */
  rateOfType = false;
  rateOfSessions = false;
  fanOfSession = false;
  rateBins = 0;
  fanBins = 0;
  /** Kinds of act that were denied in the last quarter of an hour. */
  denied = 0;
  /** The two steps before, the surprise of this one in bits, the run of odd steps, and how new it is: 0 (often done) to 3. */
  before = START;
  before2 = START;
  bits = 0;
  run = 0;
  newness = 0;
  /** Likelihood ratio, in bits, of the step among the agent's own steps in any order against its own order. */
  shuffled = 0;
  /** For each sequential test: the session's highest bin and its level, and the odds, with this act. */
  readonly bin = new Int32Array(TESTS);
  readonly level = new Int32Array(TESTS);
  readonly odds = new Float64Array(TESTS);
  /** Run of steps that look shuffled in the session, with this act. */
  shuffledRun = 0;
  /** Weight of the resources with labels that the session has read, with this act. */
  tally = 0;
  /** The test whose odds reach what a finding takes, -1: none; and how near to that the nearest is that this act adds to, 0-1. */
  found = -1;
  near = 0;
  /** The test that is nearest, -1: none. */
  nearest = -1;
  /** Highest bins of a session that has ended with this act; -1: none. */
  readonly ended = new Int32Array(TESTS);
  /** Resources of the type in the last days, their baseline, and how many are beyond it by now. */
  long = 0;
  norm = 0;
  beyond = 0;

  /** Rarity in decades, and the most that may be made of it, since what is rare need not be large. */
  readonly decades = new Float64Array(CHANNELS);
  readonly most = new Float64Array(CHANNELS);
}
