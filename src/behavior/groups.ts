/**
 * Finds the same oddness in several agents of one group on one day: a compromised version, a poisoned source. Each agent's acts may
 * be too little odd for a finding of its own; that several agents of one owner are odd with one type of resource, and others of the purpose
 * aren't, is rare.
 *
 * For each type and channel an agent's day has a level: how rare its oddest act was for the agent. How many agent-days of the purpose reach
 * each level, and with which types, is learned; a group is found if more of its agents do so on a day than chance explains. What many
 * others of the purpose do on that day as well (a release, a busy day) raises what is expected of the group.
 */
import { BEHAVIOR_CHANNELS, GROUP_KINDS, type Act, type GroupKind, type SharedOddity } from "../contract/index.js";
import type { AgentMemory } from "./agent.js";
import { hash } from "./hash.js";
import { nameOf } from "./reasons.js";
import { discounted } from "./score.js";
import { CHANNEL, CHANNELS, type SeenAction } from "./seen_action.js";
import * as S from "./slab.js";
import { LEVELS_MAX, type Slab } from "./slab.js";
import { clear, find, halve, takeSlot } from "./tables.js";

/** Decades from which an act has the first, the second and the third level. */
const LEVEL_FROM = [2, 3, 4] as const;
/** Agents of a group that make a finding, at least. */
const AGENTS_LEAST = 3;
/** Findings by chance in a year of one purpose, at most. */
export const FALSE_A_YEAR = 2;
const DAYS_A_YEAR = 365;
/** Days after which an agent is counted: whatever a newcomer does is new. */
const ESTABLISHED_DAYS = 7;
/** Days of a purpose, and of its agents, before anything is found in it; and agent-days after which their counts halve. */
const [PURPOSE_DAYS_LEAST, DAYS_LEAST, DAYS_MAX] = [14, 100, 20_000];
/** Agent-days assumed of a type and channel before their own count, and the share of them that reaches each level. */
const [ASSUMED_DAYS, ASSUMED] = [10, [0.02, 0.01, 0.005]] as const;
/** Other agents by which a day's share of them is drawn to the learned one. */
const OTHERS_DRAWN = 10;
/** Most agents that are named. */
const NAMED_MAX = 16;
/** Holds for days for every act of an agent, so that a day of it says little. */
const LASTING = CHANNEL.drift;
/** Channels in which a group is found that has nearly all agents of its purpose: others follow how much work there is, and of which kind. */
const OF_EVERYBODY: ReadonlySet<number> = new Set([CHANNEL.source, CHANNEL.denies]);

/** Agents of a purpose by name: all that were counted, and those that were odd on their latest day. */
interface CountedAgents {
  readonly all: Map<string, AgentMemory>;
  readonly odd: Map<string, AgentMemory>;
}

/** A group of the purpose's agents that an act's agent is in. */
interface Group {
  readonly kind: GroupKind;
  readonly has: (other: Slab) => boolean;
}

export class Groups {
  /** Counted agents, by the hash of the purpose's name. */
  readonly #purposes = new Map<number, CountedAgents>();
  readonly #changing: (agent: string) => void;

  /**
   * @param agents states by name, as a snapshot has them
   * @param changing called with the name of an agent whose state is about to change
   */
  constructor(agents: ReadonlyMap<string, AgentMemory>, changing: (agent: string) => void) {
    this.#changing = changing;
    for (const [name, state] of agents) this.add(name, state);
  }

  /** Takes in an agent whose state is known already. */
  add(agent: string, state: AgentMemory): void {
    const { u } = state.slab;
    if (u[S.GROUP_DAY] === 0) return;
    const purpose = u[S.GROUP_PURPOSE] ?? 0;
    let counted = this.#purposes.get(purpose);
    if (counted === undefined) this.#purposes.set(purpose, (counted = { all: new Map(), odd: new Map() }));
    counted.all.set(agent, state);
    if (isOdd(state.slab)) counted.odd.set(agent, state);
  }

