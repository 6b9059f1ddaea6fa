/**
 * The review of a period, from the log's records alone, read once: who could do what, what of it was done, refused and never used,
 * who decided about that, and what all this rests on. Memory is bounded, however many records there are.
 */
import type { Verifier } from "../audit/tree/note.js";
import { retainedIn } from "../audit/privacy/retention_record.js";
import { segmentsOf } from "../audit/log/record_lines.js";
import type { BundleContent } from "../bundle/verify.js";
import { canonical, type DecisionRecord, type PolicyInput } from "../contract/index.js";
import { isAsked, isDecisionRecord, isRefused } from "../replay/shapes.js";
import { Coverage } from "./coverage.js";
import { ReviewedFindings } from "./findings.js";
import { History, members, text, textOrNull, type GrantKnown, type RecordMembers } from "./history.js";
import { Permits, utcHour } from "./permits.js";
import { relationIn } from "./relation.js";
import type { AgentPurpose, BundleRow, Counts, ReviewedGrant, GraveRefusal, May, PurposeRow, Review, StoppedAgent } from "./report.js";
import { Signed, Tree, rootOf } from "./basis.js";
import { HOURS, ReviewTally, noCounts, type ReviewedDecision } from "./tally.js";
import { walk, type Walked, type WalkProgress } from "./walk.js";

export interface ReviewOptions {
  /** Folder of the log. */
  folder: string;
  /** Milliseconds since the epoch, from the first up to before the second. */
  from_ms: number;
  to_ms: number;
  /** Bundles that were in force: what they permit is told by them. Any number of them, also none. */
  bundles: readonly BundleContent[];
  /** Keys of the log that are trusted; null: those that it names itself. */
  keys: readonly Verifier[] | null;
  /** Changes of facts that the log no longer has, in order, where a store was given. */
  earlier: Iterable<RecordMembers>;
  /** When it is made, and by which version. */
  now_ms: number;
  version: string;
  progress: (so_far: WalkProgress) => void;
}

/** Agents with a purpose; further ones share one row. */
const PAIRS_MAX = 2_000;
const BUNDLES_MAX = 200;
const SLOTS_MAX = 96;
const LISTED_MAX = 2_000;
const DAY_MS = 86_400_000;
/** Stand for agents and purposes that are names only: anybody can make them up. */
export const UNREGISTERED = "(not registered)";
const UNKNOWN_PURPOSE = "(no such purpose)";

/** Length of the parts that activity is shown in: an hour, a day or a week, or as many weeks as keep them countable. */
export function slotMs(from_ms: number, to_ms: number): number {
  const span = to_ms - from_ms;
  const found = [DAY_MS / 24, DAY_MS, 7 * DAY_MS].find((ms) => span <= SLOTS_MAX * ms);
  return found ?? Math.ceil(span / (SLOTS_MAX * 7 * DAY_MS)) * 7 * DAY_MS;
}

export function review(options: ReviewOptions): Review {
  return new Reviewer(options).read();
}

interface Pair {
  agent: string;
  purpose: string;
  tally: ReviewTally;
}

class Reviewer {
  readonly #options: ReviewOptions;
  readonly #history = new History();
  readonly #findings = new ReviewedFindings();
  readonly #coverage: Coverage;
  readonly #tree = new Tree();
  readonly #signed: Signed;
  readonly #permits: ReadonlyMap<string, Permits>;
  readonly #pairs = new Map<string, Pair>();
  readonly #total: ReviewTally;
  readonly #decidedBy = new Map<string, BundleRow>();
  readonly #kinds = new Map<string, number>();
  readonly #refusedCallers = new Map<string, number>();
  readonly #slots: number;
  readonly #slotMs: number;
  /** Verifier keys that the log names. */
  readonly #named = new Set<string>();
  #origin: string | null = null;
  #leftOff = 0;
  #before = { size: 0, root: null as string | null };
  #through = { size: 0, root: null as string | null };
  #range = { first: null as number | null, last: null as number | null, in_period: 0 };

  constructor(options: ReviewOptions) {
    const { from_ms, to_ms, folder, bundles } = options;
    this.#options = options;
    this.#slotMs = slotMs(from_ms, to_ms);
    this.#slots = Math.ceil((to_ms - from_ms) / this.#slotMs);
    this.#total = new ReviewTally(this.#slots);
    this.#coverage = new Coverage(from_ms, to_ms);
    this.#signed = new Signed(folder);
    this.#permits = new Map(bundles.map((one) => [one.identity.digest, new Permits(one)]));
  }

