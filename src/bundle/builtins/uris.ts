/** `uri.parse` and `uri.is_valid`, by the rules of Go's `net/url`, and the builtins on queries. */
import { isIPv6 } from "node:net";
import { textOf } from "./digests.js";
import { membersOf, ofStrings, type Builtin } from "./function.js";
import { TermSet, type RegoTerm } from "./term.js";

interface Uri {
  scheme: string;
  host: string;
  path: string;
  raw_path: string;
  raw_query: string;
  fragment: string;
}

/** Error for a text that isn't a URI. */
class NotUri extends Error {}

const SCHEME = /^([A-Za-z][A-Za-z\d+.-]*):/;
const CONTROL = /[\u0000-\u001f\u007f]/;
const USER = /^[A-Za-z\d\-._:~!$&'()*+,;=%@]*$/;
const PORT = /^(?::\d*)?$/;
/** Characters of ASCII that a host may have unescaped. */
const HOST = /^[A-Za-z\d\-_.~!$&'()*+,;=:[\]<>"%\u0080-\u{10ffff}]*$/u;
/** Escapes of what a host may not have: those of ASCII. */
const HOST_ESCAPE = /%(?!25)[0-7][\da-f]/i;
const ESCAPED = /%(?![\da-f]{2})/i;
/** Characters that a path has unescaped. */
const PATH = /[A-Za-z\d\-_.~$&+,/:;=@]/;

/** Replaces escapes by what they stand for. @throws NotUri for one that isn't whole; RangeError for bytes that aren't text */
function unescaped(text: string): string {
  if (ESCAPED.test(text)) throw new NotUri();
  return text.replace(/(?:%[\da-f]{2})+/gi, (escapes) => textOf(Buffer.from(escapes.replaceAll("%", ""), "hex")));
}

function escapedPath(path: string): string {
  return [...Buffer.from(path)]
    .map((byte) => {
      const one = String.fromCharCode(byte);
      return byte < 0x80 && PATH.test(one) ? one : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
    })
    .join("");
}

/** Cuts a text at the first separator; the second part is null without one. */
function cut(text: string, separator: string): [string, string | null] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, null] : [text.slice(0, at), text.slice(at + separator.length)];
}

/** @throws NotUri */
function parse(text: string): Uri {
  const [whole, fragment] = cut(text, "#");
  if (CONTROL.test(whole)) throw new NotUri();
  const uri: Uri = { scheme: "", host: "", path: "", raw_path: "", raw_query: "", fragment: "" };
  if (whole === "*") return { ...uri, path: "*", raw_path: "*", fragment: unescaped(fragment ?? "") };
  if (whole.startsWith(":")) throw new NotUri();
  const scheme = SCHEME.exec(whole)?.[1] ?? "";
  uri.scheme = scheme.toLowerCase();
  const [rest, query] = cut(scheme === "" ? whole : whole.slice(scheme.length + 1), "?");
  uri.raw_query = query ?? "";
  uri.fragment = unescaped(fragment ?? "");
  if (!rest.startsWith("/")) {
    if (scheme !== "") return uri;
    if (cut(rest, "/")[0].includes(":")) throw new NotUri();
  }
  let path = rest;
  if ((scheme !== "" || !rest.startsWith("///")) && rest.startsWith("//")) {
    const [authority, after] = cut(rest.slice(2), "/");
    path = after === null ? "" : `/${after}`;
    uri.host = hostOf(uri.scheme, authority);
  }
  uri.path = unescaped(path);
  uri.raw_path = escapedPath(uri.path) === path ? uri.path : path;
  return uri;
}

/** Returns the host of an authority, with its port. @throws NotUri */
function hostOf(scheme: string, authority: string): string {
  const at = authority.lastIndexOf("@");
  if (at >= 0) {
    const user = authority.slice(0, at);
    if (!USER.test(user)) throw new NotUri();
    unescaped(user);
  }
  const host = authority.slice(at + 1);
  const bracket = host.lastIndexOf("[");
  if (bracket > 0) throw new NotUri();
  if (bracket === 0) return literalOf(host);
  const [first, last] = [host.indexOf(":"), host.lastIndexOf(":")];
  // Several colons are for databases' lists of hosts; the web has none.
  if (first >= 0 && !PORT.test(host.slice(scheme === "http" || scheme === "https" ? first : last))) throw new NotUri();
  return plainHost(host);
}

