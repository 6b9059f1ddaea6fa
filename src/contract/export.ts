/** The forms in which records leave. */
export const EXPORT_FORMATS = [
  "json_lines",
  "json_array",
  "opa_decision_log",
  "ocsf",
  "cloudevents",
  "splunk_hec",
  "otlp_logs",
  "cef",
  "syslog",
] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];

/** Forms that `data` may choose the event of: the record as it is in the log, or its OCSF event. */
export const WITH_DATA: ReadonlySet<ExportFormat> = new Set<ExportFormat>(["cloudevents", "json_array", "splunk_hec", "syslog"]);

/** Event in those forms. */
export const EXPORT_DATA = ["record", "ocsf"] as const;
export type ExportData = (typeof EXPORT_DATA)[number];

/** Forms that go to a receiver of syslog. */
export const OF_SYSLOG: ReadonlySet<ExportFormat> = new Set<ExportFormat>(["cef", "syslog"]);

/** Forms whose events stand by themselves, as messages of Kafka do. */
export const OF_KAFKA: ReadonlySet<ExportFormat> = new Set<ExportFormat>(["json_lines", "ocsf", "cloudevents", "cef"]);
