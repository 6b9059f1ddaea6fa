/** The operational log, as log records of OpenTelemetry. */
import { SeverityNumber, type AnyValueMap, type Logger as OtelLogger } from "@opentelemetry/api-logs";
import type { Clock } from "../system/index.js";
import type { Logger } from "../system/logger.js";

const SEVERITY = { info: SeverityNumber.INFO, warn: SeverityNumber.WARN, error: SeverityNumber.ERROR } as const;

/** Returns a logger that logs as `logger` does, and hands each line to `otel` as well. */
export function exportedLogger(logger: Logger, otel: OtelLogger, clock: Clock): Logger {
  const both =
    (level: keyof typeof SEVERITY): Logger["info"] =>
    (message, fields) => {
      logger[level](message, fields);
      const { event, ...others } = fields ?? {};
      otel.emit({
        timestamp: clock.wall(),
        severityNumber: SEVERITY[level],
        severityText: level.toUpperCase(),
        body: message,
        ...(typeof event === "string" && { eventName: event }),
        attributes: others as AnyValueMap,
      });
    };
  return { info: both("info"), warn: both("warn"), error: both("error") };
}
