/**
 * Which calls have been told of already. A span may be sent again, since an exporter that hears no answer does so; and of one call
 * several instrumentations may tell: a framework's `execute_tool`, an MCP client's and an MCP server's `tools/call`. One counts.
 */
import type { ReportedCall } from "./actions.js";

/** Calls that are remembered, of all traces; those of the trace that was heard of longest ago are forgotten first. */
const CALLS_MAX = 50_000;
/** Latest calls of one name in one trace of which it is looked whether another lies within their time. */
const OVERLAPPING_MAX = 64;

interface Call {
  /** Id of the span that first reported it. */
  span: string;
  tellers: Set<ReportedCall["teller"]>;
  call: string | null;
  start_ms: number;
  end_ms: number;
}

/** The calls of one trace, by what finds them. */
class Trace {
  readonly calls: Call[] = [];
  /** Calls by the ids of their spans, of these spans' parents, by name and call id, and the latest by name. */
  readonly #bySpan = new Map<string, Call>();
  readonly #byParent = new Map<string, Call>();
  readonly #byCall = new Map<string, Call>();
  readonly #byName = new Map<string, Call[]>();

  add(told: ReportedCall, call: Call): void {
    this.calls.push(call);
    this.#tell(told, call);
    const { name } = told;
    const latest = this.#byName.get(name) ?? [];
    if (latest.length === OVERLAPPING_MAX) latest.shift();
    latest.push(call);
    this.#byName.set(name, latest);
  }

  /** Returns the call of this span, or the same call from another span, which then is noted as reported by both. */
  find(told: ReportedCall): Call | null {
    const { span } = told;
    const same = this.#bySpan.get(span.id);
    if (same !== undefined) return same;
    const twin = this.#twin(told);
    if (twin === null) return null;
    twin.tellers.add(told.teller);
    this.#tell(told, twin);
    return twin;
  }

  /**
   * The same call, as another instrumentation tells it: of the same name, and with one id for the call, or one span below the
   * other, or one within the other's time. Two spans of one instrumentation are two calls.
   */
  #twin({ span, teller, name, call }: ReportedCall): Call | null {
    if (teller === "operation") return null;
    const of = (found: Call): boolean => !found.tellers.has(teller) && (call === null || found.call === null || found.call === call);
    const byCall = call === null ? undefined : this.#byCall.get(keyOf(name, call));
    const above = span.parent === null ? undefined : this.#bySpan.get(keyOf(name, span.parent));
    const below = this.#byParent.get(keyOf(name, span.id));
    for (const found of [byCall, above, below]) if (found !== undefined && of(found)) return found;
    return this.#byName.get(name)?.find((one) => of(one) && (encloses(one, span) || encloses(span, one))) ?? null;
  }

  #tell({ span, name, call }: ReportedCall, found: Call): void {
    this.#bySpan.set(span.id, found);
    this.#bySpan.set(keyOf(name, span.id), found);
    if (span.parent !== null) this.#byParent.set(keyOf(name, span.parent), found);
    if (call !== null) {
      found.call ??= call;
      this.#byCall.set(keyOf(name, call), found);
    }
  }
}

/** Calls of a request that is being read; `keep` remembers them once they are on record. */
export class CallBatch {
  readonly told = new Map<string, { told: ReportedCall; call: Call }[]>();
  readonly traces = new Map<string, Trace>();
}

export class CallMemory {
  readonly #traces = new Map<string, Trace>();
  readonly #max: number;
  #size = 0;

  constructor(max = CALLS_MAX) {
    this.#max = max;
  }

  /** Calls that are remembered. */
  get size(): number {
    return this.#size;
  }

  /** Returns true, and adds the call to the batch, if it is reported for the first time. */
  isNew(told: ReportedCall, batch: CallBatch): boolean {
    if (this.isKnown(told, batch)) return false;
    const { span, teller, call } = told;
    const { start_ms, end_ms } = span;
    const found = { span: span.id, tellers: new Set([teller]), call, start_ms, end_ms };
    const trace = batch.traces.get(span.trace) ?? new Trace();
    trace.add(told, found);
    batch.traces.set(span.trace, trace);
    const all = batch.told.get(span.trace);
    if (all === undefined) batch.told.set(span.trace, [{ told, call: found }]);
    else all.push({ told, call: found });
    return true;
  }

  /** Returns true if the call was reported before; unlike `isNew` it adds nothing. */
  isKnown(told: ReportedCall, batch: CallBatch): boolean {
    const { trace } = told.span;
    return (this.#traces.get(trace)?.find(told) ?? batch.traces.get(trace)?.find(told) ?? null) !== null;
  }

  /** @param isKept whether the call that this span told of is on record, or needs none */
  keep(batch: CallBatch, isKept: (trace: string, span: string) => boolean): void {
    for (const [id, calls] of batch.told) {
      const kept = calls.filter(({ call }) => isKept(id, call.span));
      if (kept.length === 0) continue;
      const trace = this.#traces.get(id) ?? new Trace();
      for (const { told, call } of kept) trace.add(told, call);
      this.#size += kept.length;
      // Put at the end: what goes first is what was heard of longest ago.
      this.#traces.delete(id);
      this.#traces.set(id, trace);
    }
    for (const [id, { calls }] of this.#traces) {
      if (this.#size <= this.#max) return;
      this.#traces.delete(id);
      this.#size -= calls.length;
    }
  }
}

const keyOf = (name: string, of: string): string => `${of}\n${name}`;

type Interval = { start_ms: number; end_ms: number };
const encloses = (outer: Interval, inner: Interval): boolean => outer.start_ms <= inner.start_ms && inner.end_ms <= outer.end_ms;
