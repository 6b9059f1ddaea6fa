/** The forms in which records leave, one event for each record that a form has a place for. */
import type { ExportData, ExportFormat } from "../../contract/export.js";
import { parseTime } from "../../contract/index.js";
import { cefText } from "./cef.js";
import { cloudEventText } from "./cloudevents.js";
import { ocsfEvent } from "./ocsf.js";
import { opaEvent } from "./opa.js";
import { otlpLogRecord } from "./otlp.js";
import type { ExportedRecord } from "./exported_record.js";
import { asciiJson, counted, syslogMessage } from "./syslog.js";

export interface FormatOptions {
  format: ExportFormat;
  /** Event within the formats of `WITH_DATA`. */
  data: ExportData;
  /** Receiver that the form is for: of syslog, each event is a message of it behind its length. */
  carrier?: "syslog";
  /** IANA's number of the operator's organisation; names the structured data of syslog. */
  enterprise_number?: number;
}

/** Layout of events in one request. */
export interface Framing {
  content_type: string;
  open: string;
  between: string;
  close: string;
}

const LINES: Framing = { content_type: "application/x-ndjson", open: "", between: "\n", close: "\n" };

const OTLP_OPEN =
  '{"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"remit"}}]},"scopeLogs":[{"scope":{"name":"remit.records"},"logRecords":[';

const FRAMINGS: Readonly<Record<ExportFormat, Framing>> = {
  json_lines: LINES,
  ocsf: LINES,
  // As Datadog's intake of logs takes them, and many others.
  json_array: { content_type: "application/json", open: "[", between: ",", close: "]" },
  // Splunk's HTTP Event Collector, `/services/collector/event`: one object after another.
  splunk_hec: { content_type: "application/json", open: "", between: "\n", close: "\n" },
  otlp_logs: { content_type: "application/json", open: OTLP_OPEN, between: ",", close: "]}]}]}" },
  opa_decision_log: { content_type: "application/json", open: "[", between: ",", close: "]" },
  cloudevents: { content_type: "application/cloudevents-batch+json", open: "[", between: ",", close: "]" },
  cef: { ...LINES, content_type: "text/plain; charset=utf-8" },
  // Messages are behind their lengths.
  syslog: { content_type: "application/octet-stream", open: "", between: "", close: "" },
};

/**
 * An event's text.
 * @param line a record's, which is the event by itself in `json_lines`
 * @param read reads what the line says; called where that is needed
 * @returns null for a record that the form has no place for
 */
export function encode(line: Buffer, read: () => ExportedRecord, options: FormatOptions): Buffer | null {
  const { format, data, carrier } = options;
  switch (format) {
    case "json_lines":
      return Buffer.from(line);
    case "json_array":
      return Buffer.from(data === "record" ? line : ocsfText(read()));
    case "splunk_hec":
      return splunkEvent(line, read(), data);
    case "otlp_logs":
      return Buffer.from(JSON.stringify(otlpLogRecord(read())));
    case "opa_decision_log": {
      const event = opaEvent(read());
      return event === null ? null : Buffer.from(JSON.stringify(event));
    }
    case "ocsf":
      return Buffer.from(ocsfText(read()));
    case "cloudevents":
      return Buffer.from(cloudEventText(read(), data));
    case "cef":
      return carrier === undefined ? Buffer.from(cefText(read())) : message(read(), cefText(read()), options);
    case "syslog":
      return message(read(), asciiJson(data === "record" ? line.toString() : ocsfText(read())), options);
  }
}

function message(recorded: ExportedRecord, text: string, { carrier, enterprise_number }: FormatOptions): Buffer {
  const made = syslogMessage(recorded, text, enterprise_number ?? null);
  return carrier === undefined ? made : counted(made);
}

/** Returns how events stand in one request of a form. */
export function framingOf({ format, carrier }: Pick<FormatOptions, "format" | "carrier">): Framing {
  return FRAMINGS[carrier ?? format];
}

function ocsfText(recorded: ExportedRecord): string {
  return JSON.stringify(ocsfEvent(recorded));
}

const MS_A_SECOND = 1000;

/** Returns an event of Splunk's HTTP Event Collector; its time is the record's, in seconds since the epoch. */
function splunkEvent(line: Buffer, recorded: ExportedRecord, data: ExportData): Buffer {
  const time = (parseTime(recorded.record.time) ?? 0) / MS_A_SECOND;
  const head = JSON.stringify({ time, source: "remit", sourcetype: data === "record" ? "remit:record" : "ocsf:remit" }).slice(0, -1);
  const event = data === "record" ? line.toString() : ocsfText(recorded);
  return Buffer.from(`${head},"event":${event}}`);
}
