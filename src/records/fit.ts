/**
 * Makes the content of a line fit the table: the engine passes over lines with a member of an unexpected form, and the log is searched
 * anyway.
 */
import { isList, RECORD_SHAPE, type Shape } from "./schema.js";

/** Texts that are longer are no names; nothing is found by them. */
const TEXT_MAX = 64 * 1024;

/** The members that columns are made from, each of its type or left out. */
export function fitting(record: object): Record<string, unknown> {
  return fit(record, RECORD_SHAPE) as Record<string, unknown>;
}

function fit(value: unknown, shape: Shape): unknown {
  if (typeof shape !== "string") {
    if (isList(shape)) return Array.isArray(value) ? value.map((one) => fit(one, shape[0])) : undefined;
    if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
    return Object.fromEntries(Object.entries(shape).map(([name, member]) => [name, fit((value as Record<string, unknown>)[name], member)]));
  }
  switch (shape) {
    case "VARCHAR":
      return textOf(value);
    case "BIGINT":
      return Number.isSafeInteger(value) ? value : undefined;
    case "DOUBLE":
      return typeof value === "number" ? value : undefined;
    case "BOOLEAN":
      return typeof value === "boolean" ? value : undefined;
    case "MAP(VARCHAR, DOUBLE)":
      return typeof value === "object" && value !== null
        ? Object.fromEntries(Object.entries(value).filter(([, number]) => typeof number === "number"))
        : undefined;
    case "JSON":
      return typeof value === "object" && value !== null ? factOf(value as Record<string, unknown>) : textOf(value);
  }
}

function factOf({ id, agent }: Record<string, unknown>): object {
  return { id: textOf(id), agent: textOf(agent) };
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" && value.length <= TEXT_MAX ? Buffer.from(value).toString("utf8") : undefined;
}
