/** Traces that somebody sends: which of their spans tell of calls that agents made, and what became of each. */
import { Problem, type ObservedAnswer } from "../../contract/index.js";
import type { Caller } from "../../decision/ports.js";
import type { Observer } from "../../decision/observe.js";
import { Tellings, hasArguments, toldBy, type ReportedAction, type ReportedCall } from "./actions.js";
import type { DecisionClaims } from "./decision_claims.js";
import { CallBatch, CallMemory } from "./calls.js";
import { jsonOfProtobuf } from "./protobuf.js";
import type { OtelMapping } from "./mapping.js";
import { itemsOf, readSpans, type OtlpLimits, type Signal, type Span } from "./read.js";
import { inGenAi, toolAttribute } from "./vocabularies.js";

/** Spans that are worked off before others have their turn. */
const SPANS_A_TURN = 128;
/** A request that waited for the disk has taken none of others' time. */
const PAUSE_MS_MAX = 250;
/** Callers that are remembered to have been warned of. */
const WARNED_MAX = 1024;
/** Calls that one record names: below what a record may hold. */
const VOUCHED_A_RECORD = 32;

/** Body of a request, unpacked. */
export interface SentSignals {
  body: Buffer;
  isProtobuf: boolean;
}

export interface OtlpDeps {
  mapping: OtelMapping;
  observer: Observer;
  asked: DecisionClaims;
  limits: OtlpLimits;
  /** Puts on record which decisions vouch for which calls. @throws Problem of the log */
  vouched: (caller: string, calls: readonly VouchedCall[]) => Promise<void>;
  /** Resolves when whatever else waits has had its turn. */
  othersTurn: () => Promise<void>;
  /** Resolves after so many milliseconds. */
  pause: (ms: number) => Promise<void>;
  /** The monotonic clock, in milliseconds. */
  now: () => number;
  /** Called once for each caller with a span that looks like a tool's call and isn't understood. */
  notUnderstood: (caller: string, attribute: string) => void;
}

/** Call that had been asked for, as its record names it: the decision's own says what it was. */
export interface VouchedCall {
  decision_id: string;
  /** Trace and span. */
  call: string;
  at: string;
  outcome: string | null;
}

export interface Rejection {
  /** Trace and span, or where it stands in the request. */
  of: string;
  why: string;
}

/** Outcomes of the spans of one request. */
export interface TracesReport {
  spans: number;
  /** That tell of no call. */
  passed_over: number;
  /** Spans of calls that were reported before, by this span or another one. */
  again: number;
  /** That had been asked for and permitted: on record as those decisions. */
  asked: number;
  rejected: readonly Rejection[];
  /** Answer for the calls that are on record as observed. */
  answer: ObservedAnswer;
}

export class OtlpReports {
  readonly #deps: OtlpDeps;
  readonly #calls = new CallMemory();
  /** Callers whose spans were warned of. */
  readonly #warned = new Set<string>();
  /** Resolves when all requests that are being worked off are over. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(deps: OtlpDeps) {
    this.#deps = deps;
  }

  get limits(): OtlpLimits {
    return this.#deps.limits;
  }

  /**
   * Resolves when the observed calls are on record. Requests are handled one after another, so that one sent again before its first answer
   * finds every call known.
   * @throws Problem if the request is invalid; if its outcome can't be known, so that it has to be sent again
   */
  traces(sent: SentSignals, caller: Caller): Promise<TracesReport> {
    return this.#inTurn(() => this.#read(this.#jsonOf(sent, "traces"), caller));
  }

