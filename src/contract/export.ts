/** The forms in which records leave. */
export const EXPORT_FORMATS = ["json_lines", "opa_decision_log", "ocsf", "cloudevents"] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];

/** Forms of a CloudEvent's `data`: the record as it is in the log, or its OCSF event. */
export const EXPORT_DATA = ["record", "ocsf"] as const;
export type ExportData = (typeof EXPORT_DATA)[number];
