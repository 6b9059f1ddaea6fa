/**
 * Sequential tests of what is odd a little, for long: each session bets against the agent's habits, and what is won adds up over sessions.
 *
 * A session's value in a test is the highest of its acts'. Its rarity among the agent's earlier sessions, with some of its purpose's, is a
 * p-value `p`, and its bet an e-value `e(p)`: a falling function whose integral over 0-1 is 1, so that habits can't win on average. The odds
 * are the sum, over all sessions with which the deviation may have begun, of the product of the bets since (Shiryaev-Roberts). If a session
 * is as odd as earlier ones, and doesn't depend on those beside it, odds grow by at most one a session on average. They therefore reach `c`
 * at most once in `c` sessions, and `c` is chosen from how many sessions the agent has in a year.
 *
 * A session that goes on can only get odder, and its bet only better: the odds of a moment are never more than those that it ends with.
 */
import { count, octaves, total } from "./histogram.js";
import { BINS, DAYS, ENDED, ODDS, SESSION, SESSIONS, TEST_BINS, type Slab } from "./slab.js";
import { CHANNEL, TESTS, type SeenAction } from "./seen_action.js";

/**
 * Tests: own steps in another order; resources beside what a session is about, out of order or without a task; resources with labels,
 * beyond what sessions need.
 */
export const SHUFFLED = 0;
export const BESIDE = 1;
export const LABELLED = 2;

/** Findings by chance of one agent and test in a year of active days, at most. */
export const FALSE_A_YEAR = 2;
/** Sessions and active days before a test finds anything. */
const FROM = { sessions: 30, days: 3 };
/** The least odds that a finding takes, of an agent with few sessions. */
const ODDS_LEAST = 25;
/** Odds of an agent that has no findings yet stay finite. */
const ODDS_MAX = 1e9;
/** Sessions of the purpose's that stand in for own ones. */
const PEERS_WEIGH = 60;
/** A step says no more than this for or against, in bits. */
const STEP_MOST = 10;
/** On a busy release, what is new says less by this share. */
const IN_RELEASE = 0.8;
/** Decades of `ticket` from which a missing task counts, at most, and what each is worth in bits. */
const TASKLESS = { from: 1.3, most: 2.5, bits: 4 };

/** Weight of a resource with labels in its session: about what its task is about, and not. */
const [NEEDED, BEYOND_NEED] = [1, 4];
/** A session's weight is counted up to here. */
const TALLY_MAX = 63;
/** On a release of at least this share, what has labels is learned, and no evidence. */
const RELEASED = 0.5;

/** p-values up to which a bet wins, and the share of the stake on each: quick for steps, which come in bursts, and slow for reads. */
const STAKES: readonly (readonly { upTo: number; share: number }[])[] = [
  [
    { upTo: 0.05, share: 0.08 },
    { upTo: 0.01, share: 0.12 },
    { upTo: 0.003, share: 0.06 },
  ],
  [
    { upTo: 0.05, share: 0.05 },
    { upTo: 0.02, share: 0.06 },
    { upTo: 0.005, share: 0.03 },
  ],
  [
    { upTo: 0.05, share: 0.05 },
    { upTo: 0.02, share: 0.06 },
    { upTo: 0.005, share: 0.03 },
  ],
];
const LEVELS = 4;
/** Value of a bet, by test and by how many of its p-values are reached. */
const BETS = Float64Array.from({ length: TESTS * LEVELS }, (_, i) => {
  const stakes = STAKES[Math.floor(i / LEVELS)] ?? [];
  const kept = 1 - stakes.reduce((sum, { share }) => sum + share, 0);
  return stakes.slice(0, i % LEVELS).reduce((sum, { upTo, share }) => sum + share / upTo, kept);
});
const LEVEL_UP_TO = Float64Array.from({ length: TESTS * (LEVELS - 1) }, (_, i) => {
  return STAKES[Math.floor(i / (LEVELS - 1))]?.[i % (LEVELS - 1)]?.upTo ?? 0;
});

/** Words of a session: the types it has touched, what is known of it, odds that began after it. */
const { touched: TOUCHED, known: KNOWN, after: AFTER } = SESSION;
/** Parts of the second: for each test four bits of its bin and two of its level; then the run, in quarters of a bit; and the tally of labels. */
const [BIN_BITS, LEVEL_BITS, TEST_BITS, RUN_AT, RUN_SCALE, RUN_MAX, TALLY_AT] = [4, 2, 6, 18, 4, 255, 26];

/** A type's bit beside the count of resources, by hash. */
const typeBit = ({ type }: SeenAction): number => 1 << (8 + (type % 24));

const binIn = (known: number, test: number): number => (known >>> (test * TEST_BITS)) & (BINS - 1);
const levelIn = (known: number, test: number): number => (known >>> (test * TEST_BITS + BIN_BITS)) & ((1 << LEVEL_BITS) - 1);
const betOf = (test: number, level: number): number => BETS[test * LEVELS + level] ?? 1;

