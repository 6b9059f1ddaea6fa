/**
 * An action as an application gives it: an object, of which a copy is taken, as strict as a body over the network is read. What the
 * caller does to its object afterwards, or has it do by itself, changes nothing.
 */
import { Problem, pointerToken } from "../contract/index.js";
import type { ScanLimits } from "../decision/scan.js";

declare global {
  interface String {
    /** Method of ECMAScript 2024; Node 20 has it. */
    isWellFormed(): boolean;
  }
}

export interface GivenLimits extends ScanLimits {
  /** Most bytes of the action as JSON. */
  body_bytes_max: number;
}

/** Most bytes that a character takes in JSON: `\u0000`. */
const UNIT_BYTES_MAX = 6;
/** Characters that are written around a value. */
const AROUND = 4;
const NUMBER_LENGTH = 24;

/** Place of a value; null: it is the whole. Put into words only if something is wrong. */
type Place = { above: Place; name: string | number } | null;

// One set of these serves every call: a copy is made in one turn, and each begins by setting them.
let limits: GivenLimits = { depth_max: 0, members_max: 0, body_bytes_max: 0 };
let units = 0;

/**
 * @throws Problem `json_invalid` for what JSON can't say, `json_too_deep`, `json_too_wide`, `number_not_exact`, `surrogate_lone`,
 * `body_too_large`
 */
export function copyOf(given: unknown, within: GivenLimits): unknown {
  limits = within;
  units = 0;
  const copy = copied(given, 0, null);
  if (units * UNIT_BYTES_MAX > within.body_bytes_max && Buffer.byteLength(JSON.stringify(copy)) > within.body_bytes_max)
    throw new Problem("body_too_large", { expected: `at most ${within.body_bytes_max} bytes as JSON` });
  return copy;
}

function copied(value: unknown, depth: number, above: Place): unknown {
  switch (typeof value) {
    case "string":
      return text(value, above);
    case "number":
      units += NUMBER_LENGTH;
      return number(value, above);
    case "boolean":
      units += AROUND;
      return value;
    case "object":
      if (value === null) return null;
      if (depth === limits.depth_max)
        throw new Problem("json_too_deep", { field: pointer(above), expected: `at most ${limits.depth_max} levels` });
      return Array.isArray(value) ? list(value, depth, above) : members(value, depth, above);
    default:
      throw invalid(above);
  }
}

function members(value: object, depth: number, above: Place): Record<string, unknown> {
  const prototype: unknown = Object.getPrototypeOf(value);
  // What an instance is made of is its own affair: as JSON it may be anything.
  if (prototype !== null && prototype !== Object.prototype && !isForeignPlain(prototype)) throw invalid(above);
  const copy: Record<string, unknown> = {};
  const names = Object.keys(value);
  if (names.length > limits.members_max) throw tooWide(above);
  for (const name of names) {
    const member = (value as Record<string, unknown>)[name];
    // Left out, as JSON leaves it out.
    if (member === undefined) continue;
    text(name, above);
    const kept = copied(member, depth + 1, { above, name });
    if (name === "__proto__") Object.defineProperty(copy, name, { value: kept, enumerable: true, writable: true });
    else copy[name] = kept;
  }
  return copy;
}

/** Returns true for the prototype of plain objects of another realm, such as that of a test runner. */
function isForeignPlain(prototype: unknown): boolean {
  return (
    typeof prototype === "object" &&
    prototype !== null &&
    Object.getPrototypeOf(prototype) === null &&
    Object.hasOwn(prototype, "hasOwnProperty")
  );
}

function list(value: readonly unknown[], depth: number, above: Place): unknown[] {
  if (value.length > limits.members_max) throw tooWide(above);
  const copy: unknown[] = [];
  for (let i = 0; i < value.length; i++) copy.push(copied(value[i], depth + 1, { above, name: i }));
  return copy;
}

function text(value: string, above: Place): string {
  units += value.length + AROUND;
  if (!value.isWellFormed()) throw new Problem("surrogate_lone", { field: pointer(above), expected: "both halves of a surrogate pair" });
  return value;
}

function number(value: number, above: Place): number {
  if (!Number.isFinite(value)) throw invalid(above);
  if (Number.isInteger(value) && !Number.isSafeInteger(value)) {
    const expected = "a number that a double holds exactly, integers within ±(2^53 - 1),";
    throw new Problem("number_not_exact", { field: pointer(above), expected });
  }
  return value;
}

function pointer(place: Place): string {
  return place === null ? "" : `${pointer(place.above)}/${pointerToken(String(place.name))}`;
}

function invalid(above: Place): Problem {
  return new Problem("json_invalid", { field: pointer(above), expected: "what JSON can say" });
}

function tooWide(above: Place): Problem {
  return new Problem("json_too_wide", { field: pointer(above), expected: `at most ${limits.members_max} members` });
}
