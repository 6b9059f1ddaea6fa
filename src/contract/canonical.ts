/** One spelling for one value: what is signed, digested or compared across machines. */

/**
 * Returns the JSON Canonicalization Scheme (RFC 8785) of a JSON value: keys sorted by UTF-16 code units (section 3.2.3), numbers and
 * strings as ECMAScript writes them (3.2.2). The value must hold neither lone surrogates nor non-finite numbers. Members that are undefined are left
 * out, as JSON does.
 * @example
 * import assert from "node:assert/strict";
 * import { canonical } from "@remit-pdp/contract";
 *
 * assert.equal(canonical({ b: 1, a: [true, null] }), '{"a":[true,null],"b":1}');
 */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value === "object" && value !== null) {
    const members = Object.entries(value)
      .filter(([, member]) => member !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1));
    return `{${members.map(([key, member]) => `${JSON.stringify(key)}:${canonical(member)}`).join(",")}}`;
  }
  return JSON.stringify(value);
}

const PLAIN = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;

/**
 * Returns a text as JSON (RFC 8259, section 7), exactly as `JSON.stringify` does, in half the time if nothing has to be escaped.
 * @example
 * import assert from "node:assert/strict";
 * import { quoted } from "@remit-pdp/contract";
 *
 * assert.equal(quoted('say "hi"'), '"say \\"hi\\""');
 */
export function quoted(text: string): string {
  return PLAIN.test(text) ? `"${text}"` : JSON.stringify(text);
}

/**
 * Returns a text as JSON, or `null` without one.
 * @example
 * import assert from "node:assert/strict";
 * import { quotedOrNull } from "@remit-pdp/contract";
 *
 * assert.equal(quotedOrNull(null), "null");
 */
export function quotedOrNull(text: string | null): string {
  return text === null ? "null" : quoted(text);
}
