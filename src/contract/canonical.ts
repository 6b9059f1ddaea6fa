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
  if (typeof value === "string") return quoted(value);
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  return Array.isArray(value) ? arrayText(value) : objectText(value as Readonly<Record<string, unknown>>);
}

function arrayText(elements: readonly unknown[]): string {
  let text = "";
  for (const element of elements) text += text === "" ? canonical(element) : `,${canonical(element)}`;
  return `[${text}]`;
}

/** Sorts texts as the standard library does by default: by UTF-16 code units. */
function objectText(members: Readonly<Record<string, unknown>>): string {
  let text = "";
  for (const key of Object.keys(members).sort()) {
    const member = members[key];
    if (member !== undefined) text += `${text === "" ? "" : ","}${quoted(key)}:${canonical(member)}`;
  }
  return `{${text}}`;
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
