/** One finding, put together from its records, one after another. However many they are, it stays small. */
import type { Answer, DecisionRecord, Finding, Reason, Severity, Sighted } from "../contract/index.js";
import { waitingOf, type WaitingAction } from "./waiting_action.js";
import { aboutOfId, concerning, gravity, isBehavior, leading } from "./about.js";
import type { FindingRecord, SeenAny } from "./finding_record.js";
import { kinKey } from "./kin.js";

/** Finding as the records have it; its state comes from the verdicts. */
export type RecordedFinding = Omit<Finding, "state" | "verdict" | "revision">;

const TASKS_MAX = 16;
const CODES_MAX = 16;
const REASONS_MAX = 8;
/** Most ids kept of the first decisions, and of the latest. */
const IDS_MAX = 8;
const WAITING_MAX = 8;
const MESSAGE_MAX = 512;

type Code = RecordedFinding["codes"][number];

export class FindingFold {
  readonly id: string;
  /** The record that opened it: findings are in the order of these. */
  readonly seq: number;
  /** The last record with which it was news. */
  news: number;
  readonly #told: RecordedFinding;
  readonly #codes = new Map<string, Code>();
  readonly #reasons: RecordedFinding["reasons"] = [];
  /** Record numbers of `first` and `last`. */
  readonly #places: number[] = [];
  #tenfold = 10;

