/** Counts what one agent did for one purpose, in bounded memory however many names the agent uses. */
import { clip, type Reason, type Relation } from "../contract/index.js";
import { verdictOf } from "../replay/tally.js";
import { Distinct } from "./distinct.js";
import { text } from "./history.js";
import type { AgentPurpose, ByCode, Counts, Did, Example, Risk, Slot } from "./report.js";

/** One decision, as far as a review counts it. */
export interface ReviewedDecision {
  seq: number;
  time: string;
  decision_id: string;
  agent: string;
  purpose: string;
  verb: string;
  type: string;
  id: string | null;
  relation: Relation;
  observed: boolean;
  decision: "allow" | "deny" | "flag";
  proceed: boolean;
  reasons: readonly Reason[];
  /** Distance from the baseline, as the policy received it; null: nothing was odd. */
  unusual: { risk: number; reasons: readonly string[] } | null;
  /** Entries of the bundle in force that applied, in words. */
  used: readonly string[];
  /** Which part of the period it falls into, and which hour of the week, from Monday. */
  slot: number;
  hour: number;
}

const EXAMPLES_MAX = 3;
const REASONS_MAX = 3;
const MESSAGE_LENGTH_MAX = 300;
const DID_MAX = 300;
const CODES_MAX = 100;
const WORDS_MAX = 1_000;
export const HOURS = 7 * 24;

export function noCounts(): Counts {
  return { allow: 0, flag_proceed: 0, flag_wait: 0, deny: 0 };
}

interface Use {
  uses: number;
  first: string;
  last: string;
}

interface DidSeen extends Did {
  seen: Distinct;
}

export class ReviewTally {
  readonly counts = noCounts();
  observed = 0;
  logged_decisions = 0;
  first: string | null = null;
  last: string | null = null;
  left_off = 0;
  highest_risk: Risk | null = null;
  readonly uses = new Map<string, Use>();
  readonly slots: Slot[];
  /** Actions by hour of the week. */
  readonly hours = new Uint32Array(HOURS);
  readonly #did = new Map<string, DidSeen>();
  readonly #refused = new Map<string, ByCode>();
  readonly #flagged = new Map<string, ByCode>();
  readonly #logged = new Map<string, ByCode>();

  constructor(slots: number) {
    this.slots = Array.from({ length: slots }, (): Slot => [0, 0, 0, 0]);
  }

  add(one: ReviewedDecision): void {
    const { time, decision, proceed, observed, reasons } = one;
    this.counts[verdictOf({ decision, proceed })]++;
    if (observed) this.observed++;
    if (this.first === null || time < this.first) this.first = time;
    if (this.last === null || time > this.last) this.last = time;
    this.hours[one.hour] = (this.hours[one.hour] ?? 0) + 1;
    const logged = reasons.some(({ effect }) => effect === "log");
    if (logged) this.logged_decisions++;
    const slot = this.slots[one.slot];
    if (slot !== undefined) {
      slot[decision === "allow" ? 0 : decision === "flag" ? 1 : 2]++;
      if (logged && decision === "allow") slot[3]++;
    }
    const { unusual, seq } = one;
    if (unusual !== null && unusual.risk > (this.highest_risk?.risk ?? 0))
      this.highest_risk = { risk: unusual.risk, time, seq, reasons: unusual.reasons.slice(0, REASONS_MAX).map(clipped) };
    for (const words of one.used) this.#use(words, time);
    let left = !this.#add(one);
    for (const reason of reasons) {
      const into = reason.effect === decision ? this.#byEffect(decision) : reason.effect === "log" ? this.#logged : null;
      if (into !== null && !put(into, reason, one)) left = true;
    }
    if (left) this.left_off++;
  }

  get said(): Pick<AgentPurpose, "did" | "refused" | "flagged" | "logged"> {
    const byMost = (of: ReadonlyMap<string, ByCode>): ByCode[] =>
      [...of.values()].sort((a, b) => b.decisions - a.decisions || order(a.code, b.code));
    const all = ({ allow, flag_proceed, flag_wait, deny }: Counts): number => allow + flag_proceed + flag_wait + deny;
    const did = [...this.#did.values()].map(({ seen, ...one }): Did => ({ ...one, resources: seen.size }));
    return {
      did: did.sort((a, b) => all(b) - all(a) || order(`${a.verb} ${a.type}`, `${b.verb} ${b.type}`)),
      refused: byMost(this.#refused),
      flagged: byMost(this.#flagged),
      logged: byMost(this.#logged),
    };
  }

  #byEffect(decision: ReviewedDecision["decision"]): Map<string, ByCode> | null {
    return decision === "deny" ? this.#refused : decision === "flag" ? this.#flagged : null;
  }

  #use(words: string, time: string): void {
    const known = this.uses.get(words);
    if (known === undefined) {
      if (this.uses.size < WORDS_MAX) this.uses.set(words, { uses: 1, first: time, last: time });
      return;
    }
    known.uses++;
    if (time < known.first) known.first = time;
    if (time > known.last) known.last = time;
  }

  /** Counts a decision by verb, type and relation. @returns false if there are too many of these to tell it apart */
  #add({ verb, type, relation, decision, proceed, observed, time, id }: ReviewedDecision): boolean {
    const key = JSON.stringify([verb, type, relation]);
    let did = this.#did.get(key);
    if (did === undefined) {
      if (this.#did.size >= DID_MAX) return false;
      did = { verb, type, relation, ...noCounts(), observed: 0, resources: 0, first: time, last: time, seen: new Distinct() };
      this.#did.set(key, did);
    }
    did[verdictOf({ decision, proceed })]++;
    if (observed) did.observed++;
    if (time < did.first) did.first = time;
    if (time > did.last) did.last = time;
    if (id !== null) did.seen.see(id);
    return true;
  }
}

/** Counts a decision by its reason. @returns false if there are too many reasons to tell it apart */
function put(into: Map<string, ByCode>, { code, severity, message }: Reason, one: ReviewedDecision): boolean {
  let known = into.get(code);
  if (known === undefined) {
    if (into.size >= CODES_MAX) return false;
    known = { code: text(code), severity, decisions: 0, first: one.time, last: one.time, examples: [] };
    into.set(code, known);
  }
  known.decisions++;
  if (one.time < known.first) known.first = one.time;
  if (one.time > known.last) known.last = one.time;
  const isNew = !known.examples.some(({ id, verb, type }) => id === one.id && verb === one.verb && type === one.type);
  if (isNew && known.examples.length < EXAMPLES_MAX) known.examples.push(exampleOf(one, message));
  return true;
}

function exampleOf({ seq, decision_id, time, agent, verb, type, id }: ReviewedDecision, message: string): Example {
  return { seq, decision_id, time, agent, verb, type, id, message: clipped(message) };
}

export function clipped(message: string): string {
  return message.length > MESSAGE_LENGTH_MAX ? `${clip(message, MESSAGE_LENGTH_MAX)}…` : message;
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
