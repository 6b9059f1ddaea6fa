/**
 * Behaviour profiles in memory: scores an action against the agent's baseline, then learns from it. Reads no clock, draws no random
 * numbers.
 */
import {
  BEHAVIOR_CHANNELS,
  NOTHING_ODD,
  type Act,
  type ActOutcome,
  type Assessment,
  type Calibration,
  type SharedOddity,
  type VerdictCounts,
} from "../contract/index.js";
import type { Profile } from "../decision/ports.js";
import { AgentMemory, checkpointTimes } from "./agent.js";
import { calibrate, calibrationOf, movedBy } from "./calibration.js";
import { Groups } from "./groups.js";
import { look } from "./look.js";
import { Peers } from "./peers.js";
import { portraitOf, type Portrait } from "./portrait.js";
import { nameOf, nearing, reasonOf, remembers } from "./reasons.js";
import { newScore, riskAtRest, riskOf, score } from "./score.js";
import { CHANNELS, SeenAction } from "./seen_action.js";
import { ACTS, DAYS, LAST, MEMORY_AT, MEMORY_WHY, agentSlab, purposeSlab } from "./slab.js";
import { readSnapshot, Round, type ProfileSnapshot } from "./snapshot.js";
import { forgive, teachExpected, teachOwn } from "./teach.js";

export interface ProfileOptions {
  /** Agents of which something is known; newcomers are forgotten first, and of these whoever was heard of longest ago. */
  agents_max: number;
  /** False shows what guarded learning is worth: an act teaches however odd it is, and as much as it likes. For measurements only. */
  guarded?: boolean;
}

/** From this risk on an act teaches nothing unless a person says that it was as it should be. */
const TEACHES_BELOW = 60;
/** Days after which an agent is no newcomer. */
const ESTABLISHED_DAYS = 2;
const PURPOSES_MAX = 256;
/** Names of kinds of act, for people who look at a profile. */
const NAMES_MAX = 4_096;
/** A channel is named from so many decades on: what comes once in a hundred times. */
const NAMED_FROM = 2;
const REASONS_MAX = 3;
/** Evidence on the way to a finding is named from this score on: what makes an act that is otherwise ordinary more than that. */
const NEAR_NAMED_FROM = 2.9;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

const UNKNOWN = agentSlab();
const ALONE = purposeSlab();

/** Buffers for one look at an act, used again for the next. */
class Look {
  readonly seen = new SeenAction();
  readonly score = newScore();
  /** The agent's state, undefined if nothing is known of it; and the version of that which it was made of. */
  state: AgentMemory | undefined;
  version = -1;

  constructor(guarded: boolean) {
    this.seen.guarded = guarded;
  }
}

export class BehaviorProfile implements Profile {
  readonly #options: ProfileOptions;
  /** Both in the order in which they were last heard of, to the minute. */
  readonly #agents: Map<string, AgentMemory>;
  readonly #purposes: Map<string, Peers>;
  readonly #names: Map<number, string>;
  /** Last record that it has learned from, of each other node's log. */
  readonly followed: Map<string, number>;
  readonly #groups: Groups;
  /** The last look, kept from the assessment to the lesson: both come in one turn, but for verdicts on other acts. */
  readonly #last: Look;
  #lastAct: Act | null = null;
  /** Counts what was learned; `#everyone` is when something last moved that every agent's assessments read. */
  #moves = 0;
  #everyone = 0;
  #round: Round | null = null;

  constructor(options: ProfileOptions, from?: ReturnType<typeof readSnapshot>) {
    this.#options = options;
    this.#last = new Look(options.guarded !== false);
    this.#agents = from?.agents ?? new Map<string, AgentMemory>();
    this.#purposes = from?.purposes ?? new Map<string, Peers>();
    this.#names = from?.names ?? new Map<number, string>();
    this.followed = from?.followed ?? new Map<string, number>();
    this.#groups = new Groups(this.#agents, (agent) => this.#round?.keep(agent));
    this.#trim();
  }

  /** @throws SnapshotDamaged */
  static restore(bytes: Uint8Array, options: ProfileOptions): { profile: BehaviorProfile; seq: number } {
    const from = readSnapshot(bytes);
    return { profile: new BehaviorProfile(options, from), seq: from.seq };
  }

  assess(act: Act): Assessment {
    const { seen, score } = this.#look(act);
    const risk = Math.round(riskOf(score.total));
    const order = named(seen, score.each);
    if (risk === 0 && order.length === 0) return NOTHING_ODD;
    const slab = this.#last.state?.slab ?? UNKNOWN;
    const confidence = Math.min(1, (slab.f[ACTS] ?? 0) / 500) * Math.min(1, (slab.f[DAYS] ?? 0) / 7);
    const channels: Assessment["channels"] = {};
    for (const c of [...order].sort((a, b) => a - b)) {
      const name = BEHAVIOR_CHANNELS[c];
      if (name !== undefined) channels[name] = oneDigit(decadesOf(seen, c));
    }
    const reasons = order.map((c) => reasonOf(c, act, seen, slab));
    if (score.near > NEAR_NAMED_FROM && score.near > (score.each[order[0] ?? 0] ?? 0)) reasons.unshift(nearing(seen, slab));
    reasons.length = Math.min(REASONS_MAX, reasons.length);
    if (reasons.length === 0 && risk >= 25) reasons.push(remembers(slab.u[MEMORY_WHY] ?? 0, seen.now - (slab.u[MEMORY_AT] ?? 0)));
    return { channels, confidence: oneDigit(confidence), reasons, risk };
  }