function plainHost(host: string): string {
  if (HOST_ESCAPE.test(host) || !HOST.test(host)) throw new NotUri();
  return unescaped(host);
}

/** Returns an IPv6 address in brackets, with its port. @throws NotUri */
function literalOf(host: string): string {
  const end = host.lastIndexOf("]");
  if (end < 0 || !PORT.test(host.slice(end + 1))) throw new NotUri();
  const inside = host.slice(1, end);
  const zoneAt = inside.indexOf("%25");
  const [address, zone] = zoneAt < 0 ? [inside, ""] : [inside.slice(0, zoneAt), inside.slice(zoneAt)];
  const zoneText = unescaped(zone);
  if (!isIPv6(plainHost(address)) || zoneText === "%" || /[^A-Za-z\d\-_.~!$&'()*+,;=:[\]<>"% \u0080-\u{10ffff}]/u.test(zoneText))
    throw new NotUri();
  return `[${plainHost(address)}${zoneText}]${host.slice(end + 1)}`;
}

function parsed(text: string): Uri | undefined {
  try {
    return parse(text);
  } catch (cause) {
    if (cause instanceof NotUri) return undefined;
    throw cause;
  }
}

function uriTerm({ scheme, host, path, raw_path, raw_query, fragment }: Uri): RegoTerm {
  const colon = host.lastIndexOf(":");
  const hasPort = colon >= 0 && PORT.test(host.slice(colon));
  const [name, port] = hasPort ? [host.slice(0, colon), host.slice(colon + 1)] : [host, ""];
  const hostname = name.startsWith("[") && name.endsWith("]") ? name.slice(1, -1) : name;
  return new Map(Object.entries({ scheme, hostname, port, path, raw_path, raw_query, fragment }).filter(([, value]) => value !== ""));
}

/** Escapes a text as Go's `QueryEscape` does. */
function queryEscaped(text: string): string {
  return encodeURIComponent(text)
    .replace(/[!'()*]/g, (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll("%20", "+");
}

/** Undoes `queryEscaped`; undefined for an escape that isn't whole. @throws RangeError for bytes that aren't text */
function queryUnescaped(text: string): string | undefined {
  if (ESCAPED.test(text)) return undefined;
  return unescaped(text.replaceAll("+", " "));
}

function encodeObject(object: RegoTerm | undefined): string | undefined {
  if (!(object instanceof Map)) return undefined;
  const byBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));
  const pairs: [string, string][] = [];
  for (const [key, value] of object) {
    const list = typeof value === "string" ? [value] : membersOf(value);
    if (typeof key !== "string" || list === null || !list.every((one) => typeof one === "string")) return undefined;
    for (const one of value instanceof TermSet ? [...list].sort(byBytes) : list) pairs.push([key, one]);
  }
  return pairs
    .sort(([a], [b]) => byBytes(a, b))
    .map(([key, value]) => `${queryEscaped(key)}=${queryEscaped(value)}`)
    .join("&");
}

function decodeObject(query: string): RegoTerm | undefined {
  const found = new Map<string, string[]>();
  for (const part of query.split("&").filter((one) => one !== "")) {
    const [name, given] = cut(part, "=");
    const [key, value] = [queryUnescaped(name), queryUnescaped(given ?? "")];
    if (part.includes(";") || key === undefined || value === undefined) return undefined;
    found.set(key, [...(found.get(key) ?? []), value]);
  }
  return found;
}

export const URIS: Readonly<Record<string, Builtin>> = {
  "uri.parse": ofStrings(([text = ""]) => {
    const uri = parsed(text);
    return uri && uriTerm(uri);
  }),
  "uri.is_valid": ([text]) => typeof text === "string" && text !== "" && parsed(text) !== undefined,
  "urlquery.encode": ofStrings(([text = ""]) => queryEscaped(text)),
  "urlquery.decode": ofStrings(([text = ""]) => queryUnescaped(text)),
  "urlquery.encode_object": ([object]) => encodeObject(object),
  "urlquery.decode_object": ofStrings(([query = ""]) => decodeObject(query)),
};