  /** Forgets an agent, whose state is about to go or to be put back. */
  forget(agent: string, { slab }: AgentMemory): void {
    const purpose = slab.u[S.GROUP_PURPOSE] ?? 0;
    const counted = this.#purposes.get(purpose);
    if (counted === undefined) return;
    counted.all.delete(agent);
    counted.odd.delete(agent);
    if (counted.all.size === 0) this.#purposes.delete(purpose);
  }

  /**
   * Counts an act that its agent's state has learned already.
   * @param peers live state of the purpose's agents together
   * @returns what several agents of a group have in common with this act; null: nothing that wasn't returned before
   */
  count(act: Act, state: AgentMemory, peers: Slab, seen: SeenAction): SharedOddity | null {
    const { slab } = state;
    const { u, f } = slab;
    const purpose = hash(act.purpose);
    if (dayOf(slab) !== seen.localDay) this.#beginDay(act, state, peers, seen, purpose);
    if (act.granted || u[S.GROUP_PURPOSE] !== purpose || (f[S.DAYS] ?? 0) < ESTABLISHED_DAYS) return null;
    let found: SharedOddity | null = null;
    for (let channel = 0; channel < CHANNELS; channel++) {
      if (channel === LASTING) continue;
      const level = levelFrom(Math.min(discounted(seen, channel), seen.most[channel] ?? 0));
      if (level === 0 || !raise(slab, seen.type, channel, level)) continue;
      u[S.ODD_SOURCE] = seen.source;
      const counted = this.#purposes.get(purpose);
      counted?.odd.set(act.agent, state);
      if (counted !== undefined) found ??= this.#shared(act, slab, peers, seen, channel, counted);
    }
    return found;
  }

  #beginDay(act: Act, state: AgentMemory, peers: Slab, seen: SeenAction, purpose: number): void {
    const { slab } = state;
    const { u, f } = slab;
    if (u[S.GROUP_PURPOSE] === purpose && (f[S.DAYS] ?? 0) >= ESTABLISHED_DAYS) learnDay(peers, slab);
    this.forget(act.agent, state);
    u[S.GROUP_DAY] = seen.localDay << 8;
    u[S.GROUP_PURPOSE] = purpose;
    u[S.GROUP_OWNER] = act.owner === "" ? 0 : hash(act.owner);
    u[S.ODD_SOURCE] = 0;
    clear(slab, S.ODD_TYPES);
    this.add(act.agent, state);
  }

  /** Returns what the narrowest group whose agents share the oddness has in common; null if chance explains it. */
  #shared(act: Act, own: Slab, peers: Slab, seen: SeenAction, channel: number, counted: CountedAgents): SharedOddity | null {
    if (counted.odd.size < AGENTS_LEAST || (peers.f[S.AGENT_DAYS] ?? 0) < DAYS_LEAST || (peers.f[S.DAYS] ?? 0) < PURPOSE_DAYS_LEAST)
      return null;
    const { type, localDay } = seen;
    for (const { kind, has } of groupsOf(own, seen)) {
      const isIn = ({ slab }: AgentMemory): boolean => dayOf(slab) === localDay && has(slab);
      const odd = [...counted.odd].filter(([, agent]) => isIn(agent) && levelIn(agent.slab, type, channel) > 0);
      if (odd.length < AGENTS_LEAST) continue;
      const bit = 1 << GROUP_KINDS.indexOf(kind);
      const told = [...counted.odd.values()].filter((agent) => isIn(agent) && ((agent.slab.u[S.GROUP_DAY] ?? 0) & bit) !== 0).length;
      // One incident: it is reported again once twice as many agents have it, in whatever channel.
      if (told > 0 && odd.length < 2 * told) continue;
      const { active, others, groups, types, share } = chanceOf(peers, seen, channel, counted, isIn);
      if (others < AGENTS_LEAST && !OF_EVERYBODY.has(channel)) continue;
      const tests = DAYS_A_YEAR * CHANNELS * groups * types;
      const levels = odd.map(([, { slab }]) => levelIn(slab, type, channel));
      const [decades, count, expected] = rarest(levels, active, share);
      if (decades < Math.log10(tests / FALSE_A_YEAR)) continue;
      for (const [name, { slab }] of odd) {
        this.#changing(name);
        slab.u[S.GROUP_DAY] = (slab.u[S.GROUP_DAY] ?? 0) | bit;
      }
      return {
        purpose: act.purpose,
        kind,
        // A source is whatever text the caller sends.
        value: nameOf((kind === "source" ? act.source : act[kind]) ?? ""),
        channel: BEHAVIOR_CHANNELS[channel] ?? "what",
        type: nameOf(act.type),
        agents: odd
          .map(([name]) => name)
          .sort()
          .slice(0, NAMED_MAX),
        count,
        active,
        expected: Number(expected.toPrecision(2)),
        decades: Math.round(decades * 10) / 10,
      };
    }
    return null;
  }
}