/** Returns the channel under which a test's finding is named. */
export function channelOf(test: number): number {
  return CHANNEL_OF[test] ?? CHANNEL.drift;
}
const CHANNEL_OF = [CHANNEL.order, CHANNEL.drift, CHANNEL.labels];

/** Returns true once the agent has read something with labels. Until then the test of labels, the last one, isn't run: it would cost and find nothing. */
function readsLabels({ f, h }: Slab): boolean {
  return (h[LABELLED_BINS] ?? 0) > 0 || (f[ODDS + LABELLED] ?? 0) > 0;
}
const WITHOUT_LABELS = TESTS - 1;
const LABELLED_BINS = TEST_BINS + LABELLED * BINS;

/** Returns what a session of this rarity is worth in a test: at most 1 on average, if sessions are as they always were. */
export function bet(test: number, p: number): number {
  return betOf(test, levelOf(test, p));
}

/** Weighs this act in its session, and what the odds are with it. */
export function weigh(own: Slab, peers: Slab, seen: SeenAction): void {
  const { f, u } = own;
  seen.found = -1;
  seen.nearest = -1;
  seen.near = seen.shuffledRun = 0;
  if (seen.session === 0) return;
  const i = seen.sessionSlot;
  const known = i < 0 ? 0 : (u[i + KNOWN] ?? 0);
  const more = Math.max(-STEP_MOST, Math.min(STEP_MOST, seen.shuffled)) * (1 - IN_RELEASE * seen.release);
  seen.shuffledRun = Math.max(0, ((known >>> RUN_AT) & RUN_MAX) / RUN_SCALE + more);
  seen.tally = tallied(seen, known >>> TALLY_AT);
  const tests = seen.labelled || readsLabels(own) ? TESTS : WITHOUT_LABELS;
  for (let test = 0; test < tests; test++) {
    const [bin, level] = [binIn(known, test), levelIn(known, test)];
    const value = binOf(test, own, seen, more, known);
    seen.bin[test] = Math.max(bin, value);
    seen.level[test] = level;
    const begun = i < 0 ? ((f[ODDS + test] ?? 0) + 1) * betOf(test, 0) : (f[ODDS + test] ?? 0);
    seen.odds[test] = begun;
    if (value === 0 || value < bin) continue;
    if (value > bin) {
      const isRelease = test === LABELLED && seen.release >= RELEASED;
      if (!isRelease) seen.level[test] = Math.max(level, levelOf(test, rarityOf(own, peers, test, value)));
      const after = i < 0 ? 0 : (f[i + AFTER + test] ?? 0);
      seen.odds[test] = after + ((begun - after) * betOf(test, seen.level[test] ?? 0)) / betOf(test, level);
    }
    if (seen.level[test] !== 0) judge(own, seen, test);
  }
}

/** Odds at which a test finds something, from the sessions that the agent has in a year; Infinity before it has had enough of them. */
export function oddsTaken({ f }: Slab): number {
  const [sessions, days] = [f[ENDED] ?? 0, f[DAYS] ?? 0];
  if (sessions < FROM.sessions || days <= FROM.days) return Infinity;
  return Math.max(ODDS_LEAST, (365 * sessions) / days / FALSE_A_YEAR);
}

/** Evidence that a test has gathered over an agent's sessions. */
export interface TestEvidence {
  /**
   * `order`: own steps in another order. `drift`: resources beside what a session is about, out of order or without a task. `labels`:
   * resources with labels, beyond what sessions need.
   */
  test: "order" | "drift" | "labels";
  /** Odds for a deviation, as they stand. */
  odds: number;
  /** Odds at which it finds one; null before there were enough sessions to say. */
  finds_at: number | null;
}

/** Returns the evidence of each test as it stands. */
export function evidenceOf(own: Slab): TestEvidence[] {
  const takes = oddsTaken(own);
  const rounded = (odds: number): number => Math.round(odds * 100) / 100;
  return TEST_NAMES.map((name, test) => ({
    test: name,
    odds: rounded(own.f[ODDS + test] ?? 0),
    finds_at: takes === Infinity ? null : rounded(takes),
  }));
}
const TEST_NAMES = ["order", "drift", "labels"] as const;

function judge(own: Slab, seen: SeenAction, test: number): void {
  const takes = oddsTaken(own);
  if (takes === Infinity) return;
  const odds = seen.odds[test] ?? 0;
  if (odds <= 1) return;
  const near = Math.min(1, Math.log(odds) / Math.log(takes));
  if (near > seen.near) {
    seen.near = near;
    seen.nearest = test;
  }
  if (odds < takes || seen.found >= 0) return;
  seen.found = test;
  const channel = channelOf(test);
  const decades = Math.log10(odds);
  seen.decades[channel] = Math.max(seen.decades[channel] ?? 0, decades);
  seen.most[channel] = Math.max(seen.most[channel] ?? 0, decades);
}

function binOf(test: number, own: Slab, seen: SeenAction, bits: number, known: number): number {
  if (test === SHUFFLED) return shuffledBin(seen.shuffledRun);
  if (test === BESIDE) return besideBin(own, seen, bits);
  return seen.tally === known >>> TALLY_AT ? 0 : 1 + octaves(seen.tally);
}

