/**
 * Identifiers are canonical or refused, never repaired, so that no two readers can take one name for two things or two
 * names for one.
 */
const PRINTABLE_ASCII = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/;

// Controls, format characters (bidirectional ones among them), private use, surrogates, line and paragraph separators,
// and what no one can see.
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u;

/**
 * Returns true for an id in NFC (UAX #15), visible, without white space at its ends. Its length is bounded by the schema.
 * @example
 * import assert from "node:assert/strict";
 * import { isCanonicalId } from "@remit-pdp/contract";
 *
 * assert.equal(isCanonicalId("I-9"), true);
 * assert.equal(isCanonicalId(" I-9"), false);
 */
export function isCanonicalId(id: string): boolean {
  if (PRINTABLE_ASCII.test(id)) return true;
  return id !== "" && id === id.trim() && !INVISIBLE.test(id) && id.normalize("NFC") === id;
}

/** Characters that look like a slash, and become one if characters are mapped to the nearest of another set. */
const LIKE_SLASHES = /[\u2044\u2215\u29f5\u29f8]/;

/**
 * Returns true for an id that is a path in its only spelling: `/`, or `/`-separated segments, one leading slash allowed, none of them empty, `.` or
 * `..`, nor with white space around it or a dot at its end, which some file systems drop; nothing percent-encoded, no backslash, and no `?` or `#`,
 * where a URL's reader would stop. The same must hold after a mapping of compatible characters (NFKC, UAX #15), such as full-width dots and slashes.
 * @example
 * import assert from "node:assert/strict";
 * import { isCanonicalPath } from "@remit-pdp/contract";
 *
 * assert.equal(isCanonicalPath("reports/2027/q1.pdf"), true);
 * assert.equal(isCanonicalPath("reports/../keys.pem"), false);
 */
export function isCanonicalPath(id: string): boolean {
  if (!isCanonicalId(id) || !hasPlainSegments(id)) return false;
  if (PRINTABLE_ASCII.test(id)) return true;
  const compatible = id.normalize("NFKC");
  return hasPlainSegments(compatible) && compatible.split("/").length === id.split("/").length && !LIKE_SLASHES.test(id);
}

function hasPlainSegments(id: string): boolean {
  if (/%[0-9A-Fa-f]{2}|[\\?#]/.test(id)) return false;
  if (id === "/") return true;
  const path = id.startsWith("/") ? id.slice(1) : id;
  return path.split("/").every((segment) => !/^$|^\s|[\s.]$/.test(segment));
}
