/** A record as the formats read it: whole, with what stood beside it put back, and with what its log says of its writer. */
import type { LogRecord } from "../../contract/index.js";

/** Writer of a record, by the last `service` record before it. */
export interface Writer {
  /** The log's name, as its checkpoints give it. */
  origin: string;
  version: string;
}

export interface ExportedRecord {
  record: LogRecord;
  /** The record's line: a leaf of the log's tree. Valid while it is encoded. */
  bytes: Buffer;
  writer: Writer;
}

export type JsonObject = Readonly<Record<string, unknown>>;

/** Returns the request in an action's record, whether a policy or the floor answered; an empty object if it isn't at hand. */
export function requestOf({ input, request }: { input?: JsonObject; request?: JsonObject }): JsonObject {
  return objectOf(input?.["request"] ?? request);
}

/** The person it was done for, as the policy or the floor saw it. */
export function principalOf({ input, floor }: { input?: JsonObject; floor?: JsonObject }): string | null {
  return textOf(objectOf(input?.["facts"])["principal"] ?? objectOf(floor?.["task"])["principal"]);
}

/** All members but these, those too that a later version of records adds. */
export function without(record: object, names: ReadonlySet<string>): JsonObject {
  return Object.fromEntries(Object.entries(record).filter(([name]) => !names.has(name)));
}

export function objectOf(value: unknown): JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};
}

export function textOf(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

/** C0, DEL, C1, and the separators that some readers take for the end of a line. */
const BREAKS = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g;
/** Characters that turn text round or aren't seen: with one of them a name looks like another's. */
const UNSEEN = /[\p{Cf}\p{Cs}\p{Default_Ignorable_Code_Point}]/gu;

/** Returns text for one line of a screen: breaks are spaces, and what can't be seen is a mark that can. */
export function lineText(text: string): string {
  return text.replace(BREAKS, " ").replace(UNSEEN, "\u{fffd}");
}

const TRACEPARENT = /^[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}$/;

/** `context.trace`, where it is a `traceparent` (W3C Trace Context, section 3.2). */
export function traceOf(request: JsonObject): { parent: string; trace: string; span: string } | null {
  const parent = textOf(objectOf(request["context"])["trace"]) ?? "";
  const [, trace, span] = TRACEPARENT.exec(parent) ?? [];
  return trace === undefined || span === undefined ? null : { parent, trace, span };
}
