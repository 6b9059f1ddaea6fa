/**
 * Decisions as OPA logs its own (`EventV1` of OPA 1.22), for receivers that know that form. Records of anything but decisions
 * have no place in it.
 */
import { hash } from "node:crypto";
import type { DecisionRecord } from "../../contract/index.js";
import { requestOf, traceOf, without, type JsonObject, type ExportedRecord, type Writer } from "./exported_record.js";

export interface OpaEvent {
  labels: Record<string, string>;
  decision_id: string;
  trace_id?: string;
  span_id?: string;
  bundles: Record<string, { revision: string }>;
  path: string;
  input?: JsonObject;
  result?: unknown;
  masked?: string[];
  error?: { code: string; message: string };
  timestamp: string;
  metrics: Record<string, number>;
  custom: JsonObject;
}

/** Entrypoint of every bundle, as OPA writes a path. */
const PATH = "remit/decide";
const NS_PER_US = 1000;
/** Denies that stand for an evaluation that came to nothing. OPA's own codes, where it has one. */
const ERRORS: ReadonlyMap<string, string> = new Map([
  ["evaluation_failed", "eval_internal_error"],
  ["evaluation_budget", "eval_cancel_error"],
  ["result_invalid", "result_invalid"],
]);

/** Members of a record that have their place in an event. */
const IN_THE_EVENT = new Set(["answer", "floor", "input", "masked", "request", "stages", "time"]);

/** @returns null for a record that is no decision */
export function opaEvent({ record, writer }: ExportedRecord): OpaEvent | null {
  if (record.kind !== "decision" && record.kind !== "observed") return null;
  const { answer, stages } = record;
  const failed = failureOf(record);
  const trace = traceOf(requestOf(record));
  const masked = record.masked?.map((pointer) => pointerInEvent(pointer, failed === null));
  return {
    labels: labelsOf(writer),
    decision_id: answer.decision_id,
    ...(trace !== null && { trace_id: trace.trace, span_id: trace.span }),
    bundles: { [answer.policy.bundle]: { revision: answer.policy.revision } },
    path: PATH,
    ...inputOf(record),
    ...(failed === null ? { result: answer } : { error: failed }),
    ...(masked !== undefined && { masked }),
    timestamp: record.time.replace(/Z$/, "000000Z"),
    metrics: {
      timer_rego_input_parse_ns: stages.read_us * NS_PER_US,
      timer_rego_query_eval_ns: stages.evaluate_us * NS_PER_US,
      timer_server_handler_ns: (stages.read_us + stages.evaluate_us) * NS_PER_US,
    },
    custom: { remit: { ...without(record, IN_THE_EVENT), ...(failed !== null && { answer }) } },
  };
}

function inputOf({ input, floor, request }: DecisionRecord): { input?: JsonObject } {
  if (input !== undefined) return { input };
  return request === undefined ? {} : { input: { request, ...(floor !== undefined && { floor }) } };
}

function failureOf({ answer }: DecisionRecord): { code: string; message: string } | null {
  for (const { code, message } of answer.reasons) {
    const known = ERRORS.get(code);
    if (known !== undefined) return { code: known, message };
  }
  return null;
}

/** Returns the place in the event of a value of the record. */
function pointerInEvent(pointer: string, hasResult: boolean): string {
  const [, member = ""] = pointer.split("/", 2);
  if (member === "input") return pointer;
  if (member === "request" || member === "floor") return `/input${pointer}`;
  if (member === "answer" && hasResult) return `/result${pointer.slice("/answer".length)}`;
  return `/custom/remit${pointer}`;
}

const labels = new WeakMap<Writer, Record<string, string>>();

/** Labels of a writer. OPA's `id` is a new UUID at each start; this one is the log's for good. */
function labelsOf(writer: Writer): Record<string, string> {
  let made = labels.get(writer);
  if (made === undefined) {
    made = { id: uuid5(writer.origin), version: writer.version, origin: writer.origin };
    labels.set(writer, made);
  }
  return made;
}

/** RFC 9562, section 6.6. */
const NAMESPACE_URL = Buffer.from("6ba7b8119dad11d180b400c04fd430c8", "hex");

/** RFC 9562, section 5.5. */
function uuid5(name: string): string {
  const bytes = Buffer.from(hash("sha1", Buffer.concat([NAMESPACE_URL, Buffer.from(name)]), "hex"), "hex");
  bytes[6] = 0x50 | ((bytes[6] ?? 0) & 0x0f);
  bytes[8] = 0x80 | ((bytes[8] ?? 0) & 0x3f);
  return bytes.toString("hex", 0, 16).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
