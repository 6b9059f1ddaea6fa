/** The forms in which records leave, one event for each record that a form has a place for. */
import type { ExportData, ExportFormat } from "../../contract/export.js";
import { cloudEventText } from "./cloudevents.js";
import { ocsfEvent } from "./ocsf.js";
import { opaEvent } from "./opa.js";
import type { Recorded } from "./recorded.js";

export interface FormatOptions {
  format: ExportFormat;
  /** Data of an event in the format `cloudevents`. */
  data: ExportData;
}

/** How events stand in one request. */
export interface Framing {
  content_type: string;
  open: string;
  between: string;
  close: string;
}

const LINES: Framing = { content_type: "application/x-ndjson", open: "", between: "\n", close: "\n" };

export const FRAMINGS: Readonly<Record<ExportFormat, Framing>> = {
  json_lines: LINES,
  ocsf: LINES,
  opa_decision_log: { content_type: "application/json", open: "[", between: ",", close: "]" },
  cloudevents: { content_type: "application/cloudevents-batch+json", open: "[", between: ",", close: "]" },
};

/**
 * An event's text.
 * @param line a record's, which is the event by itself in `json_lines`
 * @param read reads what the line says; called where that is needed
 * @returns null for a record that the form has no place for
 */
export function encode(line: Buffer, read: () => Recorded, { format, data }: FormatOptions): Buffer | null {
  switch (format) {
    case "json_lines":
      return Buffer.from(line);
    case "opa_decision_log": {
      const event = opaEvent(read());
      return event === null ? null : Buffer.from(JSON.stringify(event));
    }
    case "ocsf":
      return Buffer.from(JSON.stringify(ocsfEvent(read())));
    case "cloudevents":
      return Buffer.from(cloudEventText(read(), data));
  }
}
