/** Characters that a reader of text doesn't see: they hide words, turn them round, move a cursor, or make two names look like one. */

const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;

/**
 * Returns a text in which each character that isn't seen is U+FFFD, line breaks too: it stays on its line.
 * @example
 * import assert from "node:assert/strict";
 * import { visible } from "@remit-pdp/contract";
 *
 * assert.equal(visible("paid\u202e"), "paid\ufffd");
 */
export function visible(text: string): string {
  return text.replace(UNSEEN, "\u{fffd}");
}

/**
 * Returns a text in which each character that isn't seen is escaped as JSON escapes it (RFC 8259, section 7).
 * @example
 * import assert from "node:assert/strict";
 * import { escapeUnseen } from "@remit-pdp/contract";
 *
 * assert.equal(escapeUnseen("paid\u202e"), String.raw`paid\u202e`);
 */
export function escapeUnseen(text: string): string {
  const escaped = (unit: string): string => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return text.replace(UNSEEN, (found) => found.split("").map(escaped).join(""));
}

/**
 * Returns a value as JSON on one line, in which each character that isn't seen is escaped: it is read back as it was.
 * @example
 * import assert from "node:assert/strict";
 * import { visibleJson } from "@remit-pdp/contract";
 *
 * assert.equal(visibleJson({ name: "\u202e" }), String.raw`{"name":"\u202e"}`);
 */
export function visibleJson(value: unknown): string {
  return escapeUnseen(JSON.stringify(value));
}