/** Adds what has labels, unless it is known or was just read: a task needs what it is about, and little beside it. */
function tallied(seen: SeenAction, before: number): number {
  if (!seen.labelled || seen.known) return before;
  if (seen.resource !== 0 && !(seen.fresh && seen.newSubject)) return before;
  return Math.min(TALLY_MAX, before + (seen.needed ? NEEDED : BEYOND_NEED));
}

function shuffledBin(run: number): number {
  return Math.min(BINS - 1, Math.floor(2 * Math.log2(1 + run)));
}

/** Another resource of a type that the session has used, in no usual order; or one without a task, where such acts have one. */
function besideBin({ u }: Slab, seen: SeenAction, bits: number): number {
  if (seen.known || !seen.fresh) return 0;
  const touched = seen.sessionSlot < 0 ? 0 : (u[seen.sessionSlot + TOUCHED] ?? 0);
  const isSecond = seen.newSubject && (touched & typeBit(seen)) !== 0;
  const taskless = seen.decades[CHANNEL.ticket] ?? 0;
  const value = (isSecond ? Math.max(0, bits) : 0) + (taskless > TASKLESS.from ? TASKLESS.bits * Math.min(TASKLESS.most, taskless) : 0);
  return Math.min(BINS - 1, Math.floor(value));
}

/** Returns the share of sessions that are as odd, this one counted among them. */
function rarityOf(own: Slab, peers: Slab, test: number, bin: number): number {
  const at = TEST_BINS + test * BINS;
  let [all, over, others, othersOver] = [1, 1, 0, 0];
  for (let k = 0; k < BINS; k++) {
    const [n, m] = [own.h[at + k] ?? 0, peers.h[at + k] ?? 0];
    all += n;
    others += m;
    if (k < bin) continue;
    over += n;
    othersOver += m;
  }
  if (others === 0) return over / all;
  const weight = Math.min(PEERS_WEIGH, others);
  return (over + (weight * othersOver) / others) / (all + weight);
}

function levelOf(test: number, p: number): number {
  let level = 0;
  while (level < LEVELS - 1 && p <= (LEVEL_UP_TO[test * (LEVELS - 1) + level] ?? 0)) level++;
  return level;
}

/** Adds what this act makes of its session, and begins the odds again after a finding. */
export function addEvidence(own: Slab, seen: SeenAction, slot: number, begins: boolean): void {
  const { f, u, h } = own;
  const isFirstLabel = seen.labelled && !readsLabels(own);
  // All sessions before the first label were without: they are the test's habits.
  if (isFirstLabel) h[LABELLED_BINS] = total(own, TEST_BINS);
  const tests = seen.labelled || readsLabels(own) ? TESTS : WITHOUT_LABELS;
  const { at, slots, width } = SESSIONS;
  const known = u[slot + KNOWN] ?? 0;
  let word = Math.min(RUN_MAX, Math.floor(seen.shuffledRun * RUN_SCALE)) << RUN_AT;
  word |= seen.tally << TALLY_AT;
  for (let test = 0; test < tests; test++) {
    const [bin, level] = [seen.bin[test] ?? 0, seen.level[test] ?? 0];
    word |= (bin | (level << BIN_BITS)) << (test * TEST_BITS);
    const gained = level === levelIn(known, test) ? 1 : betOf(test, level) / betOf(test, levelIn(known, test));
    const isOver = seen.found === test;
    if (!begins && !isOver && gained === 1) continue;
    const ownAfter = f[slot + AFTER + test] ?? 0;
    for (let k = at; k < at + slots * width; k += width) {
      if (k === slot && !isOver) continue;
      let after = f[k + AFTER + test] ?? 0;
      if (begins) after = (after + 1) * betOf(test, 0);
      // Who has more that began after it began earlier itself.
      if (after > ownAfter) after = ownAfter + (after - ownAfter) * gained;
      f[k + AFTER + test] = isOver ? 0 : Math.min(ODDS_MAX, after);
    }
    f[ODDS + test] = isOver ? 0 : Math.min(ODDS_MAX, seen.odds[test] ?? 0);
  }
  u[slot + KNOWN] = word >>> 0;
  u[slot + TOUCHED] = ((u[slot + TOUCHED] ?? 0) | typeBit(seen)) >>> 0;
}

/** Notes how odd a session was that has ended. */
export function end(own: Slab, slot: number, seen: SeenAction): void {
  const { f, u } = own;
  f[ENDED] = (f[ENDED] ?? 0) + 1;
  const known = u[slot + KNOWN] ?? 0;
  const tests = readsLabels(own) ? TESTS : WITHOUT_LABELS;
  for (let test = 0; test < tests; test++) seen.ended[test] = binIn(known, test);
}

/** Learns how odd the session was that has ended with this act. */
export function learnEnded(slab: Slab, { ended }: SeenAction): void {
  for (let test = 0; test < TESTS; test++) {
    const bin = ended[test] ?? -1;
    if (bin >= 0) count(slab, TEST_BINS + test * BINS, bin);
  }
}
