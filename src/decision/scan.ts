/**
 * The byte validator: what two JSON parsers could read differently is refused here, before `JSON.parse` sees it
 * (RFC 8259; RFC 7493 for duplicate keys, surrogates and number range). One pass, nothing allocated on the way.
 */
import { isUtf8 } from "node:buffer";
import { Problem, pointerToken, type ProblemCode } from "../contract/index.js";

export interface ScanLimits {
  /** Nested objects and arrays. */
  depth_max: number;
  /** Keys of one object, elements of one array. */
  members_max: number;
  /** Takes numbers that a double doesn't hold, from a form that writes 64-bit integers as numbers. Left out: refused. */
  inexact_numbers?: true;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const MINUS = 0x2d;
const PLUS = 0x2b;
const DOT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;

/** An integer of at most 15 digits is exact in a double, whatever its digits are. */
const EXACT_DIGITS_MAX = 15;

/** Keys of one object that are unequal and hash alike, in one body: by chance there is hardly ever one. */
const COLLISIONS_MAX = 16;

// The scanner's state. It runs to its end in one turn of one thread, so one set serves every call and no call can see
// another's: each starts by resetting what it reads.
let bytes: Uint8Array = new Uint8Array(0);
let at = 0;
let limits: ScanLimits = { depth_max: 0, members_max: 0 };
/** Levels now open. Of each: whether it is an object, how many members it has, which of the keys is its first. */
let depth = 0;
const isObject: boolean[] = [];
const members: number[] = [];
const firstKey: number[] = [];
/** Keys of the objects now open, innermost last. Of each: its hash, and where it stands. */
let keys = 0;
const keyHashes: number[] = [];
const keyStarts: number[] = [];
const keyEnds: number[] = [];
let collisions = 0;

/**
 * Checks that `body` is exactly one JSON text that every parser reads alike, and returns it as a string.
 * @throws Problem `body_empty`, `utf8_invalid`, `json_invalid`, `json_duplicate_key`, `json_too_deep`, `json_too_wide`,
 * `number_not_exact`, `surrogate_lone`
 */
export function scan(body: Buffer, within: ScanLimits): string {
  if (body.length === 0) throw new Problem("body_empty");
  if (!isUtf8(body)) throw new Problem("utf8_invalid");
  bytes = body;
  at = 0;
  collisions = 0;
  limits = within;
  depth = keys = 0;
  scanDocument();
  bytes = new Uint8Array(0);
  return body.toString("utf8");
}

function refuse(code: ProblemCode, expected: string): never {
  throw new Problem(code, { expected: `${expected} at byte ${at}` });
}

function skipSpace(): void {
  for (;;) {
    const byte = bytes[at];
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return;
    at++;
  }
}

function scanDocument(): void {
  skipSpace();
  for (;;) {
    // Here a value begins.
    const byte = bytes[at];
    if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) {
      open(byte === OPEN_OBJECT);
      at++;
      skipSpace();
      if (byte === OPEN_ARRAY) {
        if (bytes[at] !== CLOSE_ARRAY) continue;
      } else if (bytes[at] !== CLOSE_OBJECT) {
        scanKey();
        continue;
      }
    } else if (byte === QUOTE) {
      scanString();
    } else if (byte === MINUS || (byte !== undefined && byte >= ZERO && byte <= NINE)) {
      scanNumber();
    } else {
      scanWord(byte);
    }
    if (!nextMember()) return;
  }
}

/** After a value: closes what it ends, and says whether another value begins. */
function nextMember(): boolean {
  for (;;) {
    skipSpace();
    if (depth === 0) {
      if (at !== bytes.length) refuse("json_invalid", "nothing after the value");
      return false;
    }
    const inObject = isObject[depth - 1] === true;
    const byte = bytes[at];
    if (byte === COMMA) {
      at++;
      skipSpace();
      if (inObject) scanKey();
      else count(depth - 1);
      return true;
    }
    if (byte !== (inObject ? CLOSE_OBJECT : CLOSE_ARRAY)) {
      refuse("json_invalid", inObject ? "`,` or `}`" : "`,` or `]`");
    }
    at++;
    close();
  }
}

function open(object: boolean): void {
  if (depth === limits.depth_max) refuse("json_too_deep", `at most ${limits.depth_max} levels`);
  isObject[depth] = object;
  members[depth] = object ? 0 : 1;
  firstKey[depth] = keys;
  depth++;
}

function close(): void {
  depth--;
  keys = firstKey[depth] ?? 0;
}

function count(level: number): void {
  const have = (members[level] ?? 0) + 1;
  if (have > limits.members_max) refuse("json_too_wide", `at most ${limits.members_max} members`);
  members[level] = have;
}

function scanKey(): void {
  if (bytes[at] !== QUOTE) refuse("json_invalid", "a key in double quotes");
  const start = at;
  count(depth - 1);
  const hash = scanString();
  for (let other = firstKey[depth - 1] ?? 0; other < keys; other++) {
    if (keyHashes[other] === hash) refuseIfSame(other, start);
  }
  keyHashes[keys] = hash;
  keyStarts[keys] = start;
  keyEnds[keys] = at;
  keys++;
  skipSpace();
  if (bytes[at] !== COLON) refuse("json_invalid", "`:`");
  at++;
  skipSpace();
}

function refuseIfSame(other: number, start: number): void {
  const key = decode(start, at);
  if (decode(keyStarts[other] ?? 0, keyEnds[other] ?? 0) === key) {
    throw new Problem("json_duplicate_key", { field: `${pointer()}/${pointerToken(key)}`, expected: "each key once" });
  }
  // Each is decoded to be told apart: keys chosen to collide would make a small body cost seconds.
  if (++collisions > COLLISIONS_MAX) refuse("json_too_wide", "keys that are not made to hash alike");
}

