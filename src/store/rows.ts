/** Changes as a store keeps them: the value as JSON text, so that what was checked is what is written. */
import { crc32 } from "node:zlib";
import { parseTime } from "../contract/time.js";
import { STORE_LIMITS, StoreInvalid, type Change, type ChangeFilter, type Guard, type Write } from "./store.js";

export interface StoreRow extends Omit<Change, "value"> {
  value: string;
}

export interface NewRow extends Omit<StoreRow, "revision"> {
  expected: number;
}

/** Lone surrogates with it: they have no UTF-8. */
const CONTROL = /[\p{Cc}\p{Cs}]/u;
const REASON_FORBIDDEN = /[\0\p{Cs}]/u;
const LONE_SURROGATE = /\p{Cs}/u;
const GUARDED = /^[a-z][a-z_]{0,31}\/$/;
const CHANGE_NAME = /^[a-z][a-z0-9_]{0,63}$/;

/** A call as it is applied: its rows, and what else must hold. */
export interface NewRows {
  rows: NewRow[];
  guard: Guard | null;
}

/** @throws StoreInvalid */
export function checkedCall(writes: readonly Write[], guard: Guard | undefined): NewRows {
  const rows = checkedRows(writes);
  if (guard === undefined) return { rows, guard: null };
  const { prefix } = guard;
  if (!GUARDED.test(prefix) || !rows.some(({ key }) => key.startsWith(prefix)))
    throw new StoreInvalid("/guard/prefix", "a kind that ends with `/`, of one of the keys at least");
  if (!isRevision(guard.since)) throw new StoreInvalid("/guard/since", "a revision, or 0");
  return { rows, guard: { prefix, since: guard.since } };
}

/** @throws StoreInvalid */
function checkedRows(writes: readonly Write[]): NewRow[] {
  if (writes.length < 1 || writes.length > STORE_LIMITS.writes_max) {
    throw new StoreInvalid("", `1 to ${STORE_LIMITS.writes_max} writes`);
  }
  const keys = new Set<string>();
  return writes.map((write, index) => {
    const at = `/${index}`;
    const { key, expected, value, by, time, reason, change } = write;
    checkSaid(write, at);
    if (keys.has(key)) throw new StoreInvalid(`${at}/key`, "a key that is written once in a call");
    keys.add(key);
    if (!isRevision(expected)) throw new StoreInvalid(`${at}/expected`, "a revision, or 0");
    const text = JSON.stringify(value);
    checkText(text, at);
    return { key, expected, value: text, by, time, reason, change };
  });
}

/**
 * Returns the change of a row that a node has written, without its revision.
 * @throws StoreInvalid, or an Error for a value that is no JSON
 */
export function writtenChange(row: Readonly<Record<string, unknown>>): Omit<Change, "revision"> {
  const { key, value: text, by, time, reason, change } = row as unknown as Omit<StoreRow, "revision">;
  checkText(text, "");
  const written = { key, value: JSON.parse(text) as Change["value"], by, time, reason, change };
  checkSaid(written, "");
  return written;
}

/** @throws StoreInvalid unless a change has what every change has */
function checkSaid({ key, value, by, time, reason, change }: Omit<Change, "revision">, at: string): void {
  const need = (field: string, holds: boolean, expected: string): void => {
    if (!holds) throw new StoreInvalid(`${at}/${field}`, expected);
  };
  need("key", isText(key, STORE_LIMITS.key_bytes_max), textOf(STORE_LIMITS.key_bytes_max));
  need("by", isText(by, STORE_LIMITS.by_bytes_max), textOf(STORE_LIMITS.by_bytes_max));
  need("time", isText(time, 64) && parseTime(time) !== null, "an RFC 3339 date-time");
  need("reason", reason === null || isText(reason, STORE_LIMITS.reason_bytes_max, REASON_FORBIDDEN), "null or a text within its limit");
  need("change", isText(change, 64) && CHANGE_NAME.test(change), "a snake_case name");
  need("value", isJson(value, STORE_LIMITS.value_depth_max), "a JSON value as JSON.parse makes them");
}

/** @throws StoreInvalid unless a value's JSON text is within its limit */
function checkText(text: unknown, at: string): void {
  if (typeof text !== "string" || Buffer.byteLength(text) > STORE_LIMITS.value_bytes_max)
    throw new StoreInvalid(`${at}/value`, `at most ${STORE_LIMITS.value_bytes_max} bytes of JSON`);
}

/** @throws StoreInvalid */
export function checkQuery(after: number, limit: number, filter: ChangeFilter): void {
  if (!isRevision(after)) throw new StoreInvalid("/after", "a revision, or 0");
  if (!Number.isSafeInteger(limit) || limit < 1 || limit > STORE_LIMITS.changes_max) {
    throw new StoreInvalid("/limit", `1 to ${STORE_LIMITS.changes_max}`);
  }
  if (filter.key !== undefined && filter.prefix !== undefined) {
    throw new StoreInvalid("/filter", "a key or a prefix, not both");
  }
}

export function changeOf(row: StoreRow): Change {
  return { ...row, value: JSON.parse(row.value) as Change["value"] };
}

/** Found in a row, it shows that no bit of it has changed since it was written. Not a protection from people. */
export function checksum({ revision, key, value, by, time, reason, change }: StoreRow): number {
  return crc32(JSON.stringify([revision, key, value, by, time, reason, change]));
}

const isRevision = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;

const textOf = (bytes: number): string => `1 to ${bytes} bytes of text without control characters`;

function isText(text: unknown, bytesMax: number, forbidden = CONTROL): boolean {
  return typeof text === "string" && text !== "" && !forbidden.test(text) && Buffer.byteLength(text) <= bytesMax;
}

/** Returns true if JSON.parse restores an equal value: JSON.stringify drops, converts or calls what it doesn't know. */
function isJson(value: unknown, depth: number): boolean {
  switch (typeof value) {
    case "string":
      return !LONE_SURROGATE.test(value);
    case "number":
      return Number.isFinite(value) && !Object.is(value, -0);
    case "boolean":
      return true;
    case "object":
      break;
    default:
      return false;
  }
  if (value === null) return true;
  if (depth === 0) return false; // a cycle ends here too
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) if (!isJson(value[i], depth - 1)) return false;
    return true;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return false;
  return (
    typeof (value as { toJSON?: unknown }).toJSON !== "function" &&
    Reflect.ownKeys(value).every((name) => typeof name === "string" && !LONE_SURROGATE.test(name)) &&
    Object.values(value).every((member) => isJson(member, depth - 1))
  );
}
