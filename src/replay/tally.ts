/** Counts what changes between decisions on record and those of another bundle. Bounded, however many there are. */
import { canonical, type Answer, type Obligation, type PolicyIdentity, type Reason } from "../contract/index.js";
import { isSameReasons } from "./compare.js";
import type { ReplayableRecord } from "./recorded_decision.js";
import type { Conclusion } from "../decision/question.js";

/** Verdicts on an action, from the one that goes ahead unseen to the one that doesn't go ahead. */
export const VERDICTS = ["allow", "flag_proceed", "flag_wait", "deny"] as const;
export type ChangeVerdict = (typeof VERDICTS)[number];

/** From the verdict on record (row) to the other bundle's (column), in the order of `VERDICTS`. */
export type Matrix = number[][];

export interface Side {
  verdict: ChangeVerdict;
  /** The code of the reason that decides. */
  code: string;
}

/** `fewer`: one that was on record is gone, or has another value. */
export type ObligationChange = "same" | "more" | "fewer";

export interface ChangeExample {
  seq: number;
  decision_id: string;
  time: string;
  agent: string;
  task: string | null;
  verb: string;
  type: string;
  id: string | null;
  /** Messages of the reasons, those that decide first; obligations where they differ. */
  was: string[];
  now: string[];
}

/** Decisions that change alike. */
export interface DecisionChange {
  purpose: string;
  verb: string;
  type: string;
  was: Side;
  now: Side;
  obligations: ObligationChange;
  /** It goes ahead, and on record it didn't; or it did under an obligation that is gone. */
  newly_allowed: boolean;
  decisions: number;
  /** Count of different ones, up to `DISTINCT_MAX`. */
  agents: number;
  resources: number;
  first: string;
  last: string;
  examples: ChangeExample[];
}

interface Counts {
  decisions: number;
  /** Another verdict, or other obligations. */
  changed: number;
  newly_allowed: number;
  /** It went ahead, and now wouldn't. */
  newly_stopped: number;
  /** The same verdict, with other obligations. */
  other_obligations: number;
}

export interface TallyRow extends Counts {
  name: string;
  matrix: Matrix;
}

export interface CountedChanges extends Counts {
  /** Same verdict and obligations, and other reasons. */
  other_reasons: number;
  matrix: Matrix;
  /** The newly allowed first; of these, as of the others, the most frequent. */
  changes: DecisionChange[];
  /** Changed decisions that are in none of `changes`, which is bounded. */
  changes_left_off: number;
  by_purpose: TallyRow[];
  by_agent: TallyRow[];
  /** `was → now`, by the codes of the reasons that decide; of those that change only. */
  by_rule: TallyRow[];
  /** The bundles of the decisions on record. */
  decided_by: { policy: PolicyIdentity; decisions: number }[];
}

export const DISTINCT_MAX = 100;
const CHANGES_MAX = 2_000;
const ROWS_MAX = 1_000;
const EXAMPLES_MAX = 5;
const MESSAGES_MAX = 5;
/** Row of all agents, purposes or rules beyond the number that is told apart. */
const OTHERS = "(others)";

interface Grown extends DecisionChange {
  agentsSeen: Set<string>;
  resourcesSeen: Set<string>;
}