  /** Checks that it is what it says it is; of logs and metrics nothing is kept. @throws Problem */
  check(sent: SentSignals, signal: Exclude<Signal, "traces">): Promise<void> {
    return this.#inTurn(() => {
      itemsOf(this.#jsonOf(sent, signal), signal, this.#deps.limits);
    });
  }

  #jsonOf({ body, isProtobuf }: SentSignals, signal: Signal): Buffer {
    return isProtobuf ? jsonOfProtobuf(body, signal, this.#deps.limits) : body;
  }

  /** Reads one request after another, each after a pause as long as the one before has taken: decisions have half of the time at least. */
  #inTurn<T>(read: () => T | Promise<T>): Promise<T> {
    const { now, pause } = this.#deps;
    let began = 0;
    const reading = this.#last.then(() => {
      began = now();
      return read();
    });
    const rest = (): Promise<void> => pause(Math.min(now() - began, PAUSE_MS_MAX));
    this.#last = reading.then(rest, rest);
    return reading;
  }

  async #read(body: Buffer, caller: Caller): Promise<TracesReport> {
    const { mapping, observer, asked, limits } = this.#deps;
    const { spans: sent, unreadable } = readSpans(body, limits);
    const spans = sent.map(inGenAi);
    const told = spans.flatMap((span) => toldBy(span) ?? []);
    this.#warn(spans, caller);
    const { acts, batch, ...counts } = await this.#actsOf(told, new Tellings(spans, mapping));
    const rejected = [...unreadable.map(({ at, why }) => ({ of: at, why })), ...counts.rejected];
    const vouched: VouchedCall[] = [];
    const observation = observer.begin(caller, async (line, did, request) => {
      const act = acts[line - 1];
      if (act?.asks !== true) return null;
      const call = keyOf(act);
      const decision_id = await asked.before(call, did, request);
      if (decision_id !== null) vouched.push({ decision_id, call, at: act.line.at, outcome: act.line.outcome ?? null });
      return decision_id !== null;
    });
    await observation.take(Buffer.from(acts.map(({ line }) => `${JSON.stringify(line)}\n`).join("")));
    const answer = await observation.end();
    for (let from = 0; from < vouched.length; from += VOUCHED_A_RECORD)
      await this.#deps.vouched(caller.id, vouched.slice(from, from + VOUCHED_A_RECORD));
    const stoppedAt = answer.stopped?.line ?? Infinity;
    for (const { line, code, field, expected } of answer.refused) {
      const act = acts[line - 1];
      const why = [code, field, expected].filter((part) => part !== undefined).join(" ");
      if (act !== undefined) rejected.push({ of: keyOf(act), why });
    }
    const refused = new Set(answer.refused.map(({ line }) => line));
    const kept = new Set(acts.flatMap((act, i) => (i + 1 < stoppedAt && !refused.has(i + 1) ? [keyOf(act)] : [])));
    this.#calls.keep(batch, (trace, span) => kept.has(`${trace}-${span}`));
    if (answer.stopped !== null) {
      const problem = new Problem(answer.stopped.code);
      // Those that were taken are known when they are sent again.
      if (problem.status !== 400 && problem.status !== 413) throw problem;
      for (const act of acts.slice(stoppedAt - 1)) rejected.push({ of: keyOf(act), why: problem.code });
    }
    const { again } = counts;
    const passed_over = counts.passed_over + spans.length - told.length;
    return { spans: spans.length + unreadable.length, passed_over, again, asked: vouched.length, rejected, answer };
  }

  #warn(spans: readonly Span[], { id }: Caller): void {
    if (this.#warned.has(id) || this.#warned.size === WARNED_MAX) return;
    const attribute = spans.map((span) => (toldBy(span) === null ? toolAttribute(span) : null)).find((found) => found !== null);
    if (attribute === undefined) return;
    this.#warned.add(id);
    this.#deps.notUnderstood(id, attribute);
  }

  async #actsOf(told: ReportedCall[], tellings: Tellings) {
    const acts: ReportedAction[] = [];
    const rejected: Rejection[] = [];
    const batch = new CallBatch();
    let [passed_over, again] = [0, 0];
    // Of two spans of one call that counts which says most.
    const ordered = [...told].sort((a, b) => Number(hasArguments(b.span)) - Number(hasArguments(a.span)));
    for (const [i, one] of ordered.entries()) {
      if (i % SPANS_A_TURN === SPANS_A_TURN - 1) await this.#deps.othersTurn();
      const act = tellings.actOf(one);
      if (act === null) passed_over++;
      else if ("why" in act) {
        if (this.#calls.isKnown(one, batch)) again++;
        else rejected.push({ of: keyOf(act), why: act.why });
      } else if (this.#calls.isNew(act, batch)) acts.push(act);
      else again++;
    }
    return { acts, batch, rejected, passed_over, again };
  }
}

const keyOf = ({ span }: { span: { trace: string; id: string } }): string => `${span.trace}-${span.id}`;
