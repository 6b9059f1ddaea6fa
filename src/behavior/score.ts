/** From what each channel says to one number, with a memory: what is odd once may pass, what goes on being odd may not. */
import { channelOf } from "./evidence.js";
import { CHANNEL, CHANNELS, type SeenAction } from "./seen_action.js";
import { MEMORY, MEMORY_AT, type Slab } from "./slab.js";
import { faded } from "./tables.js";

export interface Score {
  /** Scores by channel, in decades beyond what is ordinary. */
  readonly each: Float64Array;
  /** Part of the total that is evidence on the way to a finding. */
  near: number;
  /** Amount that this act adds to the memory. */
  step: number;
  /** Any number from 0 on: finer than risk, to rank by. */
  total: number;
}

export function newScore(): Score {
  return { each: new Float64Array(CHANNELS), near: 0, step: 0, total: 0 };
}

const byChannel = (values: Record<keyof typeof CHANNEL, number>): Float64Array =>
  Float64Array.from(Object.keys(CHANNEL), (name) => values[name as keyof typeof CHANNEL]);

/** Up to here, what comes once in ten times, a channel is ordinary. */
const ORDINARY = 1;
/** Beyond that, one channel alone says no more than this. Drift says it of every act for days, so it is named, and hardly counts. */
const ALONE_MOST = byChannel({
  what: 4,
  resource: 2.5,
  source: 4,
  hour: 2.2,
  order: 3,
  rate: 4,
  fan_out: 4,
  denies: 4,
  ticket: 2,
  drift: 0.1,
  labels: 0,
});
/** Faint oddness of many kinds at once counts too, a little. */
const [FAINT, FAINT_MOST] = [0.5, 3];
/** On a resource it knows, what it does and in what order is less telling. */
const ON_KNOWN = 0.7;
/** Share of the score that is taken off if the whole purpose has taken this up. */
const IN_RELEASE = 0.8;
/** Share taken off a new kind of act that others of the purpose do: it is the purpose's work, though not this agent's. */
const IN_ROLE = 0.7;

/** Score of a finding by evidence: it makes an ordinary act a flag. */
const FOUND = 9.6;
/** From half of a finding's evidence on, an act scores by how near it comes, and just below one about two thirds of it; with all that is odd about it, up to just below a flag. */
const [NEAR_FROM, NEAR_WEIGHS, NEAR_MOST] = [0.5, 14, 9];

/** A quarter of an hour: two odd acts of one task add up, those of different shifts don't. */
const MEMORY_HALF_S = 900;
/** A memory tells nothing any more after two hours, however odd the acts were. */
const MEMORY_MAX = 40;
/** A memory of odd acts weighs less than an odd act. */
const MEMORY_WEIGHS = 0.6;
/** Acts that are equally odd fill a memory up to so many of them: an hour, a pace, a source are odd once, however many acts they take. Not acts that were denied: who goes on trying adds to it. */
const MEMORY_REPEATS = 4;
/** An act leaves in memory what it is odd beyond this: single oddities pass. */
const FORGIVEN = 1.5;
/** The same for an act from a source that isn't established: what else is odd about it isn't alone. */
const FORGIVEN_ELSEWHERE = 0.5;

/** Total of an ordinary act, and by how much more risk goes half of the way that is left to 100. */
const [CALM, HALF_WAY] = [2.9, 5];

/** @param moved taken off by people's verdicts, but from no evidence: that has a bar of its own */
export function score(own: Slab, seen: SeenAction, granted: boolean, moved: number, out: Score): void {
  const { each } = out;
  each.fill(0);
  out.near = out.step = out.total = 0;
  // A person has approved this very thing.
  if (granted) return;
  let faint = 0;
  let sum = 0;
  for (let c = 0; c < CHANNELS; c++) {
    const decades = discounted(seen, c, c === CHANNEL.what ? IN_ROLE * seen.role : 0);
    if (c !== CHANNEL.drift && c !== CHANNEL.labels) faint += Math.min(FAINT_MOST, decades);
    const odd = Math.min(decades, seen.most[c] ?? 0) - ORDINARY;
    if (odd <= 0) continue;
    each[c] = Math.min(odd, ALONE_MOST[c] ?? 0);
    sum += each[c] ?? 0;
  }
  // Whoever is on duty at night works as by day: an odd pace at an odd hour says more than the two apart.
  sum += Math.min(each[CHANNEL.hour] ?? 0, (each[CHANNEL.rate] ?? 0) + (each[CHANNEL.fan_out] ?? 0));
  // A run of odd steps remembers itself, and so does what has gone on for days.
  const odd = sum - (each[CHANNEL.order] ?? 0) - (each[CHANNEL.drift] ?? 0);
  out.step = Math.max(0, odd - ((each[CHANNEL.source] ?? 0) > 0 ? FORGIVEN_ELSEWHERE : FORGIVEN));
  const itself = Math.max(0, sum + FAINT * faint + MEMORY_WEIGHS * remembered(own, seen.now) - moved);
  if (seen.found >= 0) each[channelOf(seen.found)] = FOUND;
  // Evidence that isn't a finding makes no flag: how odd the act is does.
  else out.near = Math.min(NEAR_WEIGHS * Math.max(0, seen.near - NEAR_FROM), Math.max(0, NEAR_MOST - itself));
  out.total = itself + (seen.found >= 0 ? FOUND : out.near);
}

/** Returns a channel's decades, less what a known resource and a release make ordinary. @param least share that is taken off at least */
export function discounted({ decades, known, release }: SeenAction, channel: number, least = 0): number {
  const odd = decades[channel] ?? 0;
  if (channel !== CHANNEL.what && channel !== CHANNEL.order) return odd;
  return odd * (known ? ON_KNOWN : 1) * (1 - Math.max(least, IN_RELEASE * release));
}

/** Returns what is left of the memory of odd acts. */
export function remembered({ f, u }: Slab, now: number): number {
  return faded(f[MEMORY] ?? 0, now - (u[MEMORY_AT] ?? 0), MEMORY_HALF_S);
}

/** Adds an act to the memory. @param step what it leaves there, beyond what is forgiven */
export function remember(own: Slab, now: number, step: number, denied: boolean): void {
  const before = remembered(own, now);
  const most = denied ? MEMORY_MAX : Math.min(MEMORY_MAX, MEMORY_REPEATS * step);
  own.f[MEMORY] = Math.max(before, Math.min(most, before + step));
  own.u[MEMORY_AT] = now;
}

/** 0-100. */
export function riskOf(total: number): number {
  return 100 * (1 - Math.pow(2, -Math.max(0, total - CALM) / HALF_WAY));
}

/** Returns the total that has a risk. @param risk 0 to below 100 */
export function totalOf(risk: number): number {
  return CALM - HALF_WAY * Math.log2(1 - risk / 100);
}

/** Returns the risk from memory alone, as if the agent did something ordinary. */
export function riskAtRest(own: Slab, now: number): number {
  return riskOf(CALM + MEMORY_WEIGHS * remembered(own, now));
}
