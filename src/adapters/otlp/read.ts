/**
 * OTLP/HTTP JSON (opentelemetry-proto, `docs/specification.md`, "JSON Protobuf Encoding"): lowerCamelCase keys, hex ids in any
 * case, 64-bit integers as texts or numbers, enums as integers; fields that nobody knows are passed over.
 */
import { Problem } from "../../contract/index.js";
import { scan } from "../../decision/scan.js";

export const SIGNALS = {
  traces: { resources: "resourceSpans", scopes: "scopeSpans", items: "spans" },
  logs: { resources: "resourceLogs", scopes: "scopeLogs", items: "logRecords" },
  metrics: { resources: "resourceMetrics", scopes: "scopeMetrics", items: "metrics" },
} as const;
export type Signal = keyof typeof SIGNALS;

/** Value of an attribute; integers beyond ±(2^53 - 1) stay texts. */
export type AttributeValue = string | number | boolean | null | AttributeValue[] | { [name: string]: AttributeValue };
export type Attributes = Readonly<Record<string, AttributeValue>>;

export interface Span {
  /** Lower case hex. */
  trace: string;
  id: string;
  parent: string | null;
  /** 2: of a server. */
  kind: number;
  /** Milliseconds since the epoch. */
  start_ms: number;
  end_ms: number;
  attributes: Attributes;
  resource: Attributes;
  failed: boolean;
}

/** Unreadable part of a batch, by its place. */
export interface UnreadableSpan {
  at: string;
  why: string;
}

export interface SpanBatch {
  spans: Span[];
  unreadable: UnreadableSpan[];
}

export interface OtlpLimits {
  /** Most spans of one request. */
  spans_max: number;
}

/** An attribute's lists and objects count three levels each. */
const DEPTH_MAX = 64;
const MEMBERS_MIN = 1024;
const SERVER = 2;
const ERROR = 2;
const NANOS_A_MS = 1_000_000;
const NANOS_DIGITS = 6;
const NANOS_INEXACT = 500;
/** Largest time of a date, in milliseconds (ECMA-262, section 21.4.1.1). */
const MS_MAX = 8.64e15;
const TRACE_ID = /^(?!0{32}$)[0-9a-f]{32}$/;
const SPAN_ID = /^(?!0{16}$)[0-9a-f]{16}$/;
const DIGITS = /^\d{1,20}$/;

type Members = Readonly<Record<string, unknown>>;

/**
 * The items of a signal, each with its resource, as they are.
 * @throws Problem of `scan`; `field_type`, `field_invalid` naming what is no OTLP
 */
export function itemsOf(body: Buffer, signal: Signal, { spans_max }: OtlpLimits): { item: unknown; resource: unknown; at: string }[] {
  const limits = { depth_max: DEPTH_MAX, members_max: Math.max(spans_max, MEMBERS_MIN), inexact_numbers: true } as const;
  const { resources, scopes, items } = SIGNALS[signal];
  const found: { item: unknown; resource: unknown; at: string }[] = [];
  for (const [r, ofResource] of listIn(objectAt(JSON.parse(scan(body, limits)), ""), resources, "").entries()) {
    const atResource = `/${resources}/${r}`;
    const { resource, ...rest } = objectAt(ofResource, atResource);
    for (const [s, ofScope] of listIn(rest, scopes, atResource).entries()) {
      const atScope = `${atResource}/${scopes}/${s}`;
      for (const [i, item] of listIn(objectAt(ofScope, atScope), items, atScope).entries()) {
        if (found.length === spans_max) throw new Problem("lines_too_many", { field: atScope, expected: `at most ${spans_max} ${items}` });
        found.push({ item, resource, at: `${atScope}/${items}/${i}` });
      }
    }
  }
  return found;
}

/** @throws Problem as `itemsOf` */
export function readSpans(body: Buffer, limits: OtlpLimits): SpanBatch {
  const batch: SpanBatch = { spans: [], unreadable: [] };
  const resources = new Map<unknown, Attributes>();
  for (const { item, resource, at } of itemsOf(body, "traces", limits)) {
    try {
      let attributes = resources.get(resource);
      if (attributes === undefined) resources.set(resource, (attributes = attributesOf(resource)));
      batch.spans.push(spanOf(item, attributes));
    } catch (cause) {
      if (!(cause instanceof Malformed)) throw cause;
      batch.unreadable.push({ at, why: cause.message });
    }
  }
  return batch;
}