export class ReplayTally {
  readonly #counts = {
    decisions: 0,
    changed: 0,
    newly_allowed: 0,
    newly_stopped: 0,
    other_obligations: 0,
    other_reasons: 0,
    changes_left_off: 0,
  };
  readonly #matrix = emptyMatrix();
  readonly #changes = new Map<string, Grown>();
  readonly #purposes = new Map<string, TallyRow>();
  readonly #agents = new Map<string, TallyRow>();
  readonly #rules = new Map<string, TallyRow>();
  readonly #policies = new Map<string, { policy: PolicyIdentity; decisions: number }>();

  add({ seq, record, made }: ReplayableRecord, conclusion: Conclusion): void {
    const { answer, time } = record;
    const request = made.by === "policy" ? made.inputs[0].request : made.request;
    const [was, now] = [sideOf(answer), sideOf(conclusion)];
    const obligations = compareObligations(answer.obligations, conclusion.obligations);
    const [went, goes] = [answer.proceed, conclusion.proceed];
    const changed = was.verdict !== now.verdict || obligations !== "same";
    const newly_allowed = goes && (!went || obligations === "fewer");
    const counted = { was, now, changed, newly_allowed, newly_stopped: went && !goes };
    count(this.#counts, this.#matrix, counted);
    if (!changed && !isSameReasons(answer.reasons, conclusion.reasons)) this.#counts.other_reasons++;
    for (const [rows, name] of [
      [this.#purposes, request.purpose],
      [this.#agents, request.agent],
      [this.#rules, changed ? `${was.code} → ${now.code}` : null],
    ] as const) {
      if (name === null) continue;
      const row = rowOf(rows, name);
      count(row, row.matrix, counted);
    }
    this.#decidedBy(answer.policy);
    if (!changed) return;
    const { agent, purpose, task, verb, resource } = request;
    const change = this.#change({ purpose, verb, type: resource.type, was, now, obligations, newly_allowed });
    if (change === null) {
      this.#counts.changes_left_off++;
      return;
    }
    change.decisions++;
    change.first = change.first === "" || time < change.first ? time : change.first;
    change.last = time > change.last ? time : change.last;
    const isNew = [see(change.resourcesSeen, resource.id ?? ""), see(change.agentsSeen, agent)].includes(true);
    if (change.examples.length === EXAMPLES_MAX || !isNew) return;
    const musts = (of: readonly Obligation[]): string[] => (obligations === "same" ? [] : of.map((one) => `must ${canonical(one)}`));
    change.examples.push({
      seq,
      decision_id: answer.decision_id,
      time,
      agent,
      task,
      verb,
      type: resource.type,
      id: resource.id,
      was: [...messages(answer.reasons), ...musts(answer.obligations)],
      now: [...messages(conclusion.reasons), ...musts(conclusion.obligations)],
    });
  }

  counted(): CountedChanges {
    const rows = (of: ReadonlyMap<string, TallyRow>): TallyRow[] =>
      [...of.values()].sort((a, b) => b.changed - a.changed || b.decisions - a.decisions || order(a.name, b.name));
    const changes = [...this.#changes.values()]
      .sort((a, b) => Number(b.newly_allowed) - Number(a.newly_allowed) || b.decisions - a.decisions)
      .map(({ agentsSeen, resourcesSeen, ...change }): DecisionChange => ({
        ...change,
        agents: agentsSeen.size,
        resources: resourcesSeen.size,
      }));
    return {
      ...this.#counts,
      matrix: this.#matrix,
      changes,
      by_purpose: rows(this.#purposes),
      by_agent: rows(this.#agents),
      by_rule: rows(this.#rules),
      decided_by: [...this.#policies.values()],
    };
  }

  #change(of: Omit<DecisionChange, "decisions" | "agents" | "resources" | "first" | "last" | "examples">): Grown | null {
    const key = JSON.stringify(of);
    const known = this.#changes.get(key);
    if (known !== undefined) return known;
    if (this.#changes.size === CHANGES_MAX) return null;
    const [agentsSeen, resourcesSeen] = [new Set<string>(), new Set<string>()];
    const counts = { decisions: 0, agents: 0, resources: 0, first: "", last: "", examples: [] };
    const grown: Grown = { ...of, ...counts, agentsSeen, resourcesSeen };
    this.#changes.set(key, grown);
    return grown;
  }

  #decidedBy(policy: PolicyIdentity): void {
    const known = this.#policies.get(policy.digest);
    if (known !== undefined) known.decisions++;
    else if (this.#policies.size < ROWS_MAX) this.#policies.set(policy.digest, { policy, decisions: 1 });
  }
}

export function verdictOf({ decision, proceed }: Pick<Answer, "decision" | "proceed">): ChangeVerdict {
  return decision === "flag" ? (proceed ? "flag_proceed" : "flag_wait") : decision;
}

function sideOf(of: Pick<Answer, "decision" | "proceed" | "reasons">): Side {
  return { verdict: verdictOf(of), code: of.reasons[0]?.code ?? "" };
}

function compareObligations(was: readonly Obligation[], now: readonly Obligation[]): ObligationChange {
  if (was.length === 0) return now.length === 0 ? "same" : "more";
  const [before, after] = [was, now].map((list) => new Set(list.map((one) => canonical(one)))) as [Set<string>, Set<string>];
  if ([...before].some((one) => !after.has(one))) return "fewer";
  return before.size === after.size ? "same" : "more";
}

interface Outcome {
  was: Side;
  now: Side;
  changed: boolean;
  newly_allowed: boolean;
  newly_stopped: boolean;
}

function count(counts: Counts, matrix: Matrix, { was, now, changed, newly_allowed, newly_stopped }: Outcome): void {
  counts.decisions++;
  if (changed) counts.changed++;
  if (newly_allowed) counts.newly_allowed++;
  if (newly_stopped) counts.newly_stopped++;
  if (changed && was.verdict === now.verdict) counts.other_obligations++;
  const row = matrix[VERDICTS.indexOf(was.verdict)];
  const column = VERDICTS.indexOf(now.verdict);
  if (row !== undefined) row[column] = (row[column] ?? 0) + 1;
}

function emptyMatrix(): Matrix {
  return VERDICTS.map(() => VERDICTS.map(() => 0));
}

function rowOf(rows: Map<string, TallyRow>, name: string): TallyRow {
  const known = rows.get(name);
  if (known !== undefined) return known;
  if (rows.size >= ROWS_MAX && name !== OTHERS) return rowOf(rows, OTHERS);
  const row: TallyRow = { name, decisions: 0, changed: 0, newly_allowed: 0, newly_stopped: 0, other_obligations: 0, matrix: emptyMatrix() };
  rows.set(name, row);
  return row;
}

function messages(reasons: readonly Reason[]): string[] {
  const said = reasons.slice(0, MESSAGES_MAX).map(({ effect, code, message }) => `${effect} ${code}: ${message}`);
  return reasons.length > MESSAGES_MAX ? [...said, `and ${reasons.length - MESSAGES_MAX} more`] : said;
}

/** Returns true the first time that it sees a text, within its bound. */
function see(seen: Set<string>, what: string): boolean {
  if (seen.has(what) || seen.size === DISTINCT_MAX) return false;
  seen.add(what);
  return true;
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
