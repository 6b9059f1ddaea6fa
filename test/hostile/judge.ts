/** Holds what a service answered against what it may answer, its records against OPA's own evaluator, and both against what was sent. */
import { closeSync, fstatSync, openSync, readSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { unordered } from "../../src/authoring/set.js";
import { evaluateWithOpa } from "../../src/bundle/compiled_set.js";
import type { Opa } from "../../src/bundle/opa.js";
import { PROBLEMS, type Answer, type PolicyInput, type PolicyResult, type ProblemCode } from "../../src/contract/index.js";
import type { Outcome, Received } from "./client.js";
import { subjectOf, subjectsOf, type Asked, type Exchange } from "./requests.js";
import { mayPass, toldTruly, type Subject, type TaskFact, type World } from "./world.js";

const VIOLATIONS_KEPT = 20;
/** Of the decisions that don't proceed, one in so many is asked of OPA too. */
const SAMPLE = 4;
const OPA_CODES = new Set(["invalid_parameter", "unauthorized", "resource_not_found", "undefined_document"]);
const LEAKS = /\.(?:ts|js|rego):|node_modules|\bat [^"]*\(|\/(?:tmp|home|usr|work|root|etc)\//;

/** What the service must never do, each with what made it. */
export interface Violation {
  rule: "status" | "answer" | "unanswered" | "record" | "verdict" | "subject" | "leak" | "alive";
  detail: string;
  what: string;
  /** The bytes sent, Latin-1. */
  sent: string;
}

export interface Figures {
  requests: Record<Exchange["kind"], number>;
  /** By status; 0 where the connection ended without any. */
  answers: Record<string, number>;
  problems: Record<string, number>;
  resets: number;
  decisions: { allow: number; flag: number; deny: number; proceed: number };
  asked_of_opa: number;
  /** Evaluations that a busy machine did not finish in their time: denied, and not held against OPA. */
  over_budget: number;
}

interface Claim {
  answer: Answer;
  /** Undefined where the request had no sound framing. */
  subject: Subject | undefined;
  exchange: Exchange;
}

interface DecisionRecord {
  kind: string;
  input?: PolicyInput;
  request?: Record<string, unknown>;
  answer: Answer;
}

export interface Judged {
  opa: Opa;
  archive: string;
  world: World;
  caller: string;
  records: string;
  /** Digest of the bundle that decides, all along. */
  digest: string;
}

export class Judge {
  readonly figures: Figures = {
    requests: { valid: 0, mutated: 0, raw: 0 },
    answers: {},
    problems: {},
    resets: 0,
    decisions: { allow: 0, flag: 0, deny: 0, proceed: 0 },
    asked_of_opa: 0,
    over_budget: 0,
  };
  readonly violations: Violation[] = [];
  violated = 0;
  #claims: Claim[] = [];
  #seen = new Map<string, number>();

  /** What the service was told to begin with, and the tasks that it said it has made since. */
  readonly #world: World;

  constructor(readonly on: Judged) {
    this.#world = { ...on.world, tasks: { ...on.world.tasks } };
  }

  /** Everything that can be said of an exchange by itself. */
  met(exchange: Exchange, { answers, fault, reset }: Outcome): void {
    const { figures } = this;
    figures.requests[exchange.kind] += exchange.asked?.length ?? 1;
    if (reset && !exchange.leaves) figures.resets++;
    if (fault !== null) this.violate("unanswered", fault, exchange);
    if (answers.length === 0) count(figures.answers, "0");
    for (const [i, answer] of answers.entries()) this.#answered(answer, exchange, exchange.asked?.[i]);
  }

  violate(rule: Violation["rule"], detail: string, exchange?: Exchange): void {
    this.violated++;
    if (this.violations.length >= VIOLATIONS_KEPT) return;
    const sent = exchange?.bytes.toString("latin1").slice(0, 4000) ?? "";
    this.violations.push({
      rule,
      detail,
      what: exchange === undefined ? "" : `${exchange.kind}: ${exchange.what}`,
      sent,
    });
  }

  /** Finds the record of each answer so far, and asks OPA what it would have decided. */
  async settle(): Promise<void> {
    const claims = this.#claims;
    this.#claims = [];
    const records = this.#newRecords(new Set(claims.map(({ answer }) => answer.decision_id)));
    const found: { claim: Claim; input: PolicyInput }[] = [];
    for (const [i, claim] of claims.entries()) {
      const { answer, subject, exchange } = claim;
      const record = records.get(answer.decision_id);
      if (record === undefined || JSON.stringify(record.answer) !== JSON.stringify(answer)) {
        this.violate("record", `${answer.decision_id} was answered and isn't recorded so`, exchange);
        continue;
      }
      const { input } = record;
      const recorded = subjectOf(input?.request ?? record.request ?? {});
      if (subject !== undefined && JSON.stringify(recorded) !== JSON.stringify(subject))
        this.violate("subject", `asked ${JSON.stringify(subject)}, decided ${JSON.stringify(recorded)}`, exchange);
      if (input === undefined) {
        if (answer.proceed) this.violate("verdict", "the policy wasn't asked, and yet it may proceed", exchange);
      } else {
        const known = mayPass(this.#world, recorded, input.facts.time.ms) && toldTruly(this.#world, input, this.on.caller);
        if (answer.proceed && !known) this.violate("verdict", `facts don't permit ${JSON.stringify(input)}`, exchange);
        if (answer.reasons[0]?.code === "evaluation_budget" && !answer.proceed) this.figures.over_budget++;
        else if (answer.proceed || i % SAMPLE === 0) found.push({ claim, input });
      }
    }
    this.figures.asked_of_opa += found.length;
    if (found.length === 0) return;
    const results = await evaluateWithOpa(
      this.on.opa,
      this.on.archive,
      found.map(({ input }) => input),
    );
    for (const [i, { claim, input }] of found.entries()) {
      const [ours, theirs] = [verdict(claim.answer), verdict(results[i] as PolicyResult | undefined)];
      if (ours !== theirs) this.violate("verdict", `answered ${ours}, OPA ${theirs} to ${JSON.stringify(input)}`, claim.exchange);
    }
  }

  #answered({ status, headers, body }: Received, exchange: Exchange, asked: Asked | undefined): void {
    count(this.figures.answers, String(status));
    const type = headers.get("content-type") ?? "";
    // None of the run's requests fills a limit that would explain a 503.
    if (status >= 500) this.violate("status", `${status} ${body}`, exchange);
    if (asked?.statuses?.includes(status) === false) this.violate("status", `${status} ${body} to what is valid`, exchange);
    if (asked?.method === "HEAD" || type.startsWith("text/plain")) return;
    // As OPA's API says that a method isn't allowed.
    if (status === 405 && body === "") return;
    let value: unknown;
    try {
      value = JSON.parse(body);
    } catch {
      this.violate("answer", `no JSON: ${body}`, exchange);
      return;
    }
    if (status >= 400) {
      if (LEAKS.test(body)) this.violate("leak", body, exchange);
      const code = problemOf(value, status, type);
      if (code === null) {
        this.violate("answer", `an undocumented problem: ${body}`, exchange);
        return;
      }
      count(this.figures.problems, code);
      return;
    }
    if ((status !== 200 && status !== 201) || type !== "application/json")
      this.violate("answer", `an undocumented answer: ${status} ${type}`, exchange);
    this.#good(value as Record<string, unknown>, exchange, asked);
  }

  #good(value: Record<string, unknown>, exchange: Exchange, asked: Asked | undefined): void {
    const { running } = value as { running?: { digest: string } | null };
    if (running !== undefined && running?.digest !== this.on.digest) this.violate("answer", "another bundle decides", exchange);
    if ("subjects" in value) {
      const task = value as unknown as TaskFact & { id: string };
      this.#world.tasks[task.id] = task;
    }
    const { answers = "decision" in value ? [value] : [] } = value as { answers?: unknown };
    const subjects = asked === undefined ? undefined : subjectsOf(asked);
    for (const [i, answer] of (answers as Answer[]).entries()) {
      const { decisions } = this.figures;
      decisions[answer.decision]++;
      if (answer.proceed) decisions.proceed++;
      if (subjects === null) this.violate("subject", "a decision on what no reader reads", exchange);
      this.#claims.push({ answer, subject: subjects?.[i], exchange });
    }
  }

  /** Records written since the last time, of these decisions. */
  #newRecords(wanted: ReadonlySet<string>): Map<string, DecisionRecord> {
    const found = new Map<string, DecisionRecord>();
    for (const name of readdirSync(this.on.records)
      .filter((file) => file.endsWith(".jsonl"))
      .sort()) {
      const from = this.#seen.get(name) ?? 0;
      const fresh = readFrom(join(this.on.records, name), from);
      const whole = fresh.subarray(0, fresh.lastIndexOf(10) + 1);
      this.#seen.set(name, from + whole.length);
      for (const line of whole.toString().split("\n")) {
        if (line === "") continue;
        const record = JSON.parse(line) as DecisionRecord;
        if (record.kind === "decision" && wanted.has(record.answer.decision_id)) found.set(record.answer.decision_id, record);
      }
    }
    return found;
  }
}