/** Error that makes one span unreadable, and leaves the others be. */
class Malformed extends Error {}

function spanOf(value: unknown, resource: Attributes): Span {
  const span = membersOf(value);
  if (span === null) throw new Malformed("it is no object");
  const start_ms = msOf(span["startTimeUnixNano"]);
  if (start_ms === null) throw new Malformed("startTimeUnixNano: nanoseconds since the epoch are expected");
  const { code } = membersOf(span["status"]) ?? {};
  const attributes = attributesOf(span);
  return {
    trace: idOf(span["traceId"], TRACE_ID, "traceId: 32 hex digits are expected, not all of them 0"),
    id: idOf(span["spanId"], SPAN_ID, "spanId: 16 hex digits are expected, not all of them 0"),
    parent: typeof span["parentSpanId"] === "string" && span["parentSpanId"] !== "" ? span["parentSpanId"].toLowerCase() : null,
    kind: typeof span["kind"] === "number" ? span["kind"] : 0,
    start_ms,
    end_ms: msOf(span["endTimeUnixNano"]) ?? start_ms,
    attributes,
    resource,
    failed: code === ERROR || attributes["error.type"] !== undefined,
  };
}

export const isServer = ({ kind }: Pick<Span, "kind">): boolean => kind === SERVER;

function idOf(value: unknown, form: RegExp, expected: string): string {
  const id = typeof value === "string" ? value.toLowerCase() : "";
  if (!form.test(id)) throw new Malformed(expected);
  return id;
}

/** Converts nanoseconds to milliseconds; a JSON number of them is exact to some hundred. */
function msOf(value: unknown): number | null {
  if (typeof value === "number")
    return value >= 0 && value <= MS_MAX * NANOS_A_MS ? Math.floor((value + NANOS_INEXACT) / NANOS_A_MS) : null;
  return typeof value === "string" && DIGITS.test(value) ? Number(value.slice(0, -NANOS_DIGITS)) : null;
}

/** Returns the attributes of a span or a resource, each key once. */
function attributesOf(of: unknown): Attributes {
  return pairsOf(membersOf(of)?.["attributes"] ?? []);
}

function pairsOf(list: unknown): { [name: string]: AttributeValue } {
  if (!Array.isArray(list)) throw new Malformed("attributes: a list is expected");
  const found = Object.create(null) as { [name: string]: AttributeValue };
  for (const one of list as unknown[]) {
    const { key, value } = membersOf(one) ?? {};
    if (typeof key !== "string") throw new Malformed("an attribute has a key");
    // Which of two counts, no two readers agree on.
    if (key in found) throw new Malformed("an attribute is there twice");
    found[key] = valueOf(value);
  }
  return found;
}

const KINDS = ["stringValue", "boolValue", "intValue", "doubleValue", "arrayValue", "kvlistValue", "bytesValue"] as const;

function valueOf(value: unknown): AttributeValue {
  const members = membersOf(value) ?? {};
  // One of them counts: others would read another one.
  if (KINDS.filter((kind) => Object.hasOwn(members, kind)).length > 1) throw new Malformed("a value of two kinds");
  const { stringValue, boolValue, intValue, doubleValue, arrayValue, kvlistValue, bytesValue } = members;
  if (typeof stringValue === "string") return stringValue;
  if (typeof boolValue === "boolean") return boolValue;
  if (typeof intValue === "number") return intValue;
  if (typeof intValue === "string") return Number.isSafeInteger(Number(intValue)) ? Number(intValue) : intValue;
  if (typeof doubleValue === "number") return doubleValue;
  if (typeof bytesValue === "string") return bytesValue;
  if (arrayValue !== undefined) {
    const values = membersOf(arrayValue)?.["values"] ?? [];
    if (!Array.isArray(values)) throw new Malformed("arrayValue: a list is expected");
    return values.map(valueOf);
  }
  if (kvlistValue !== undefined) return pairsOf(membersOf(kvlistValue)?.["values"] ?? []);
  return null;
}

function membersOf(value: unknown): Members | null {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Members) : null;
}

function objectAt(value: unknown, field: string): Members {
  const members = membersOf(value);
  if (members === null) throw new Problem("field_type", { field, expected: "an object" });
  return members;
}

/** Returns a list; empty if it is left out or null. */
function listIn(members: Members, name: string, at: string): unknown[] {
  const list = members[name] ?? [];
  if (!Array.isArray(list)) throw new Problem("field_type", { field: `${at}/${name}`, expected: "a list" });
  return list as unknown[];
}
