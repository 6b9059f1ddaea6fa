/** Hashes as OPA takes them for signatures, and the one digest that names a bundle. */
import { createHash } from "node:crypto";
import { isUtf8 } from "node:buffer";
import { BundleError } from "./errors.js";

const DEPTH_MAX = 64;

/** One signed file, as a signature's `files` lists it. */
export interface FileHash {
  name: string;
  /** Lower-case hexadecimal. */
  hash: string;
  algorithm: "SHA-256";
}

/**
 * The hash that OPA signs: of `.manifest` and `data.json` the compact text with sorted keys, of all else the bytes.
 * @throws BundleError `json_invalid`
 */
export function fileHash(name: string, content: Uint8Array): string {
  const hashed = isStructured(name) ? compactJson(name, content) : content;
  return createHash("sha256").update(hashed).digest("hex");
}

/** The files in the order of their names, without the signature itself. */
export function fileHashes(files: ReadonlyMap<string, Uint8Array>): FileHash[] {
  return [...files]
    .filter(([name]) => name !== ".signatures.json")
    .sort(([a], [b]) => byUtf8(a, b))
    .map(([name, content]) => ({ name, hash: fileHash(name, content), algorithm: "SHA-256" }));
}

/** `sha256:` + hex over the lines `<name> NUL <hash> LF` of the signed files, sorted by name. */
export function bundleDigest(hashes: readonly FileHash[]): string {
  const digest = createHash("sha256");
  for (const { name, hash } of [...hashes].sort((a, b) => byUtf8(a.name, b.name))) digest.update(`${name}\0${hash}\n`);
  return `sha256:${digest.digest("hex")}`;
}

function isStructured(name: string): boolean {
  const base = name.slice(name.lastIndexOf("/") + 1);
  return base === ".manifest" || base === "data.json";
}

function byUtf8(a: string, b: string): number {
  // UTF-16 orders as UTF-8 does where there are no surrogates.
  if (SURROGATE.test(a) || SURROGATE.test(b)) return Buffer.compare(Buffer.from(a), Buffer.from(b));
  return a < b ? -1 : a > b ? 1 : 0;
}

const SURROGATE = /[\ud800-\udfff]/;
/** Files that have one reading. Nobody changes their bytes once they are read. */
const unambiguous = new WeakSet<Uint8Array>();

/**
 * The value of a JSON file (RFC 8259) that has one reading: UTF-8 without a byte order mark, no key twice in an object,
 * no half of a surrogate pair, no integer beyond 2^53 - 1, no number beyond a double, and nesting of at most 64.
 * @throws BundleError `json_invalid`
 */
export function readJson(file: string, content: Uint8Array): unknown {
  const { text, value } = parse(file, content);
  if (!unambiguous.has(content)) compact(file, text, content);
  return value;
}

/**
 * OPA's form of a structured file: keys sorted by UTF-8 bytes, numbers spelled as they were, `<`, `>` and `&` left
 * alone, U+2028 and U+2029 escaped as Go's encoder does.
 */
export function compactJson(file: string, content: Uint8Array): string {
  return compact(file, parse(file, content).text, content);
}

function compact(file: string, text: string, content: Uint8Array): string {
  const compacted = new Compactor(file, text).run();
  unambiguous.add(content);
  return compacted;
}

function parse(file: string, content: Uint8Array): { text: string; value: unknown } {
  if (!isUtf8(content)) throw new BundleError("json_invalid", { file, expected: "UTF-8" });
  const text = Buffer.from(content.buffer, content.byteOffset, content.byteLength).toString();
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new BundleError("json_invalid", { file }, { cause });
  }
  return { text, value };
}

const SPACE = /[ \t\n\r]*/y;
const STRING = /"[^"\\]*(?:\\.[^"\\]*)*"/y;
const PLAIN = /[-+.0-9A-Za-z]+/y;
/** A string that is spelled as it is written here. */
const AS_IT_IS = /^"[ !#-[\]-~]*"$/;

/** Rewrites text that JSON.parse has accepted, so it need not look for mistakes of grammar. */
class Compactor {
  #at = 0;

  constructor(
    readonly file: string,
    readonly text: string,
  ) {}

  run(): string {
    return this.#value(0);
  }

  #value(depth: number): string {
    if (depth > DEPTH_MAX) throw this.#refused(`nesting of at most ${DEPTH_MAX}`);
    this.#take(SPACE);
    switch (this.text[this.#at]) {
      case "{":
        return this.#object(depth);
      case "[":
        return this.#array(depth);
      case '"':
        return this.#string().text;
      default:
        return this.#scalar();
    }
  }

  #object(depth: number): string {
    const members = new Map<string, string>();
    while (!this.#closes("}")) {
      const { value: key, text } = this.#string();
      if (members.has(key)) throw this.#refused("each key once in an object");
      this.#take(SPACE);
      this.#at++; // the colon
      members.set(key, `${text}:${this.#value(depth + 1)}`);
    }
    const sorted = [...members].sort(([a], [b]) => byUtf8(a, b));
    return `{${sorted.map(([, member]) => member).join(",")}}`;
  }

  #array(depth: number): string {
    const items: string[] = [];
    while (!this.#closes("]")) items.push(this.#value(depth + 1));
    return `[${items.join(",")}]`;
  }

  /** Steps over the opening bracket or a comma to the next item, or over the closing bracket. */
  #closes(bracket: string): boolean {
    this.#take(SPACE);
    const closes = this.text[this.#at] === bracket;
    if (!closes) this.#at++;
    this.#take(SPACE);
    if (!closes && this.text[this.#at] !== bracket) return false;
    this.#at++;
    return true;
  }

  #string(): { value: string; text: string } {
    const given = this.#take(STRING);
    if (AS_IT_IS.test(given)) return { value: given.slice(1, -1), text: given };
    const value = JSON.parse(given) as string;
    if (/\p{Surrogate}/u.test(value)) throw this.#refused("whole surrogate pairs");
    return { value, text: quote(value) };
  }

  #scalar(): string {
    const text = this.#take(PLAIN);
    if (/[-0-9]/.test(text[0] ?? "")) this.#checkNumber(text);
    return text;
  }

  #checkNumber(text: string): void {
    const value = Number(text);
    if (!Number.isFinite(value) || (Number.isInteger(value) && !Number.isSafeInteger(value))) {
      throw this.#refused("numbers that a double holds");
    }
  }

  #take(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const [found = ""] = pattern.exec(this.text) ?? [];
    this.#at += found.length;
    return found;
  }

  #refused(expected: string): BundleError {
    return new BundleError("json_invalid", { file: this.file, expected });
  }
}

function quote(value: string): string {
  return JSON.stringify(value).replaceAll("\u2028", "\\u2028").replaceAll("\u2029", "\\u2029");
}