/** JSON pointer of the innermost open object. */
function pointer(): string {
  let path = "";
  for (let level = 0; level < depth - 1; level++) {
    const key = (firstKey[level + 1] ?? 0) - 1;
    const token = isObject[level] === true ? decode(keyStarts[key] ?? 0, keyEnds[key] ?? 0) : (members[level] ?? 0) - 1;
    path += `/${pointerToken(String(token))}`;
  }
  return path;
}

function decode(start: number, end: number): string {
  return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString("utf8")) as string;
}

/** Scans a string and returns a hash of the text it stands for: equal texts have equal hashes, however they are spelled. */
function scanString(): number {
  const start = at;
  let hash = 0x811c9dc5;
  let escaped = false;
  at++;
  for (;;) {
    const byte = bytes[at];
    if (byte === undefined) refuse("json_invalid", "the end of a string");
    if (byte === QUOTE) break;
    if (byte < 0x20) refuse("json_invalid", "no raw control character in a string");
    if (byte === BACKSLASH) {
      escaped = true;
      scanEscape();
    } else {
      hash = Math.imul(hash ^ byte, 0x01000193);
      at++;
    }
  }
  at++;
  return escaped ? hashOf(decode(start, at)) : hash;
}

function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash;
}

function scanEscape(): void {
  const escape = bytes[at + 1];
  switch (escape) {
    case QUOTE:
    case BACKSLASH:
    case 0x2f: // /
    case 0x62: // b
    case 0x66: // f
    case 0x6e: // n
    case 0x72: // r
    case 0x74: // t
      at += 2;
      return;
    case 0x75: {
      const unit = scanHex();
      if (unit < 0xd800 || unit > 0xdfff) return;
      if (unit > 0xdbff || bytes[at] !== BACKSLASH || bytes[at + 1] !== 0x75) {
        refuse("surrogate_lone", "both halves of a surrogate pair");
      }
      const low = scanHex();
      if (low < 0xdc00 || low > 0xdfff) refuse("surrogate_lone", "both halves of a surrogate pair");
      return;
    }
    default:
      refuse("json_invalid", "an escape of RFC 8259, section 7");
  }
}

function scanHex(): number {
  let unit = 0;
  for (let i = at + 2; i < at + 6; i++) {
    const byte = bytes[i] ?? 0;
    const digit =
      byte >= ZERO && byte <= NINE
        ? byte - ZERO
        : byte >= 0x61 && byte <= 0x66
          ? byte - 0x57
          : byte >= 0x41 && byte <= 0x46
            ? byte - 0x37
            : refuse("json_invalid", "four hexadecimal digits");
    unit = unit * 16 + digit;
  }
  at += 6;
  return unit;
}

function digits(): number {
  const start = at;
  for (let byte = bytes[at]; byte !== undefined && byte >= ZERO && byte <= NINE; byte = bytes[at]) at++;
  return at - start;
}

function scanNumber(): void {
  const start = at;
  if (bytes[at] === MINUS) at++;
  const leadingZero = bytes[at] === ZERO;
  const whole = digits();
  if (whole === 0) refuse("json_invalid", "a digit");
  if (leadingZero && whole > 1) refuse("json_invalid", "no leading zero");
  let plain = true;
  if (bytes[at] === DOT) {
    plain = false;
    at++;
    if (digits() === 0) refuse("json_invalid", "a digit");
  }
  if (bytes[at] === 0x65 || bytes[at] === 0x45) {
    plain = false;
    at++;
    if (bytes[at] === PLUS || bytes[at] === MINUS) at++;
    if (digits() === 0) refuse("json_invalid", "a digit");
  }
  if ((plain && whole <= EXACT_DIGITS_MAX) || limits.inexact_numbers === true) return;
  const text = Buffer.from(bytes.buffer, bytes.byteOffset + start, at - start).toString("latin1");
  if (!survivesDouble(text)) {
    at = start;
    refuse("number_not_exact", "a number that a double holds exactly, integers within ±(2^53 - 1),");
  }
}

/** Returns true if a decimal is the one that its nearest double prints as, so that reading and writing it changes nothing. */
function survivesDouble(text: string): boolean {
  const value = Number(text);
  if (!Number.isFinite(value)) return false;
  if (Number.isInteger(value) && !Number.isSafeInteger(value)) return false;
  const [asked, kept] = [decimal(text), decimal(String(value))];
  return asked.digits === kept.digits && asked.exponent === kept.exponent;
}

/** A decimal's significant digits and the power of ten of the last one; sign left out. */
function decimal(text: string): { digits: string; exponent: number } {
  const [mantissa = "", power = "0"] = text.toLowerCase().replace(/^-/, "").split("e");
  const [whole = "", fraction = ""] = mantissa.split(".");
  const all = whole + fraction;
  // By hand: a pattern that is anchored at the end alone tries every zero of a long number, and takes its square in time.
  let [first, end] = [0, all.length];
  while (first < end && all[first] === "0") first++;
  while (end > first && all[end - 1] === "0") end--;
  if (first === end) return { digits: "", exponent: 0 };
  return { digits: all.slice(first, end), exponent: Number(power) - fraction.length + (all.length - end) };
}

const WORDS = ["true", "false", "null"].map((word) => Buffer.from(word));

function scanWord(first: number | undefined): void {
  for (const word of WORDS) {
    if (word[0] !== first) continue;
    // What begins as one need not be meant for it.
    if (word.some((byte, i) => bytes[at + i] !== byte)) break;
    at += word.length;
    return;
  }
  refuse("json_invalid", "a value");
}
