/**
 * YAML 1.2 core, read so that no other reader can take it for something else: one document, no anchors, aliases or tags,
 * no key twice, no number that a double cannot hold, no text that UTF-8 cannot. Errors name file, line and path.
 */
import { isUtf8 } from "node:buffer";
import { createRequire } from "node:module";
import type * as Yaml from "yaml";
import type { CST, Document, YAMLMap } from "yaml";
import { misfit } from "./misfit.js";
import type { Validator } from "./schemas.js";

const require = createRequire(import.meta.url);
/** Loads the library at its first use: a command that reads no YAML needn't wait for it. */
const library = (): typeof Yaml => require("yaml") as typeof Yaml;

export class YamlError extends Error {
  override readonly name = "YamlError";

  constructor(
    readonly file: string,
    readonly line: number | null,
    /** Keys and indices joined by dots; empty for the document. */
    readonly path: string,
    readonly problem: string,
    /** Remedy, if it is known. */
    readonly hint: string | null = null,
    /** Stable code, for faults that have one of their own. */
    readonly code = "yaml_invalid",
  ) {
    const at = `${file}${line === null ? "" : `:${line}`}: ${path === "" ? "" : `${path}: `}`;
    super(`${at}${problem}${hint === null ? "" : `; ${hint}`}`);
  }
}

const WRITTEN_OUT = "write the value out at each place";
const LENGTH_MAX = 16 * 1024 * 1024;
const DEPTH_MAX = 64;
const LINE_FEED = 0x0a;
/** YAML 1.2.2, section 5.1. Halves of surrogate pairs are told of where they stand in a value. */
const UNPRINTABLE = /[^\t\n\r\x20-\x7e\x85\xa0-\ufffd\u{10000}-\u{10ffff}]/u;

export interface YamlDocument<T = unknown> {
  value: T;
  /** An error at a path; the line is that of its closest ancestor that is in the text, a member's that of its key. */
  errorAt: (path: readonly (string | number)[], problem: string, hint?: string | null, code?: string) => YamlError;
  /** Returns true if the place has a scalar without quotes. */
  isPlain: (path: readonly (string | number)[]) => boolean;
}

/**
 * @param source UTF-8, where it is bytes
 * @param file the name errors give, not opened here
 * @throws YamlError
 */
export function readYaml(source: string | Uint8Array, file: string): YamlDocument {
  const text = typeof source === "string" ? source : textOf(source, file);
  if (text.length > LENGTH_MAX) throw new YamlError(file, null, "", `a file has at most ${LENGTH_MAX} characters`);
  return parse(text, file);
}

/** Decodes UTF-8; rejects other bytes, since a decoder would replace them by something that nobody has written. @throws YamlError */
function textOf(bytes: Uint8Array, file: string): string {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (isUtf8(buffer)) return buffer.toString("utf8");
  let line = 1;
  for (let from = 0, end = 0; end >= 0; line++, from = end + 1) {
    end = buffer.indexOf(LINE_FEED, from);
    if (!isUtf8(buffer.subarray(from, end < 0 ? buffer.length : end))) break;
  }
  throw new YamlError(file, line, "", "only UTF-8 is read");
}

function codePoint(character: string): string {
  return `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}`;
}

