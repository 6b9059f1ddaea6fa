/**
 * Headers in which a stateless request over HTTP says again what stands in its body, for whoever reads no bodies. A guard decides by the body,
 * and takes no request whose headers say something else: what reads them before or behind it would see another call.
 */
import { isObject } from "../../mapping/call_mapping.js";
import { CODES, versionOf } from "./stateless.js";
import type { Params, RpcError } from "./wire.js";

type Headers = Readonly<Record<string, unknown>>;

const VERSION = "mcp-protocol-version";
const METHOD = "mcp-method";
const NAME = "mcp-name";
const PARAM = "mcp-param-";
/** Member of the parameters that the header of the name stands for. */
const NAMED: ReadonlyMap<string, string> = new Map([
  ["tools/call", "name"],
  ["prompts/get", "name"],
  ["resources/read", "uri"],
]);
const ENCODED = /^=\?base64\?([A-Za-z0-9+/]*={0,2})\?=$/;
const MARKED = /^=\?base64\?.*\?=$/s;
/** Values that a header holds as they are (RFC 9110, section 5.5). */
const PLAIN = /^[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?$/;
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const DEPTH_MAX = 16;

export function encoded(value: string): string {
  return PLAIN.test(value) && !MARKED.test(value) ? value : `=?base64?${Buffer.from(value, "utf8").toString("base64")}?=`;
}

/** @returns null for a value that is marked as encoded, and isn't */
export function decoded(value: string): string | null {
  if (!MARKED.test(value)) return value;
  const [, text] = ENCODED.exec(value) ?? [];
  if (text === undefined || text.length % 4 !== 0) return null;
  const bytes = Buffer.from(text, "base64");
  if (bytes.toString("base64") !== text) return null;
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}

/** An argument that a tool wants mirrored: header, and the path to it. */
interface MirroredArgument {
  header: string;
  path: string[];
}

/** Returns the arguments that a tool's schema marks with `x-mcp-header`, where a chain of `properties` leads to them; null for a mark that can't be kept. */
export function mirroredArguments(schema: unknown): MirroredArgument[] | null {
  const found: (MirroredArgument | null)[] = [];
  const walk = (of: unknown, path: string[]): void => {
    const { properties } = isObject(of) ? of : {};
    if (!isObject(properties) || path.length >= DEPTH_MAX) return;
    for (const [name, property] of Object.entries(properties)) {
      if (!isObject(property)) continue;
      const mark = property["x-mcp-header"];
      if (mark !== undefined) {
        const primitive = ["string", "integer", "boolean"].includes(String(property["type"]));
        const isHeader = typeof mark === "string" && TOKEN.test(mark) && primitive;
        found.push(isHeader ? { header: `${PARAM}${mark.toLowerCase()}`, path: [...path, name] } : null);
      }
      walk(property, [...path, name]);
    }
  };
  walk(schema, []);
  const kept = found.filter((one) => one !== null);
  const isUnique = new Set(kept.map(({ header }) => header)).size === found.length;
  return isUnique ? kept : null;
}

function valueAt(of: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>((at, name) => (isObject(at) && Object.hasOwn(at, name) ? at[name] : undefined), of);
}

/** Text of an argument in a header; null where it has none. */
function textOf(value: unknown): string | null {
  if (typeof value === "string") return value;
  return typeof value === "boolean" || (typeof value === "number" && Number.isSafeInteger(value)) ? String(value) : null;
}

/** Headers of a request to a server. */
export function mirrored(method: string, params: Params | undefined, schema?: unknown): Record<string, string> {
  const name = params?.[NAMED.get(method) ?? ""];
  const marked = (mirroredArguments(schema) ?? []).flatMap(({ header, path }) => {
    const text = textOf(valueAt(params?.["arguments"], path));
    return text === null ? [] : [[header, encoded(text)] as const];
  });
  return { [METHOD]: method, ...(typeof name === "string" && { [NAME]: encoded(name) }), ...Object.fromEntries(marked) };
}

/** Returns the error for a request whose headers aren't its body's; null where they are. */
export function mismatch(headers: Headers, method: string, params: Params | undefined): RpcError | null {
  if (headers[VERSION] !== versionOf(params)) return mismatched("MCP-Protocol-Version");
  if (headers[METHOD] !== method) return mismatched("Mcp-Method");
  const member = NAMED.get(method);
  if (member === undefined) return null;
  const said = headers[NAME];
  return typeof said === "string" && PLAIN.test(said) && decoded(said) === params?.[member] ? null : mismatched("Mcp-Name");
}

/** The same for the arguments that a tool wants mirrored. */
export function argumentMismatch(headers: Headers, given: unknown, schema: unknown): RpcError | null {
  for (const { header, path } of mirroredArguments(schema) ?? []) {
    const value = valueAt(given, path);
    const text = textOf(value);
    const said = headers[header];
    if (text === null ? said === undefined : isSaid(said, text, value)) continue;
    return mismatched(header);
  }
  return null;
}

function isSaid(said: unknown, text: string, value: unknown): boolean {
  if (typeof said !== "string") return false;
  const plain = said === "" || PLAIN.test(said) ? decoded(said) : null;
  if (plain === null) return false;
  return plain === text || (typeof value === "number" && /^-?\d+(?:\.0+)?$/.test(plain) && Number(plain) === value);
}

function mismatched(header: string): RpcError {
  return { code: CODES.header_mismatch, message: `Header mismatch: ${header} isn't what the body says` };
}