  constructor(id: string, seen: SeenAny) {
    const { record, seq } = seen;
    const entry = entryOf(seen);
    this.id = id;
    this.seq = seq;
    this.news = seq;
    const alone = aboutOfId(id);
    const code = leading(entry.kind, entry.reasons)?.code ?? null;
    this.#told = {
      id,
      about: alone ?? (code !== null && isBehavior(code) ? "behavior" : "code"),
      code,
      agent: entry.agent,
      version: null,
      purpose: alone === null ? entry.purpose : null,
      severity: alone === null ? "info" : "high",
      risk: null,
      actions: { all: 0, allow: 0, deny: 0, flag: 0 },
      tasks: [],
      codes: [],
      reasons: [],
      first: [],
      last: [],
      waiting: [],
      first_seen: record.time,
      last_seen: record.time,
    };
    this.take(seen);
  }

  /** Takes in the next record. */
  take(seen: SeenAny): void {
    const told = this.#told;
    const entry = entryOf(seen);
    told.last_seen = seen.record.time;
    this.#addId(entry.id, seen.seq);
    let isNews = this.#addReasons(entry);
    if (entry.answer !== null) {
      // What waits was decided here: an engine elsewhere may say of any digest that it waits.
      const { engine } = seen.record as { engine?: object };
      const waiting = engine === undefined ? waitingOf(seen as FindingRecord) : null;
      isNews = this.#act(entry.answer, entry, isNews, waiting);
    }
    if (isNews) this.news = seen.seq;
  }

  /** Counts an action. @returns true if it is news */
  #act({ decision }: Answer, { task, version, risk }: Entry, isNews: boolean, waiting: WaitingAction | null): boolean {
    const told = this.#told;
    told.actions.all++;
    told.actions[decision]++;
    if (task !== null && told.tasks.length < TASKS_MAX && !told.tasks.includes(task)) told.tasks.push(task);
    told.version = version ?? told.version;
    told.risk = risk === null ? told.risk : Math.max(told.risk ?? 0, risk);
    if (told.actions.all >= this.#tenfold) {
      this.#tenfold *= 10;
      isNews = true;
    }
    if (waiting !== null) {
      // Asked for again and again, an action waits once.
      const others = told.waiting.filter((one) => one.approval_digest !== waiting.approval_digest);
      isNews ||= others.length === told.waiting.length;
      told.waiting = [...others, waiting].slice(-WAITING_MAX);
    }
    return isNews;
  }

  /** Returns a copy of the finding as it is now. */
  get told(): RecordedFinding {
    const byCount = [...this.#codes.values()].sort((a, b) => b.count - a.count);
    return {
      ...this.#told,
      actions: { ...this.#told.actions },
      tasks: [...this.#told.tasks],
      codes: byCount.map((code) => ({ ...code })),
      reasons: this.#reasons.map((reason) => ({ ...reason })),
      first: [...this.#told.first],
      last: [...this.#told.last],
    };
  }

  /** Key that it has in common with its kin on other nodes; null if it can have none. */
  get key(): string | null {
    return kinKey(this.#told);
  }

  get agent(): string | null {
    return this.#told.agent;
  }

  get purpose(): string | null {
    return this.#told.purpose;
  }

  get severity(): Severity {
    return this.#told.severity;
  }

  /** RFC 3339. */
  get lastSeen(): string {
    return this.#told.last_seen;
  }

  hasCode(code: string): boolean {
    return this.#codes.has(code);
  }

  /** Returns the record numbers of `first` and `last`, in order. */
  get places(): number[] {
    return [...this.#places].sort((a, b) => a - b);
  }

  #addId(id: string, seq: number): void {
    const { first, last } = this.#told;
    this.#places.push(seq);
    if (first.length < IDS_MAX) {
      first.push(id);
      return;
    }
    last.push(id);
    if (last.length <= IDS_MAX) return;
    last.shift();
    this.#places.splice(IDS_MAX, 1);
  }

  /** Counts an entry's reasons. @returns true if one is graver than all before, or new */
  #addReasons({ kind, reasons }: Entry): boolean {
    const told = this.#told;
    const concern = concerning(kind, reasons);
    // What was tried is what was denied.
    const all = told.about === "shopping" || told.about === "denials" ? reasons.filter(({ effect }) => effect !== "allow") : concern;
    let isNews = false;
    for (const { code, severity, message } of all) {
      const known = this.#codes.get(code);
      if (known !== undefined) {
        known.count++;
        if (gravity(severity) > gravity(known.severity)) known.severity = severity;
      } else if (this.#codes.size < CODES_MAX) {
        this.#codes.set(code, { code, severity, count: 1 });
        isNews = true;
      }
      if (gravity(severity) > gravity(told.severity)) {
        told.severity = severity;
        isNews = true;
      }
      const words = message.slice(0, MESSAGE_MAX);
      const said = this.#reasons.find((one) => one.code === code && one.message === words);
      if (said !== undefined) said.count++;
      else if (this.#reasons.length < REASONS_MAX) this.#reasons.push({ code, message: words, count: 1 });
    }
    return isNews;
  }
}

/** Part of one record that a finding is made from. */
interface Entry {
  /** The decision's, or the notice's. */
  id: string;
  kind: Sighted["kind"];
  agent: string | null;
  purpose: string | null;
  task: string | null;
  version: string | null;
  risk: number | null;
  reasons: readonly FindingReason[];
  /** Null for a notice, which is of no action. */
  answer: Answer | null;
}

type FindingReason = Pick<Reason, "effect" | "code" | "severity" | "message">;

function entryOf({ record, action }: SeenAny): Entry {
  if (record.kind === "notice") {
    const { id, agent, purpose, code, severity, message } = record;
    const reasons = [{ effect: "log" as const, code, severity, message }];
    return { id, kind: "observed", agent, purpose, task: null, version: null, risk: null, reasons, answer: null };
  }
  const { kind, answer } = record;
  const known = isKnown(record);
  return {
    id: answer.decision_id,
    kind,
    agent: known ? (action?.agent ?? null) : null,
    purpose: known ? (action?.purpose ?? null) : null,
    task: action?.task ?? null,
    ...factsOf(record),
    reasons: answer.reasons,
    answer,
  };
}

/** Below the floor an agent that nobody has registered was read as null. */
function isKnown({ floor, engine }: DecisionRecord): boolean {
  return floor?.["agent"] !== null && engine?.unattributed !== true;
}

interface InputFacts {
  facts?: { agent?: { version?: unknown }; behavior?: { risk?: unknown } };
}

function factsOf({ input }: DecisionRecord): { version: string | null; risk: number | null } {
  const { facts } = (input ?? {}) as InputFacts;
  const version = facts?.agent?.version;
  const risk = facts?.behavior?.risk;
  return {
    version: typeof version === "string" ? version : null,
    risk: typeof risk === "number" && risk > 0 ? Math.round(risk) : null,
  };
}