function readFrom(file: string, from: number): Buffer {
  const descriptor = openSync(file, "r");
  try {
    const bytes = Buffer.alloc(fstatSync(descriptor).size - from);
    return bytes.subarray(0, readSync(descriptor, bytes, 0, bytes.length, from));
  } finally {
    closeSync(descriptor);
  }
}

/** What host and policy must agree on, in one spelling. */
interface Said {
  code?: string;
  status?: number;
  errors?: { code?: string }[];
}

/** Its code, where it is said as documented: as a problem, or in OPA's words with the problem among its errors. */
function problemOf(value: unknown, status: number, type: string): ProblemCode | "undefined_document" | null {
  const { code = "", status: stated, errors } = value as Said;
  if (type === "application/json" && OPA_CODES.has(code)) {
    // Nothing is wrong with what was asked: it has no answer.
    if (code === "undefined_document" && status === 404 && errors === undefined) return code;
    const inner = errors?.[0]?.code ?? "";
    return Object.hasOwn(PROBLEMS, inner) ? (inner as ProblemCode) : null;
  }
  const known = Object.hasOwn(PROBLEMS, code) && PROBLEMS[code as ProblemCode].status === status;
  return known && stated === status && type === "application/problem+json" ? (code as ProblemCode) : null;
}

function verdict(of: Answer | PolicyResult | undefined): string {
  if (of === undefined) return "undefined";
  const { decision, proceed, reasons, obligations } = of;
  return unordered({
    decision,
    proceed,
    reasons: reasons.map(({ effect, code, severity, params }) => ({ effect, code, severity, params })),
    // Of a deny the host gives none.
    obligations: decision === "deny" ? [] : obligations,
  });
}

function count(table: Record<string, number>, key: string): void {
  table[key] = (table[key] ?? 0) + 1;
}
