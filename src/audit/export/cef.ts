/** Records in ArcSight's Common Event Format, version 0: one line each, whatever a record's texts hold. */
import { ocsfEvent } from "./ocsf.js";
import { lineText, objectOf, principalOf, requestOf, textOf, type ExportedRecord, type JsonObject } from "./exported_record.js";

const VENDOR = "Remit";
/** CEF's severity, 0 to 10, by OCSF's: Unknown, Informational, Low, Medium, High, Critical. */
const SEVERITIES = [0, 2, 4, 6, 8, 10];
/** Most characters of a value, as the format's dictionary has it for its keys; those of the header are not bounded there. */
const HEADER_MAX = 512;
const LENGTHS: Readonly<Record<string, number>> = { act: 63, externalId: 40, deviceExternalId: 255, outcome: 63 };
const LENGTH_MAX = 1023;

type Extension = readonly [key: string, value: string | number | null | undefined];

/** Returns a record's line, without its newline. */
export function cefText(recorded: ExportedRecord): string {
  const { record, writer } = recorded;
  const event = ocsfEvent(recorded);
  const message = textOf(event["message"]) ?? record.kind;
  const severity = SEVERITIES[Number(event["severity_id"])] ?? 0;
  const header = [VENDOR, VENDOR, writer.version, signatureOf(record), message, String(severity)].map(headerValue);
  const extensions = [...commonOf(recorded, event), ...actionOf(record)];
  return `CEF:0|${header.join("|")}|${extensions.flatMap(extensionText).join(" ")}`;
}

function commonOf({ record, writer }: ExportedRecord, event: JsonObject): Extension[] {
  const { uid } = objectOf(event["metadata"]);
  const { caller, count } = record as { caller?: string; count?: number };
  const leaf = textOf(objectOf(event["raw_data_hash"])["value"]);
  const time = Number(event["time"]);
  const start = Number(event["start_time"]);
  return [
    ["rt", Number.isFinite(time) ? time : null],
    ["start", Number.isFinite(start) ? start : null],
    ["externalId", textOf(uid)],
    ["deviceExternalId", writer.origin],
    ["cat", record.kind],
    ["outcome", textOf(event["status"])],
    ["cnt", count],
    ["sourceServiceName", caller],
    ["reason", textOf(event["status_detail"])],
    ["msg", textOf(event["message"])],
    ["cn1", record.seq],
    ["cn1Label", "record"],
    ["cs1", leaf],
    ["cs1Label", "leaf"],
  ];
}

function actionOf(record: ExportedRecord["record"]): Extension[] {
  if (record.kind !== "decision" && record.kind !== "observed") return [];
  const request = requestOf(record);
  const resource = objectOf(request["resource"]);
  const target = [textOf(resource["type"]), textOf(resource["id"])].filter((part) => part !== null).join("/");
  const { decision, policy } = record.answer;
  return [
    ["act", decision],
    ["suser", textOf(request["agent"])],
    ["duser", principalOf(record)],
    ["cs2", `${textOf(request["verb"]) ?? ""} ${target}`],
    ["cs2Label", "action"],
    ["cs3", textOf(request["purpose"])],
    ["cs3Label", "purpose"],
    ["cs4", textOf(request["task"])],
    ["cs4Label", "task"],
    ["cs5", `${policy.bundle} ${policy.revision}`],
    ["cs5Label", "policy"],
  ];
}

/** Returns the event's class, by which rules of a SIEM tell events apart: `decision.deny`, `facts.revoked`, `refusal.token_expired`. */
function signatureOf(record: ExportedRecord["record"]): string {
  switch (record.kind) {
    case "decision":
    case "observed":
      return `${record.kind}.${record.answer.decision}`;
    case "facts":
    case "bundle":
    case "service":
      return `${record.kind}.${record.change}`;
    case "refusal":
    case "notice":
      return `${record.kind}.${record.code}`;
    case "admin":
      return `admin.${record.action}`;
    case "outcome":
      return `outcome.${record.outcome}`;
    case "lost":
      return "lost";
  }
}

function headerValue(text: string): string {
  return cut(lineText(text), HEADER_MAX).replace(/[\\|]/g, "\\$&");
}

/** Returns `key=value`; nothing if there is no value. A line's end within the value is written as CEF has it. */
function extensionText([key, value]: Extension): string[] {
  if (value === null || value === undefined || value === "") return [];
  const text = cut(String(value), LENGTHS[key] ?? LENGTH_MAX).replace(/[\\=]/g, "\\$&");
  const lines = text.replace(/\r\n|\n/g, "\\n").replace(/\r/g, "\\r");
  return [`${key}=${lineText(lines)}`];
}

/** Cuts between characters, never within a surrogate pair. */
function cut(text: string, max: number): string {
  return text.length <= max ? text : text.slice(0, max).replace(/[\ud800-\udbff]$/, "");
}
