/** Values of options, read and checked. */
import { InvalidArgumentError } from "commander";
import { parseTime } from "../contract/index.js";
import { systemClock } from "../system/index.js";

/** Collects a repeated option; a value that is given twice counts once. */
export function collect(value: string, before: string[] = []): string[] {
  return before.includes(value) ? before : [...before, value];
}

/** `name=value`, the value as JSON where it is JSON, else as text. */
export function pair(text: string, before: Record<string, unknown> = {}): Record<string, unknown> {
  const [name, value] = named(text);
  let read: unknown = value;
  try {
    read = JSON.parse(value);
  } catch {
    // What isn't JSON is the text that it is.
  }
  return { ...before, [name]: read };
}

/** `type=id`; a type given again has one id more. */
export function subject(text: string, before: Record<string, string[]> = {}): Record<string, string[]> {
  const [type, id] = named(text);
  return { ...before, [type]: [...(before[type] ?? []), id] };
}

function named(text: string): [name: string, value: string] {
  const equals = text.indexOf("=");
  if (equals < 1) throw new InvalidArgumentError("must be name=value");
  return [text.slice(0, equals), text.slice(equals + 1)];
}

/** `issuer|subject`: either may hold anything else. */
export function credential(text: string, before: { issuer: string; subject: string }[] = []): { issuer: string; subject: string }[] {
  const [issuer = "", subject = "", ...more] = text.split("|");
  if (issuer === "" || subject === "" || more.length > 0) throw new InvalidArgumentError("must be issuer|subject");
  return [...before, { issuer, subject }];
}

export function time(text: string): string {
  if (parseTime(text) === null) throw new InvalidArgumentError("must be an RFC 3339 date-time");
  return text;
}

const UNIT_MS: Record<string, number> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `30m` from now, as the time that it then is. */
export function fromNow(text: string): string {
  const [, count, unit = ""] = /^([1-9]\d{0,5})([smhd])$/.exec(text) ?? [];
  if (count === undefined) throw new InvalidArgumentError("must be such as 90s, 30m, 8h or 2d");
  return new Date(systemClock.wall() + Number(count) * (UNIT_MS[unit] ?? 0)).toISOString();
}

export function count(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError("must be a whole number from 1");
  return Number(text);
}

/** @throws InvalidArgumentError */
export function countOrNone(text: string): number {
  return text === "0" ? 0 : count(text);
}

export function revision(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError("must be a revision, as `show` says it");
  return Number(text);
}

/** @throws InvalidArgumentError unless a record's number, or 0: before the first */
export function recordNumber(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError("must be a record's number, or 0 for all");
  return Number(text);
}

/** `yes` or `no`. */
export function yesNo(text: string): boolean {
  if (text !== "yes" && text !== "no") throw new InvalidArgumentError("must be yes or no");
  return text === "yes";
}
