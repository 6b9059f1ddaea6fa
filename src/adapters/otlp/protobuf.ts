/**
 * OTLP in its binary form (opentelemetry-proto 1.9, `trace/v1`, `logs/v1`, `metrics/v1`, `common/v1`), made into OTLP's JSON, which is then read in one
 * way. Fields that nobody reads here are passed over, as Protobuf wants of unknown ones.
 */
import { isUtf8 } from "node:buffer";
import protobuf from "protobufjs/minimal.js";
import { Problem } from "../../contract/index.js";
import { SIGNALS, type OtlpLimits, type Signal } from "./read.js";

type Reader = protobuf.Reader;

/** Wire types (Protobuf, "Message Structure"). */
const VARINT = 0;
const I64 = 1;
const LEN = 2;

interface Scalar {
  wire: number;
  read: (reader: Reader) => unknown;
}

interface Field {
  name: string;
  /** A scalar, or the fields of a message, known only once all tables are. */
  of: Scalar | (() => Fields);
  repeated?: true;
}

type Fields = ReadonlyMap<number, Field>;

const fields = (of: Readonly<Record<number, Field>>): Fields =>
  new Map(Object.entries(of).map(([number, field]) => [Number(number), field]));
/** Bytes of the longest varint of 32 bits, and the most that its last one may be. */
const VARINT32_BYTES = 5;
const VARINT32_LAST_MAX = 0x0f;

/** Reads a tag or length. The library leaves out what goes beyond 32 bits, so that others would read another number. */
function uint32(reader: Reader): number {
  const from = reader.pos;
  const value = reader.uint32();
  const bytes = reader.pos - from;
  if (bytes > VARINT32_BYTES || (bytes === VARINT32_BYTES && (reader.buf[reader.pos - 1] ?? 0) > VARINT32_LAST_MAX))
    throw new Malformed("a tag or length of more than 32 bits");
  return value;
}

function bytes(reader: Reader): Buffer {
  const end = uint32(reader) + reader.pos;
  if (end > reader.len) throw new Malformed("a field that goes beyond its end");
  const read = Buffer.from(reader.buf.subarray(reader.pos, end));
  reader.pos = end;
  return read;
}

const TEXT: Scalar = {
  wire: LEN,
  read: (reader) => {
    const read = bytes(reader);
    if (!isUtf8(read)) throw new Malformed("a text that is no UTF-8");
    return read.toString();
  },
};
const HEX: Scalar = { wire: LEN, read: (reader) => bytes(reader).toString("hex") };
const BASE64: Scalar = { wire: LEN, read: (reader) => bytes(reader).toString("base64") };
const BOOL: Scalar = { wire: VARINT, read: (reader) => reader.bool() };
const INT32: Scalar = { wire: VARINT, read: (reader) => reader.int32() };
/** A number, or an object of the library's that writes itself as one. */
interface Digits {
  toString: (radix: number) => string;
}
const INT64: Scalar = { wire: VARINT, read: (reader) => (reader.int64() as Digits).toString(10) };
const FIXED64: Scalar = {
  wire: I64,
  read: (reader) => {
    const low = reader.fixed32();
    return String((BigInt(reader.fixed32()) << 32n) | BigInt(low));
  },
};
const DOUBLE: Scalar = {
  wire: I64,
  read: (reader) => {
    const value = reader.double();
    return Number.isFinite(value) ? value : String(value);
  },
};

const ATTRIBUTES = { name: "attributes", of: () => KEY_VALUE, repeated: true } as const;
const VALUES = fields({ 1: { name: "values", of: () => ANY_VALUE, repeated: true } });
const PAIRS = fields({ 1: { name: "values", of: () => KEY_VALUE, repeated: true } });
const ANY_VALUE: Fields = fields({
  1: { name: "stringValue", of: TEXT },
  2: { name: "boolValue", of: BOOL },
  3: { name: "intValue", of: INT64 },
  4: { name: "doubleValue", of: DOUBLE },
  5: { name: "arrayValue", of: () => VALUES },
  6: { name: "kvlistValue", of: () => PAIRS },
  7: { name: "bytesValue", of: BASE64 },
});
const KEY_VALUE: Fields = fields({ 1: { name: "key", of: TEXT }, 2: { name: "value", of: () => ANY_VALUE } });
const RESOURCE = fields({ 1: ATTRIBUTES });
const STATUS = fields({ 3: { name: "code", of: INT32 } });
const SPAN = fields({
  1: { name: "traceId", of: HEX },
  2: { name: "spanId", of: HEX },
  4: { name: "parentSpanId", of: HEX },
  5: { name: "name", of: TEXT },
  6: { name: "kind", of: INT32 },
  7: { name: "startTimeUnixNano", of: FIXED64 },
  8: { name: "endTimeUnixNano", of: FIXED64 },
  9: ATTRIBUTES,
  15: { name: "status", of: () => STATUS },
});
/** Fields of an item: none of logs and metrics, which are only counted. */
const ITEMS: Readonly<Record<Signal, Fields>> = { traces: SPAN, logs: fields({}), metrics: fields({}) };

