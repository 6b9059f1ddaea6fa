/**
 * Operational logs: one JSON line each. For what operators watch, not for records. Callers give ids, codes and figures;
 * a token, an argument or an attribute's value never goes in here.
 */
import { createLogger, format, transports } from "winston";
import type { Clock } from "./index.js";

export interface Logger {
  info(message: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
  error(message: string, fields?: Readonly<Record<string, unknown>>): void;
}

/** Writes `{"time", "level", "event", "message", …fields}` to standard error, so that standard output stays a command's own. */
export function logger(clock: Clock, stream: NodeJS.WritableStream = process.stderr): Logger {
  const line = format.printf(({ level, message, event, ...fields }) =>
    JSON.stringify({ time: new Date(clock.wall()).toISOString(), level, event, message, ...fields }),
  );
  // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment -- winston types its own transport so
  const winston = createLogger({ level: "info", format: line, transports: [new transports.Stream({ stream })] });
  return {
    info: (message, fields) => winston.info(message, fields),
    warn: (message, fields) => winston.warn(message, fields),
    error: (message, fields) => winston.error(message, fields),
  };
}
