/** Headers that a receiver wants, such as its own form of credentials, in a file: one a line, `DD-API-KEY: …`. */
import { readText } from "./read_file.js";

/** RFC 9110, section 5.6.2. */
export const HEADER_NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,128}$/;
/** Visible ASCII, with blanks inside. */
export const HEADER_VALUE = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/;
/** Headers of the connection, and those that say what the body is: the sender's own. */
export const SENDER_HEADERS: ReadonlySet<string> = new Set([
  ...["connection", "content-encoding", "content-length", "content-type", "expect", "host", "keep-alive"],
  ...["te", "trailer", "transfer-encoding", "upgrade"],
]);
const HEADERS_MAX = 32;

/**
 * Reads headers by name, in lower case. Empty lines, and those that begin with `#`, are passed over.
 * @throws as `readBytes`, and Error for a line that is no header, is one twice, or is the sender's own; it says nothing of a value
 */
export function readHeaders(file: string): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [i, line] of readText(file).split(/\r?\n/).entries()) {
    if (line.trim() === "" || line.startsWith("#")) continue;
    const colon = line.indexOf(":");
    const name = line.slice(0, Math.max(colon, 0)).toLowerCase();
    const value = line.slice(colon + 1).trim();
    const wrong = (expected: string): Error => new Error(`${file}: line ${i + 1}: ${expected}`);
    if (!HEADER_NAME.test(name) || !HEADER_VALUE.test(value)) throw wrong("expected a header, `name: value`");
    if (SENDER_HEADERS.has(name)) throw wrong(`${name} is set by the sender`);
    if (Object.hasOwn(headers, name)) throw wrong(`${name} is there twice`);
    headers[name] = value;
  }
  const count = Object.keys(headers).length;
  if (count === 0 || count > HEADERS_MAX) throw new Error(`${file}: expected 1 to ${HEADERS_MAX} headers, one a line`);
  return headers;
}