function requestOf(signal: Signal): Fields {
  const { resources, scopes, items } = SIGNALS[signal];
  const scope = fields({ 2: { name: items, of: () => ITEMS[signal], repeated: true } });
  const resource = fields({ 1: { name: "resource", of: () => RESOURCE }, 2: { name: scopes, of: () => scope, repeated: true } });
  return fields({ 1: { name: resources, of: () => resource, repeated: true } });
}

const REQUESTS: Readonly<Record<Signal, Fields>> = { traces: requestOf("traces"), logs: requestOf("logs"), metrics: requestOf("metrics") };

/** Limits of the reader of OTLP's JSON: levels of messages, and elements of one list. */
const DEPTH_MAX = 24;
const ELEMENTS_MIN = 1024;
/** Messages of one request. An empty one takes two bytes and costs as much as a span's attribute, which has twenty. */
const MESSAGES_MAX = 131_072;

class Malformed extends Error {}

/** Room that a request has: elements of each list, and messages that may still come. */
interface Room {
  readonly elements: number;
  messages: number;
}

/**
 * Returns an export request as OTLP's JSON.
 * @throws Problem `field_invalid` for what is no such request, is nested too deep, or has a list that is too long
 */
export function jsonOfProtobuf(body: Buffer, signal: Signal, { spans_max }: OtlpLimits): Buffer {
  try {
    const reader = protobuf.Reader.create(body);
    const left = { elements: Math.max(spans_max, ELEMENTS_MIN), messages: MESSAGES_MAX };
    return Buffer.from(JSON.stringify(message(reader, body.length, REQUESTS[signal], 1, left)));
  } catch (cause) {
    // The library says by RangeError and Error alike that bytes are missing, or make no sense.
    const why = cause instanceof Malformed ? `: ${cause.message}` : "";
    throw new Problem("field_invalid", { expected: `an export request of ${signal}, as Protobuf${why}` }, { cause });
  }
}

function message(reader: Reader, end: number, known: Fields, depth: number, left: Room): Record<string, unknown> {
  if (depth > DEPTH_MAX) throw new Malformed(`at most ${DEPTH_MAX} levels`);
  if (--left.messages < 0) throw new Malformed(`at most ${MESSAGES_MAX} messages`);
  const found: Record<string, unknown> = {};
  while (reader.pos < end) {
    const tag = uint32(reader);
    const wire = tag & 7;
    if (tag >>> 3 === 0) throw new Malformed("a field of number 0");
    const field = known.get(tag >>> 3);
    if (field === undefined || wire !== (typeof field.of === "function" ? LEN : field.of.wire)) {
      // Groups are no longer in use, and nest without a bound.
      if (wire === 3 || wire === 4) throw new Malformed("a group");
      if (wire === LEN) bytes(reader);
      else reader.skipType(wire);
      continue;
    }
    const value = typeof field.of === "function" ? inner(reader, end, field.of(), depth, left) : field.of.read(reader);
    if (field.repeated === undefined) {
      // Other readers take the last, or put them together.
      if (Object.hasOwn(found, field.name)) throw new Malformed("a field twice");
      found[field.name] = value;
    } else {
      const list = (found[field.name] ??= []) as unknown[];
      if (list.length === left.elements) throw new Malformed(`at most ${left.elements} elements in a list`);
      list.push(value);
    }
  }
  if (reader.pos !== end) throw new Malformed("a message that goes beyond its end");
  return found;
}

function inner(reader: Reader, outer: number, known: Fields, depth: number, left: Room): Record<string, unknown> {
  const length = uint32(reader);
  const end = reader.pos + length;
  if (end > outer) throw new Malformed("a message that goes beyond its end");
  return message(reader, end, known, depth + 1, left);
}

/** Returns an answer to an export request; with a message, some of it was rejected (`ExportTracePartialSuccess`). */
export function protobufAnswer(rejected: number, errorMessage: string): Uint8Array {
  const writer = protobuf.Writer.create();
  if (rejected > 0)
    writer
      .uint32((1 << 3) | LEN)
      .fork()
      .uint32(1 << 3)
      .int64(rejected)
      .uint32((2 << 3) | LEN)
      .string(errorMessage)
      .ldelim();
  return writer.finish();
}

/** Returns a `google.rpc.Status`. */
export function protobufStatus(code: number, text: string): Uint8Array {
  return protobuf.Writer.create()
    .uint32(1 << 3)
    .int32(code)
    .uint32((2 << 3) | LEN)
    .string(text)
    .finish();
}
