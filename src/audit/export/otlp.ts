/** Records as log records of OTLP in JSON (opentelemetry-proto, `logs/v1`): the record as it is in the log is the body. */
import { parseTime } from "../../contract/index.js";
import { requestOf, textOf, traceOf, type ExportedRecord } from "./exported_record.js";

/** Severities of OpenTelemetry's data model for logs. */
const INFO = 9;
const WARN = 13;
const NANOS_A_MS = 1_000_000n;

interface LogRecordEvent {
  timeUnixNano: string;
  severityNumber: number;
  severityText: string;
  eventName: string;
  body: { stringValue: string };
  attributes: { key: string; value: { stringValue: string } | { intValue: string } | { boolValue: boolean } }[];
  traceId?: string;
  spanId?: string;
}

/** Returns a log record; its trace is the one that the action names. */
export function otlpLogRecord({ record, bytes, writer }: ExportedRecord): LogRecordEvent {
  const request = record.kind === "decision" || record.kind === "observed" ? requestOf(record) : {};
  const trace = traceOf(request);
  const severity = severityOf(record);
  const texts = {
    "remit.log": writer.origin,
    "gen_ai.agent.id": textOf(request["agent"]),
    "remit.purpose": textOf(request["purpose"]),
    ...("answer" in record && { "remit.decision": record.answer.decision, "remit.decision_id": record.answer.decision_id }),
    ...("caller" in record && { "remit.caller": record.caller }),
  };
  return {
    timeUnixNano: String(BigInt(parseTime(record.time) ?? 0) * NANOS_A_MS),
    severityNumber: severity,
    severityText: severity === WARN ? "WARN" : "INFO",
    eventName: `remit.${record.kind}`,
    body: { stringValue: bytes.toString() },
    attributes: [
      { key: "remit.seq", value: { intValue: String(record.seq) } },
      ...Object.entries(texts).flatMap(([key, text]) => (text === null || text === "" ? [] : [{ key, value: { stringValue: text } }])),
      ...("answer" in record ? [{ key: "remit.proceed", value: { boolValue: record.answer.proceed } }] : []),
    ],
    ...(trace !== null && { traceId: trace.trace, spanId: trace.span }),
  };
}

/** A warning if somebody may have to look at it. */
function severityOf(record: ExportedRecord["record"]): number {
  const isWarning = record.kind === "notice" || record.kind === "refusal" || ("answer" in record && record.answer.decision !== "allow");
  return isWarning ? WARN : INFO;
}
