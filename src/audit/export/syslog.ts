/** Records as syslog messages (RFC 5424), for receivers over TLS (RFC 5425) and TCP (RFC 6587, octet counting). */
import { hostname } from "node:os";
import { parseTime } from "../../contract/index.js";
import { lineText, requestOf, textOf, type ExportedRecord } from "./exported_record.js";

/** Facility `log audit` (RFC 5424, table 1). */
const FACILITY = 13;
const [CRITICAL, ERROR, WARNING, NOTICE, INFORMATIONAL] = [2, 3, 4, 5, 6];
const NIL = "-";
const HOST_MAX = 255;
const SEQUENCE_MAX = 2 ** 31 - 1;
const [FIRST_PRINTED, LAST_PRINTED] = [0x20, 0x7e];

/** Printable US-ASCII, as RFC 5424 wants it of a header's fields; `-` for nothing. */
const field = (text: string, max: number): string => text.replace(/[^\x21-\x7e]/g, "_").slice(0, max) || NIL;
const HOST = field(hostname(), HOST_MAX);

/**
 * Returns a message: header, structured data, and the text.
 * @param enterprise IANA's number of the operator's organisation, under which the record's main members are structured data; null: only
 * what RFC 5424 registers is
 */
export function syslogMessage(recorded: ExportedRecord, text: string, enterprise: number | null): Buffer {
  const { record, writer } = recorded;
  const time = parseTime(record.time) === null ? NIL : record.time;
  const priority = FACILITY * 8 + severityOf(record);
  const data = [
    element("meta", { sequenceId: String(((record.seq - 1) % SEQUENCE_MAX) + 1) }),
    element("origin", { software: "Remit", swVersion: writer.version.slice(0, 32) }),
    ...(enterprise === null ? [] : [element(`remit@${enterprise}`, membersOf(recorded))]),
  ];
  return Buffer.from(`<${priority}>1 ${time} ${HOST} remit ${NIL} ${field(record.kind, 32)} ${data.join("")} ${text}`);
}

/** Returns the message behind its length in octets. */
export function counted(message: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${message.length} `), message]);
}

/** Returns the same JSON in US-ASCII: syslog has no agreed encoding of texts without a byte order mark, which many receivers don't know. */
export function asciiJson(text: string): string {
  let ascii = "";
  let from = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code >= FIRST_PRINTED && code <= LAST_PRINTED) continue;
    ascii += `${text.slice(from, at)}\\u${code.toString(16).padStart(4, "0")}`;
    from = at + 1;
  }
  return ascii + text.slice(from);
}

function severityOf(record: ExportedRecord["record"]): number {
  switch (record.kind) {
    case "decision":
    case "observed": {
      const { decision } = record.answer;
      return decision === "deny" ? WARNING : decision === "flag" ? NOTICE : INFORMATIONAL;
    }
    case "facts":
      return record.change === "revoked" ? WARNING : NOTICE;
    case "bundle":
      return record.change === "refused" ? ERROR : NOTICE;
    case "refusal":
      return WARNING;
    case "notice":
      return { info: INFORMATIONAL, low: NOTICE, medium: WARNING, high: ERROR, critical: CRITICAL }[record.severity];
    case "lost":
      return CRITICAL;
    case "admin":
    case "service":
      return NOTICE;
    case "outcome":
      return INFORMATIONAL;
  }
}

function membersOf({ record, writer }: ExportedRecord): Record<string, string> {
  const { caller } = record as { caller?: string };
  const members: Record<string, string | null | undefined> = { record: String(record.seq), log: writer.origin, kind: record.kind, caller };
  if (record.kind === "decision" || record.kind === "observed") {
    const { decision_id, decision, reasons } = record.answer;
    const request = requestOf(record);
    Object.assign(members, { decision_id, decision, reason: reasons[0]?.code });
    for (const name of ["agent", "purpose", "task", "verb"]) members[name] = textOf(request[name]);
  }
  return Object.fromEntries(Object.entries(members).flatMap(([name, value]) => (typeof value === "string" ? [[name, value]] : [])));
}

function element(id: string, parameters: Readonly<Record<string, string>>): string {
  return `[${id}${Object.entries(parameters)
    .map(([name, value]) => ` ${name}="${parameterValue(value)}"`)
    .join("")}]`;
}

/** Escapes `"`, `\` and `]` (RFC 5424, section 6.3.3). */
function parameterValue(text: string): string {
  return lineText(text).replace(/["\\\]]/g, "\\$&");
}
