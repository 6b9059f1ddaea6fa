/** The forms in which records leave, one event for each record that a form has a place for. */
import type { ExportData, ExportFormat } from "../../contract/export.js";
import { parseTime } from "../../contract/index.js";
import { cloudEventText } from "./cloudevents.js";
import { ocsfEvent } from "./ocsf.js";
import { opaEvent } from "./opa.js";
import { otlpLogRecord } from "./otlp.js";
import type { ExportedRecord } from "./recorded.js";

export interface FormatOptions {
  format: ExportFormat;
  /** Event within the formats of `WITH_DATA`. */
  data: ExportData;
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

export const FRAMINGS: Readonly<Record<ExportFormat, Framing>> = {
  json_lines: LINES,
  ocsf: LINES,
  // As Datadog's intake of logs takes them, and many others.
  json_array: { content_type: "application/json", open: "[", between: ",", close: "]" },
  // Splunk's HTTP Event Collector, `/services/collector/event`: one object after another.
  splunk_hec: { content_type: "application/json", open: "", between: "\n", close: "\n" },
  otlp_logs: { content_type: "application/json", open: OTLP_OPEN, between: ",", close: "]}]}]}" },
  opa_decision_log: { content_type: "application/json", open: "[", between: ",", close: "]" },
  cloudevents: { content_type: "application/cloudevents-batch+json", open: "[", between: ",", close: "]" },
};

/**
 * An event's text.
 * @param line a record's, which is the event by itself in `json_lines`
 * @param read reads what the line says; called where that is needed
 * @returns null for a record that the form has no place for
 */
export function encode(line: Buffer, read: () => ExportedRecord, { format, data }: FormatOptions): Buffer | null {
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
  }
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
