/** Records as CloudEvents 1.0 in JSON, in structured mode. */
import type { ExportData } from "../../contract/export.js";
import { requestOf, textOf, traceOf, type ExportedRecord } from "./exported_record.js";
import { ocsfEvent } from "./ocsf.js";

const SCHEMAS: Readonly<Record<number, string>> = {
  2004: "https://schema.ocsf.io/1.8.0/classes/detection_finding",
  3003: "https://schema.ocsf.io/1.8.0/classes/authorize_session",
  6003: "https://schema.ocsf.io/1.8.0/classes/api_activity",
};

/** @returns the event's text; a record stands in it byte for byte */
export function cloudEventText(recorded: ExportedRecord, data: ExportData): string {
  const { record, bytes } = recorded;
  const attributes = { ...attributesOf(recorded), datacontenttype: "application/json" };
  if (data === "record") {
    const text = JSON.stringify({ ...attributes, dataschema: `urn:remit:record:v${record.v}` });
    return `${text.slice(0, -1)},"data":${bytes.toString()}}`;
  }
  const event = ocsfEvent(recorded);
  return JSON.stringify({ ...attributes, dataschema: SCHEMAS[event["class_uid"] as number], data: event });
}

function attributesOf({ record, writer }: ExportedRecord): Record<string, string> {
  const attributes = {
    specversion: "1.0",
    id: String(record.seq),
    source: sourceOf(writer.origin),
    type: `remit.${typeOf(record)}.v${record.v}`,
    time: record.time,
    // The extension of this name: a receiver puts events of one source in order by it, as text.
    sequence: String(record.seq).padStart(16, "0"),
    ...("caller" in record && record.caller !== "" && { authtype: "service_account", authid: record.caller }),
  };
  if (record.kind !== "decision" && record.kind !== "observed") return attributes;
  const request = requestOf(record);
  const agent = textOf(request["agent"]);
  const trace = traceOf(request);
  return {
    ...attributes,
    id: record.answer.decision_id,
    ...(agent !== null && agent !== "" && { subject: agent }),
    ...(trace !== null && { traceparent: trace.parent }),
  };
}

function typeOf(record: ExportedRecord["record"]): string {
  if (record.kind === "facts" && "revocation" in record) return "revocation";
  if (record.kind !== "observed") return record.kind;
  return record.answer.decision !== "allow" || record.unasked === true ? "finding" : "observed";
}

const LIKE_A_URL = /^[A-Za-z0-9.-]+(:\d{1,5})?(\/[A-Za-z0-9._~+-]*)*$/;

/** A URI reference (RFC 3986): names of logs are usually URLs without their scheme. */
function sourceOf(origin: string): string {
  return LIKE_A_URL.test(origin) ? `//${origin}` : `urn:remit:log:${encodeURIComponent(Buffer.from(origin).toString())}`;
}