/** Notes the level of an act. @returns true if it is higher than the day's for this type and channel, and there was room for it */
function raise(slab: Slab, type: number, channel: number, level: number): boolean {
  const { u } = slab;
  let slot = find(slab, S.ODD_TYPES, type);
  if (slot < 0) {
    if (find(slab, S.ODD_TYPES, 0) < 0) return false;
    slot = takeSlot(slab, S.ODD_TYPES, type, S.ODD_TYPE.levels, "u");
  }
  const levels = u[slot + S.ODD_TYPE.levels] ?? 0;
  if (level <= levelOf(levels, channel)) return false;
  u[slot + S.ODD_TYPE.levels] = (levels & ~(3 << (2 * channel))) | (level << (2 * channel));
  return true;
}

const dayOf = ({ u }: Slab): number => (u[S.GROUP_DAY] ?? 0) >>> 8;

const isOdd = ({ u }: Slab): boolean => u[S.ODD_TYPES.keys] !== 0;

/** @returns level of a type and channel on the agent's day */
function levelIn(slab: Slab, type: number, channel: number): number {
  const slot = find(slab, S.ODD_TYPES, type);
  return slot < 0 ? 0 : levelOf(slab.u[slot + S.ODD_TYPE.levels] ?? 0, channel);
}

/** Two bits of a word of levels. */
const levelOf = (levels: number, channel: number): number => (levels >>> (2 * channel)) & 3;

/**
 * Returns the rarest of having so many of a group's agents at a level or above.
 * @param share of agents that chance and the day put at a level or above
 * @returns decades, how many agents they are, and how many are expected
 */
function rarest(
  levels: readonly number[],
  active: number,
  share: (level: number) => number,
): [decades: number, count: number, expected: number] {
  let found: [number, number, number] = [0, 0, 0];
  for (let from = 1; from <= LEVELS_MAX; from++) {
    const count = levels.filter((level) => level >= from).length;
    if (count < AGENTS_LEAST) break;
    const chance = share(from);
    const decades = -Math.log10(tail(active, count, chance));
    if (decades > found[0]) found = [decades, count, active * chance];
  }
  return found;
}

/** Returns the chance that at least `count` of `all` agents are so, if each is with this chance: a binomial tail. */
function tail(all: number, count: number, chance: number): number {
  let term = 1;
  for (let i = 1; i <= count; i++) term *= ((all - count + i) / i) * chance;
  term *= Math.pow(1 - chance, all - count);
  let sum = 0;
  for (let i = count; i <= all && term > sum * 1e-9; i++) {
    sum += term;
    term *= ((all - i) / (i + 1)) * (chance / (1 - chance));
  }
  return Math.min(1, sum);
}

/**
 * Returns how many of a group's agents and how many others are active on this day, the share of them that chance and the day put at each level or above with this
 * type, and how many groups and types of the purpose a finding may be about.
 */
function chanceOf(
  peers: Slab,
  { localDay, type }: SeenAction,
  channel: number,
  { all }: CountedAgents,
  isIn: (agent: AgentMemory) => boolean,
): { active: number; others: number; groups: number; types: number; share: (level: number) => number } {
  const groups = new Set<number>();
  const oddOthers = new Float64Array(LEVELS_MAX + 1);
  let [active, others] = [0, 0];
  for (const agent of all.values()) {
    const { u, f } = agent.slab;
    if (dayOf(agent.slab) !== localDay || (f[S.DAYS] ?? 0) < ESTABLISHED_DAYS) continue;
    groups.add(u[S.VERSION] ?? 0).add(u[S.GROUP_OWNER] ?? 0);
    if (isIn(agent)) {
      active++;
      continue;
    }
    others++;
    for (let level = levelIn(agent.slab, type, channel); level > 0; level--) oddOthers[level] = (oddOthers[level] ?? 0) + 1;
  }
  const share = (level: number): number => {
    const learned = learnedShare(peers, type, channel, level);
    const today = ((oddOthers[level] ?? 0) + OTHERS_DRAWN * learned) / (others + OTHERS_DRAWN);
    return Math.min(0.99, Math.max(learned, today));
  };
  return { active, others, groups: groups.size, types: typesOf(peers), share };
}