  /** Returns the score behind the risk that `assess` returns, in finer steps: any number from 0 on. */
  scoreOf(act: Act): number {
    return this.#look(act).score.total;
  }

  /** Learns from an act. @returns the oddness that several agents of a group share with it; null: none, or none that is new */
  learn(act: Act, outcome: ActOutcome): SharedOddity | null {
    const found = this.#look(act);
    const { seen, score } = found;
    const state = (found.state = this.#changing(act.agent, seen.now, found.state));
    state.check(seen.now);
    const how = howToTeach(act, outcome, found);
    const teaches = how === "taught";
    if (score.step > 0) state.slab.u[MEMORY_WHY] = largest(score.each);
    if (teaches && seen.keySlot < 0) this.#name(act, seen);
    teachOwn(state.slab, seen, score, how);
    if (teaches && this.#peersOf(act.purpose, seen.now).teach(seen)) this.#everyone = ++this.#moves;
    const peers = this.#purposes.get(act.purpose);
    const shared = peers === undefined ? null : this.#groups.count(act, state, peers.live, seen);
    this.#moved(state);
    return shared;
  }

  /** A person's verdict on an act: it teaches although it was flagged. */
  markExpected(act: Act): void {
    const found = this.#look(act);
    const { seen } = found;
    const state = (found.state = this.#changing(act.agent));
    this.#name(act, seen);
    // A verdict comes later than the act, and other acts do.
    teachExpected(state.slab, seen, hourOf(act));
    this.#moved(state);
  }

  /** A person's verdict on a finding about behaviour in this purpose, or that it was taken back. */
  calibrate(purpose: string, counts: VerdictCounts, now_ms: number): void {
    calibrate(this.#peersOf(purpose, Math.floor(now_ms / 1000)).live, counts);
    this.#everyone = ++this.#moves;
  }

  /** Returns how verdicts have moved a purpose's thresholds. */
  calibrationOf(purpose: string): Calibration {
    return calibrationOf(this.#purposes.get(purpose)?.live ?? ALONE);
  }

  /** Clears the evidence held against an agent. */
  forgive(agent: string): void {
    if (!this.#agents.has(agent)) return;
    const state = this.#changing(agent);
    forgive(state.slab);
    this.#moved(state);
  }

  /**
   * Habits as they were at the newest checkpoint that is not after `to_ms`: one is taken a week, and two are kept.
   * @returns of when they are, milliseconds; null where none is as old as that: nothing has changed then
   */
  rollBack(agent: string, to_ms: number): number | null {
    if (!this.#agents.has(agent)) return null;
    const state = this.#changing(agent);
    this.#groups.forget(agent, state);
    const at = state.rollBack(to_ms / 1000);
    if (at === null) this.#groups.add(agent, state);
    this.#moved(state);
    return at === null ? null : at * 1000;
  }

  /** To when its habits can be rolled back, the earliest first; milliseconds. */
  checkpointsOf(agent: string): number[] {
    const state = this.#agents.get(agent);
    return state === undefined ? [] : checkpointTimes(state).map((at) => at * 1000);
  }

  /** 0-100: what is left of earlier acts at this moment. */
  riskOf(agent: string, now_ms: number): number {
    const slab = this.#agents.get(agent)?.slab;
    return slab === undefined ? 0 : riskAtRest(slab, Math.max(slab.u[LAST] ?? 0, Math.floor(now_ms / 1000)));
  }

  /** Time of the latest act of an agent, milliseconds since the epoch, to the second; 0 if nothing is known of it. */
  lastOf(agent: string): number {
    return (this.#agents.get(agent)?.slab.u[LAST] ?? 0) * 1000;
  }

  /**
   * Begins a snapshot of this very moment, which is that of record `seq`; it is written while acts go on. A snapshot under way is given up.
   */
  beginSnapshot(seq: number): ProfileSnapshot {
    this.#round?.end();
    this.#round = new Round(seq, this.#agents, this.#purposes, this.#names, this.followed);
    return this.#round;
  }

  get agents(): ReadonlyMap<string, AgentMemory> {
    return this.#agents;
  }

  /** For people: null where nothing is known of the agent. */
  portrait(agent: string): Portrait | null {
    const state = this.#agents.get(agent);
    return state === undefined ? null : portraitOf(state, this.#names);
  }

  /** Looks at an act, or returns the last look if it was at this act and nothing has moved since that an assessment reads. */
  #look(act: Act): Look {
    const found = this.#last;
    // An agent that comes or goes moves everyone, or is another act's.
    if (this.#lastAct === act && found.version === Math.max(found.state?.version ?? 0, this.#everyone)) return found;
    const state = this.#agents.get(act.agent);
    const own = state?.slab ?? UNKNOWN;
    const peers = this.#purposes.get(act.purpose);
    look(act, own, peers?.shown ?? ALONE, found.seen);
    score(own, found.seen, act.granted, peers === undefined ? 0 : movedBy(peers.live), found.score);
    this.#lastAct = act;
    found.state = state;
    found.version = Math.max(state?.version ?? 0, this.#everyone);
    return found;
  }

  /** Its state, about to be changed; without a time of the act, by a person. */
  #changing(agent: string, now = Infinity, known = this.#agents.get(agent)): AgentMemory {
    this.#round?.keep(agent);
    // A minute's acts don't change who was heard of longest ago, as far as anybody can tell.
    if (known !== undefined && minuteOf(known.slab.u[LAST] ?? 0) === minuteOf(now)) return known;
    const state = known ?? new AgentMemory();
    this.#agents.delete(agent);
    this.#agents.set(agent, state);
    this.#trim();
    return state;
  }

  #moved(state: AgentMemory): void {
    state.version = ++this.#moves;
  }

  #trim(): void {
    // Asked for each act: iterating would cost more than the rest.
    while (this.#agents.size > this.#options.agents_max) {
      const agent = this.#leastKnown();
      this.#round?.keep(agent);
      const state = this.#agents.get(agent);
      if (state !== undefined) this.#groups.forget(agent, state);
      this.#agents.delete(agent);
      this.#everyone = ++this.#moves;
    }
  }

  /**
   * Returns who is forgotten first: whoever was heard of longest ago among those that haven't worked for days, the latest excepted;
   * otherwise, of all. However many names come and go, what is known of an agent that works is not lost to them.
   */
  #leastKnown(): string {
    const [oldest = ""] = this.#agents.keys();
    let left = this.#agents.size;
    for (const [agent, { slab }] of this.#agents) if (--left > 0 && (slab.f[DAYS] ?? 0) < ESTABLISHED_DAYS) return agent;
    return oldest;
  }

  #peersOf(purpose: string, now: number): Peers {
    const known = this.#purposes.get(purpose);
    // As with agents, which purpose was heard of longest ago is known to the minute.
    if (known !== undefined && minuteOf(known.live.u[LAST] ?? 0) === minuteOf(now)) return known;
    const peers = known ?? new Peers();
    this.#purposes.delete(purpose);
    this.#purposes.set(purpose, peers);
    if (this.#purposes.size <= PURPOSES_MAX) return peers;
    for (const [oldest] of this.#purposes) {
      if (this.#purposes.size <= PURPOSES_MAX) break;
      this.#purposes.delete(oldest);
      this.#everyone = ++this.#moves;
    }
    return peers;
  }

  #name(act: Act, { key, type }: SeenAction): void {
    if (this.#names.size >= NAMES_MAX) return;
    this.#names.set(key, `${nameOf(act.verb)}\t${nameOf(act.type)}`).set(type, nameOf(act.type));
  }
}

function howToTeach(act: Act, outcome: ActOutcome, { seen, score }: Look): "denied" | "apart" | "noted" | "taught" {
  if (outcome === "deny") return "denied";
  if (act.granted) return "apart";
  const isCalm = riskOf(score.total) < TEACHES_BELOW || !seen.guarded;
  return outcome !== "flag" && isCalm ? "taught" : "noted";
}

function minuteOf(seconds: number): number {
  return Math.floor(seconds / 60);
}

/** Returns the local hour of an act's day. */
function hourOf({ time_ms, offset_ms }: Act): number {
  return Math.floor(((((time_ms + offset_ms) % DAY_MS) + DAY_MS) % DAY_MS) / HOUR_MS);
}

/** Channels that are named, the one that says most first. */
function named(seen: SeenAction, each: Float64Array): number[] {
  let found = NONE;
  for (let c = 0; c < CHANNELS; c++) {
    if ((each[c] ?? 0) === 0 || decadesOf(seen, c) < NAMED_FROM) continue;
    if (found === NONE) found = [];
    found.push(c);
  }
  return found.length < 2 ? found : found.sort((a, b) => (each[b] ?? 0) - (each[a] ?? 0) || a - b);
}
const NONE: number[] = [];

function decadesOf({ decades, most }: SeenAction, channel: number): number {
  return Math.min(decades[channel] ?? 0, most[channel] ?? 0);
}

function largest(each: Float64Array): number {
  let most = 0;
  for (let c = 1; c < CHANNELS; c++) if ((each[c] ?? 0) > (each[most] ?? 0)) most = c;
  return most;
}

function oneDigit(value: number): number {
  return Math.round(value * 10) / 10;
}