  read(): Review {
    const { folder, from_ms, to_ms, earlier, progress } = this.#options;
    const within = (ms: number): boolean => ms >= from_ms && ms < to_ms;
    for (const change of earlier) this.#history.take(change, 0, false);
    const dropped = (segmentsOf(folder)[0]?.first ?? 1) - 1;
    if (dropped > 0) {
      this.#tree.drop(folder, dropped);
      this.#coverage.dropped(dropped);
    }
    let inside = false;
    let at: Review["rests_on"]["before"] | null = null;
    for (const walked of walk(folder, within, progress)) {
      const { line, record, why, time_ms } = walked;
      const isIn: boolean = why === null ? within(time_ms) : inside;
      if (isIn && this.#range.first === null) this.#before = rootOf(this.#tree.at());
      if (!isIn && inside) this.#through = rootOf(this.#tree.at());
      if (this.#range.first === null && time_ms >= to_ms) at ??= rootOf(this.#tree.at());
      inside = isIn;
      this.#tree.take(line);
      this.#signed.look(this.#tree);
      this.#coverage.line(line.seq, time_ms, isIn);
      if (why !== null) this.#coverage.unreadable(line.seq, why, isIn);
      else if (record === null) this.#findings.glance(line.bytes, line.seq, time_ms < from_ms);
      if (isIn) this.#count(line.seq, record);
      if (record === null) continue;
      // The checkpoint is of all records: its key may be named after the period.
      this.#name(record);
      if (time_ms < to_ms) this.#take(walked, record, isIn);
    }
    if (inside) this.#through = rootOf(this.#tree.at());
    if (this.#range.first === null) this.#before = this.#through = at ?? rootOf(this.#tree.at());
    return this.#report();
  }

  #count(seq: number, record: RecordMembers | null): void {
    this.#range.first ??= seq;
    this.#range.last = seq;
    this.#range.in_period++;
    const kind = record === null ? "unreadable" : text(record["kind"]);
    if (this.#kinds.has(kind) || this.#kinds.size < 32) this.#kinds.set(kind, (this.#kinds.get(kind) ?? 0) + 1);
  }

  #take(walked: Walked, record: RecordMembers, within: boolean): void {
    const { line, beside } = walked;
    switch (record["kind"]) {
      case "decision":
      case "observed":
        if (within) this.#decision(walked, record);
        return;
      case "facts": {
        const parts = record["beside"] === undefined ? null : beside();
        this.#findings.judged({ ...record, ...parts });
        this.#history.take(record, line.seq, within, parts);
        return;
      }
      case "refusal": {
        const code = text(record["code"]);
        const count = typeof record["count"] === "number" ? record["count"] : 1;
        if (within && (this.#refusedCallers.has(code) || this.#refusedCallers.size < 100))
          this.#refusedCallers.set(code, (this.#refusedCallers.get(code) ?? 0) + count);
        return;
      }
      case "service":
        this.#service(record, line.seq, within);
        return;
      case "notice":
        this.#findings.noticed(record);
        return;
      case "admin":
        return;
      case "lost":
        if (within) this.#coverage.lost(line.seq, text(record["time"]), record["count"]);
        return;
      default:
        this.#history.take(record, line.seq, within);
    }
  }

  /** Keys of the log that a record names: of a start, or of a retention, which keeps those of the starts that it drops. */
  #name(record: RecordMembers): void {
    for (const key of retainedIn(record)?.keys ?? []) this.#named.add(key);
    if (record["kind"] !== "service" || !Array.isArray(record["keys"])) return;
    for (const key of record["keys"].slice(0, 16)) if (typeof key === "string" && this.#named.size < 256) this.#named.add(key);
  }

  #service(record: RecordMembers, seq: number, within: boolean): void {
    this.#origin = textOrNull(record["origin"]) ?? this.#origin;
    this.#coverage.service(seq, text(record["time"]), text(record["change"]), text(record["durability"]), within);
  }

  #decision({ line, time_ms, beside }: Walked, record: RecordMembers): void {
    const parts = record["beside"] === undefined ? record : beside();
    if (!isDecisionRecord(record) || parts === null) {
      this.#coverage.unreadable(
        line.seq,
        parts === null ? "what stands beside it is not there, or not what it was" : "it is not a decision's record",
        true,
      );
      return;
    }
    const judged = this.#judged(line.seq, time_ms, record, parts);
    if (judged === null) {
      this.#coverage.unreadable(line.seq, "it doesn't say what was asked", true);
      return;
    }
    this.#findings.sighted(judged, textOrNull(record.answer.finding));
    for (const { code, params } of judged.reasons) {
      const grant = code === "granted" ? this.#history.grants.get(text(params["grant"])) : undefined;
      if (grant !== undefined) grant.used++;
    }
    this.#decided(record);
    this.#total.add(judged);
    const pair = this.#pairOf(judged.agent, judged.purpose);
    if (pair === null) this.#leftOff++;
    else pair.tally.add(judged);
  }

  #judged(seq: number, time_ms: number, record: DecisionRecord, parts: RecordMembers): ReviewedDecision | null {
    const { answer, kind, time } = record;
    const asked = isAsked(parts) ? parts : null;
    const refused = asked === null && isRefused(parts) ? parts : null;
    const request = asked?.input.request ?? refused?.request;
    if (request === undefined) return null;
    const { agent, purpose, verb, resource } = request;
    const permits = this.#permits.get(answer.policy.digest) ?? null;
    const hour = permits?.hourOf(purpose, time_ms) ?? utcHour(time_ms);
    return {
      ...{
        seq,
        time,
        decision_id: text(answer.decision_id),
        verb: text(verb),
        type: text(resource.type),
        id: textOrNull(resource.id),
      },
      agent: refused !== null && refused.floor.agent === null ? UNREGISTERED : text(agent),
      purpose: answer.reasons.some(({ code }) => code === "purpose_unknown") ? UNKNOWN_PURPOSE : text(purpose),
      relation: asked === null || permits === null ? (record.act?.relation ?? "unknown") : relationIn(asked.input, permits.vocabulary),
      observed: kind === "observed",
      ...{ decision: answer.decision, proceed: answer.proceed, reasons: answer.reasons },
      unusual: unusualIn(asked?.input.facts.behavior),
      used: asked === null || permits === null || answer.decision === "deny" ? [] : permits.usedBy(asked.input),
      slot: Math.floor((time_ms - this.#options.from_ms) / this.#slotMs),
      hour: Math.min(hour, HOURS - 1),
    };
  }

  #decided({ answer, time }: DecisionRecord): void {
    const { bundle, revision, sequence, digest } = answer.policy;
    const known = this.#decidedBy.get(digest);
    if (known !== undefined) {
      known.decisions++;
      known.last = time;
    } else if (this.#decidedBy.size < BUNDLES_MAX) {
      const given = this.#permits.has(digest);
      const said = { bundle: text(bundle), revision: text(revision), sequence, digest: text(digest) };
      this.#decidedBy.set(digest, { ...said, decisions: 1, first: time, last: time, given });
    }
  }

  #pairOf(agent: string, purpose: string): Pair | null {
    const key = JSON.stringify([agent, purpose]);
    let pair = this.#pairs.get(key);
    if (pair === undefined) {
      if (this.#pairs.size >= PAIRS_MAX) return null;
      pair = { agent, purpose, tally: new ReviewTally(this.#slots) };
      this.#pairs.set(key, pair);
    }
    return pair;
  }

  /** The bundle that decided last, or, where it wasn't given, the last that was. */
  #inForce(): Permits | null {
    const decided = [...this.#decidedBy.values()].filter(({ given }) => given).sort((a, b) => order(a.last, b.last));
    return this.#permits.get(decided.at(-1)?.digest ?? "") ?? [...this.#permits.values()].at(-1) ?? null;
  }

  #report(): Review {
    const { from_ms, to_ms, now_ms, keys, version } = this.#options;
    const inForce = this.#inForce();
    // Who may and did nothing is as much a part of a review as who did.
    for (const { id, purposes, status } of this.#history.agents.values())
      if (status !== "revoked") for (const purpose of purposes) this.#pairOf(id, purpose);
    const agents = [...this.#pairs.values()].map((pair) => this.#agentPurpose(pair, inForce));
    agents.sort((a, b) => order(a.purpose, b.purpose) || total(b.counts) - total(a.counts) || order(a.agent, b.agent));
    const purposes = this.#purposes(agents, inForce);
    const findings = this.#findings.rows(from_ms, to_ms);
    const { gaps, left_off } = this.#coverage.gaps();
    const open = findings.filter(({ verdict }) => verdict === null).length;
    const { first, last, in_period } = this.#range;
    return {
      version: 1,
      period: { from: iso(from_ms), to: iso(to_ms) },
      made: iso(now_ms),
      complete: gaps.length === 0 && this.#leftOff === 0,
      totals: {
        counts: this.#total.counts,
        observed: this.#total.observed,
        logged: this.#total.logged_decisions,
        agents: new Set(agents.filter(({ counts }) => total(counts) > 0).map(({ agent }) => agent)).size,
        findings_open: open,
        findings_closed: findings.length - open,
        never_used: purposes.reduce((sum, { never_used }) => sum + never_used.length, 0),
      },
      stopped: this.#stopped(),
      grave_refusals: graveRefusals(agents),
      slot_ms: this.#slotMs,
      over_time: this.#total.slots,
      heat: heatOf(this.#total.hours),
      purposes,
      agents,
      agents_left_off: this.#leftOff,
      grants: this.#grants(),
      changes: this.#history.changes.map((change) => ({ ...change })),
      change_counts: Object.fromEntries([...this.#history.counts].sort(([a], [b]) => order(a, b))),
      findings: findings.slice(0, LISTED_MAX),
      refused_callers: [...this.#refusedCallers].map(([code, count]) => ({ code, count })).sort((a, b) => b.count - a.count),
      activations: this.#history.bundles
        .filter(({ time }) => Date.parse(time) >= from_ms)
        .map(({ seq, time, change, bundle, revision, code }) => ({ seq, time, change, bundle, revision, code })),
      left_off: this.#history.left_off + this.#findings.left_off + Math.max(0, findings.length - LISTED_MAX),
      gaps,
      gaps_left_off: left_off,
      rests_on: {
        origin: this.#signed.origin ?? this.#origin,
        records: { first, last, in_period },
        kinds: Object.fromEntries([...this.#kinds].sort(([a], [b]) => order(a, b))),
        before: this.#before,
        through: this.#through,
        checkpoint: this.#signed.judged(keys, [...this.#named], last),
        bundles: [...this.#decidedBy.values()].sort((a, b) => order(a.first, b.first)),
        remit: version,
      },
    };
  }

  /** Suspended ones first. */
  #stopped(): StoppedAgent[] {
    const { agents, narrowed, stops } = this.#history;
    const all = [...stops].map(([agent, { within, ...stop }]) => {
      const suspended = agents.get(agent)?.status === "suspended";
      return { within, row: { agent, narrowed: narrowed.has(agent), suspended, ...stop } };
    });
    const concerned = all.filter(({ within, row }) => within || row.narrowed || row.suspended).map(({ row }) => row);
    const rank = (row: StoppedAgent): number => (row.suspended ? 0 : row.narrowed ? 1 : 2);
    return concerned.sort((a, b) => rank(a) - rank(b) || order(b.time, a.time)).slice(0, LISTED_MAX);
  }

  #agentPurpose({ agent, purpose, tally }: Pair, inForce: Permits | null): AgentPurpose {
    const known = this.#history.agents.get(agent);
    return {
      ...{ agent, purpose },
      ...{ name: known?.name ?? null, owner: known?.owner ?? null, version: known?.version ?? null, status: known?.status ?? null },
      narrowed: this.#history.narrowed.has(agent),
      assigned: known === undefined ? null : known.purposes.includes(purpose),
      ...{ counts: tally.counts, observed: tally.observed, first: tally.first, last: tally.last },
      highest_risk: tally.highest_risk,
      may: maysOf(tally, purpose, inForce, known === undefined || known.purposes.includes(purpose)),
      ...tally.said,
      left_off: tally.left_off,
      heat: heatOf(tally.hours),
      over_time: total(tally.counts) === 0 ? [] : tally.slots,
    };
  }

  #purposes(agents: readonly AgentPurpose[], inForce: Permits | null): PurposeRow[] {
    const ids = new Set([...(inForce?.purposes ?? []), ...agents.map(({ purpose }) => purpose)]);
    return [...ids].sort(order).map((purpose) => {
      const of = agents.filter((one) => one.purpose === purpose);
      const entries = inForce?.of(purpose) ?? [];
      const used = new Set(of.flatMap(({ may }) => may.flatMap(({ uses, words }) => (uses > 0 ? [words] : []))));
      const compiled = inForce?.purpose(purpose) ?? null;
      return {
        purpose,
        ...{ statement: compiled?.statement ?? null, owner: compiled?.owner ?? null, task: compiled?.task ?? null },
        hours: inForce?.hoursOf(purpose) ?? null,
        zone: inForce?.zoneOf(purpose) ?? "UTC",
        agents: of.filter(({ assigned }) => assigned === true).length,
        counts: of.reduce((sum, { counts }) => added(sum, counts), noCounts()),
        never_used: [...new Set(entries.map(({ words }) => words))].filter((words) => !used.has(words)),
        entries: entries.length,
      };
    });
  }

  /** Returns grants that were in force or created in the period. */
  #grants(): ReviewedGrant[] {
    const { from_ms, to_ms } = this.#options;
    const lived = ({ expires, ended, created, not_before }: GrantKnown): boolean =>
      Date.parse(created) >= from_ms ||
      (Date.parse(not_before) < to_ms && Math.min(Date.parse(expires), ended === null ? Infinity : Date.parse(ended.at)) > from_ms);
    return [...this.#history.grants.values()].filter(lived).slice(0, LISTED_MAX).map(grantRow);
  }
}

/** Fewer refusals than these are no pattern. */
const GRAVE_FROM = 3;

function graveRefusals(agents: readonly AgentPurpose[]): GraveRefusal[] {
  return agents
    .flatMap(({ agent, purpose, refused }) =>
      refused
        .filter(({ severity, decisions }) => (severity === "high" || severity === "critical") && decisions >= GRAVE_FROM)
        .map(({ code, severity, decisions, last }) => ({ agent, purpose, code, severity, decisions, last })),
    )
    .sort((a, b) => b.decisions - a.decisions)
    .slice(0, LISTED_MAX);
}

function unusualIn(behavior: PolicyInput["facts"]["behavior"] | undefined): ReviewedDecision["unusual"] {
  const { risk, reasons } = members(behavior);
  if (typeof risk !== "number" || !Number.isInteger(risk) || risk <= 0 || risk > 100) return null;
  return { risk, reasons: Array.isArray(reasons) ? reasons.filter((one) => typeof one === "string") : [] };
}

function maysOf({ uses }: ReviewTally, purpose: string, inForce: Permits | null, assigned: boolean): May[] {
  const now = assigned ? (inForce?.of(purpose) ?? []) : [];
  const listed = now.map(({ line, verb, type, words }): May => {
    const use = uses.get(words);
    return { line, verb, type, words, in_force: true, uses: use?.uses ?? 0, first: use?.first ?? null, last: use?.last ?? null };
  });
  const known = new Set(now.map(({ words }) => words));
  const gone = [...uses].filter(([words]) => !known.has(words));
  return [
    ...listed,
    ...gone.map(([words, { uses: n, first, last }]): May => {
      const [effect = "", verb = "", type = ""] = words.split(" ");
      return { line: effect === "flags" ? "flag" : "allow", verb, type, words, in_force: false, uses: n, first, last };
    }),
  ];
}

function grantRow({ entry, not_before: _, ended, ...grant }: GrantKnown): ReviewedGrant {
  const { id, agent, task, reason, requested_by, approved_by, by, created, expires, uses, used } = grant;
  const what = entry === null ? "one action, by its digest" : text(canonical(entry));
  return { id, agent, task, what, reason, requested_by, approved_by, by, created, expires, uses, used, ended: ended?.at ?? null };
}

function heatOf(hours: Uint32Array): number[][] {
  return Array.from({ length: 7 }, (_, day) => [...hours.subarray(day * 24, day * 24 + 24)]);
}

export function total({ allow, flag_proceed, flag_wait, deny }: Counts): number {
  return allow + flag_proceed + flag_wait + deny;
}

function added(a: Counts, b: Counts): Counts {
  return {
    allow: a.allow + b.allow,
    flag_proceed: a.flag_proceed + b.flag_proceed,
    flag_wait: a.flag_wait + b.flag_wait,
    deny: a.deny + b.deny,
  };
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