/** Counts an agent's day: on how many of them agents had which levels with which types. */
function learnDay(peers: Slab, own: Slab): void {
  const { f } = peers;
  f[S.AGENT_DAYS] = (f[S.AGENT_DAYS] ?? 0) + 1;
  const { keys, at, slots } = S.ODD_TYPES;
  for (let k = 0; k < slots; k++) {
    const type = own.u[keys + k] ?? 0;
    if (type === 0) break;
    let slot = find(peers, S.TYPE_DAYS, type);
    if (slot < 0) slot = takeSlot(peers, S.TYPE_DAYS, type, S.TYPE_DAY.days, "f");
    f[slot + S.TYPE_DAY.days] = (f[slot + S.TYPE_DAY.days] ?? 0) + 1;
    for (let channel = 0; channel < CHANNELS; channel++) {
      const level = levelOf(own.u[at + k + S.ODD_TYPE.levels] ?? 0, channel);
      for (let i = 0; i < level; i++)
        f[slot + S.TYPE_DAY.levels + channel * LEVELS_MAX + i] = (f[slot + S.TYPE_DAY.levels + channel * LEVELS_MAX + i] ?? 0) + 1;
    }
  }
  if ((f[S.AGENT_DAYS] ?? 0) < DAYS_MAX) return;
  halve(peers, S.AGENT_DAYS, 1);
  halve(peers, S.TYPE_DAYS.at + S.TYPE_DAY.days, S.TYPE_DAYS.slots * S.TYPE_DAYS.width);
}

/** Returns the share of agent-days on which a channel had a level or more with a type. */
function learnedShare(peers: Slab, type: number, channel: number, level: number): number {
  const slot = find(peers, S.TYPE_DAYS, type);
  const days = slot < 0 ? 0 : (peers.f[slot + S.TYPE_DAY.levels + channel * LEVELS_MAX + level - 1] ?? 0);
  return (days + ASSUMED_DAYS * (ASSUMED[level - 1] ?? 0)) / ((peers.f[S.AGENT_DAYS] ?? 0) + ASSUMED_DAYS);
}

/** Returns how many types agents of the purpose were odd with, and one more. */
function typesOf({ u }: Slab): number {
  let types = 1;
  for (let k = 0; k < S.TYPE_DAYS.slots; k++) if (u[S.TYPE_DAYS.keys + k] !== 0) types++;
  return types;
}

/** Returns the groups that an act's agent is in, the narrowest first. */
function groupsOf({ u }: Slab, { source, version }: SeenAction): Group[] {
  const owner = u[S.GROUP_OWNER] ?? 0;
  const groups: Group[] = [];
  if (source !== 0) {
    // An odd agent was odd from one source; another is there if it knows the source.
    const has = (other: Slab): boolean => (isOdd(other) ? other.u[S.ODD_SOURCE] === source : find(other, S.SOURCES, source) >= 0);
    groups.push({ kind: "source", has });
  }
  if (version !== NO_VERSION) groups.push({ kind: "version", has: (other) => other.u[S.VERSION] === version });
  if (owner !== 0) groups.push({ kind: "owner", has: (other) => other.u[S.GROUP_OWNER] === owner });
  groups.push({ kind: "purpose", has: () => true });
  return groups;
}

const NO_VERSION = hash("");

function levelFrom(decades: number): number {
  return decades >= LEVEL_FROM[2] ? 3 : decades >= LEVEL_FROM[1] ? 2 : decades >= LEVEL_FROM[0] ? 1 : 0;
}
