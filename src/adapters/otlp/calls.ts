/**
 * Which calls have been told of already. A span may be sent again, since an exporter that hears no answer does so; and of one call
 * several instrumentations may tell: a framework's `execute_tool`, an MCP client's and an MCP server's `tools/call`. One counts.
 */
import type { Told } from "./actions.js";

/** Traces of which calls are remembered; the one that was heard of longest ago is forgotten first. */
const TRACES_MAX = 20_000;
/** Calls of one trace; the oldest is forgotten first. */
const CALLS_MAX = 512;

interface Call {
  ids: string[];
  tellers: Set<Told["teller"]>;
  name: string;
  call: string | null;
  parents: (string | null)[];
  start_ms: number;
  end_ms: number;
}

export class Calls {
  readonly #traces = new Map<string, Call[]>();

  /**
   * Whether it is told of for the first time. `batch` are those that were, in the request that is being read; they are remembered by
   * `keep`, once they are on record.
   */
  isNew(told: Told, batch: Map<string, Call[]>): boolean {
    if (this.isKnown(told, batch)) return false;
    const { span, teller, name, call } = told;
    const { start_ms, end_ms } = span;
    const found = { ids: [span.id], tellers: new Set([teller]), name, call, parents: [span.parent], start_ms, end_ms };
    batch.set(span.trace, [...(batch.get(span.trace) ?? []), found]);
    return true;
  }

  /** As `isNew`, and otherwise of no consequence. */
  isKnown(told: Told, batch: ReadonlyMap<string, Call[]>): boolean {
    const { span, teller } = told;
    const known = [...(this.#traces.get(span.trace) ?? []), ...(batch.get(span.trace) ?? [])];
    if (known.some(({ ids }) => ids.includes(span.id))) return true;
    const twin = known.find((other) => isTwin(other, told));
    if (twin === undefined) return false;
    twin.ids.push(span.id);
    twin.tellers.add(teller);
    twin.parents.push(span.parent);
    return true;
  }

  /** @param isKept whether the call that this span told of is on record, or needs none */
  keep(batch: ReadonlyMap<string, Call[]>, isKept: (trace: string, span: string) => boolean): void {
    for (const [trace, calls] of batch) {
      const kept = calls.filter(({ ids: [first = ""] }) => isKept(trace, first));
      if (kept.length === 0) continue;
      const all = [...(this.#traces.get(trace) ?? []), ...kept].slice(-CALLS_MAX);
      this.#traces.delete(trace);
      this.#traces.set(trace, all);
      if (this.#traces.size <= TRACES_MAX) continue;
      const [oldest] = this.#traces.keys();
      if (oldest !== undefined) this.#traces.delete(oldest);
    }
  }
}

export type Batched = Parameters<Calls["isNew"]>[1];

/**
 * The same call, as another instrumentation tells it: the same trace and name, and one id for the call, or one span below the other,
 * or one within the other's time. Two spans of one instrumentation are two calls.
 */
function isTwin(known: Call, { span, teller, name, call }: Told): boolean {
  if (teller === "operation" || known.tellers.has(teller) || known.tellers.has("operation") || known.name !== name) return false;
  if (call !== null && known.call !== null) return call === known.call;
  if (span.parent !== null && known.ids.includes(span.parent)) return true;
  if (known.parents.includes(span.id)) return true;
  return encloses(known, span) || encloses(span, known);
} // prettier-ignore

type Interval = { start_ms: number; end_ms: number };
const encloses = (outer: Interval, inner: Interval): boolean =>
  outer.start_ms <= inner.start_ms && inner.end_ms <= outer.end_ms;