function parse(text: string, file: string): YamlDocument {
  const { Composer, LineCounter, Parser, Scalar, isAlias, isMap, isNode, isScalar, visit } = library();
  const lines = new LineCounter();
  const lineAt = (offset: number | undefined): number | null => (offset === undefined ? null : lines.linePos(offset).line);
  const refuse = (offset: number | undefined, what: string, hint: string | null = null): never => {
    throw new YamlError(file, lineAt(offset), "", what, hint);
  };
  const tokens = [...new Parser(lines.addNewLine).parse(text)];
  for (const token of tokens) checkDepth(token, refuse);
  const [stray] = UNPRINTABLE.exec(text) ?? [];
  if (stray !== undefined) refuse(text.indexOf(stray), `the character ${codePoint(stray)} is read only as an escape`);
  const composer = new Composer({
    version: "1.2",
    schema: "core",
    strict: true,
    stringKeys: true,
    uniqueKeys: false,
    lineCounter: lines,
    prettyErrors: false,
  });
  const [document, second] = [...composer.compose(tokens, true, text.length)];
  if (document === undefined) throw new YamlError(file, null, "", "there is no document");
  const problem = document.errors[0] ?? document.warnings[0];
  if (problem !== undefined) refuse(problem.pos[0], problem.message);
  if (document.directives.yaml.version !== "1.2") refuse(0, "only YAML 1.2 is read");
  if (second !== undefined) refuse(second.range[0], "a file holds one document");
  visit(document, (_key, node) => {
    if (!isNode(node)) return;
    const at = node.range?.[0];
    if (isAlias(node)) refuse(at, "aliases are not read", WRITTEN_OUT);
    else if (node.anchor !== undefined) refuse(at, "anchors are not read", WRITTEN_OUT);
    if (node.tag !== undefined) refuse(at, "tags are not read");
    if (isMap(node)) checkKeys(node, refuse);
    if (isScalar(node) && typeof node.value === "number") {
      if (!Number.isFinite(node.value)) refuse(at, "a number must be finite");
      if (Number.isInteger(node.value) && !Number.isSafeInteger(node.value)) refuse(at, "an integer must be within ±(2^53 - 1)");
    }
    // An escape can write what UTF-8 can't, and the policy's engine gives up on it.
    if (isScalar(node) && typeof node.value === "string" && /\p{Surrogate}/u.test(node.value))
      refuse(at, "a text must not hold half of a surrogate pair");
  });
  return {
    value: document.toJS(),
    errorAt: (path, message, hint, code) => new YamlError(file, lineAt(offsetOf(document, path)), path.join("."), message, hint, code),
    isPlain: (path) => {
      const node: unknown = document.getIn(path, true);
      return isScalar(node) && node.type === Scalar.PLAIN;
    },
  };
}

type Refuse = (offset: number | undefined, what: string) => never;

/** The composer is recursive, and V8 ends the process where a stack runs out in a regular expression. */
function checkDepth(token: CST.Token, refuse: Refuse): void {
  const open: [CST.Token, number][] = [[token, 0]];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const [at, depth] = next;
    if (depth > DEPTH_MAX) refuse(at.offset, `at most ${DEPTH_MAX} levels of nesting are read`);
    if (at.type === "document" && at.value !== undefined) open.push([at.value, depth]);
    if (!("items" in at)) continue;
    for (const { key, value } of at.items) {
      for (const inner of [key, value]) if (inner !== null && inner !== undefined) open.push([inner, depth + 1]);
    }
  }
}

/** The composer's own check compares every key with every other. */
function checkKeys({ items }: YAMLMap, refuse: Refuse): void {
  const { isScalar } = library();
  const seen = new Set<unknown>();
  for (const { key } of items) {
    if (!isScalar(key)) continue;
    if (seen.has(key.value)) refuse(key.range?.[0], `key \`${String(key.value)}\` stands twice`);
    seen.add(key.value);
  }
}

/**
 * Reads YAML of one shape. Defaults of the schema are filled in where `validate` was compiled to do so.
 * @throws YamlError for the first thing that doesn't fit
 */
export function readYamlAs<T>(source: string | Uint8Array, file: string, validate: Validator<T>): YamlDocument<T> {
  const document = readYaml(source, file);
  const value: unknown = document.value ?? {};
  if (validate(value)) return { ...document, value };
  const { path, problem, hint } = misfit(value, validate);
  throw document.errorAt(path, problem, hint);
}

function offsetOf(document: Document, path: readonly (string | number)[]): number | undefined {
  const { isMap, isNode, isScalar } = library();
  for (let length = path.length; length > 0; length--) {
    const parent: unknown = length === 1 ? document.contents : document.getIn(path.slice(0, length - 1), true);
    const name = path[length - 1];
    const key = isMap(parent) ? parent.items.find((pair) => isScalar(pair.key) && pair.key.value === name)?.key : null;
    const node: unknown = key ?? document.getIn(path.slice(0, length), true);
    if (isNode(node) && node.range) return node.range[0];
  }
  return document.contents?.range?.[0];
}
