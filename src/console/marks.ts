/** Text that others wrote, in parts that can be shown: what can't be seen is named, so that two names that differ look different. */

export interface TextPart {
  text: string;
  /** True: a mark in place of a character that can't be seen. */
  isMark: boolean;
}

/** Characters that a reader can't see, or that move others: controls, formats, halves of pairs, separators, fillers, spaces other than U+0020. */
const UNSEEN =
  /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Co}\p{Cn}\p{Default_Ignorable_Code_Point}\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000\u2800\u3164\uffa0]/u;
const LENGTH_MAX = 400;

/** Returns a text in parts, clipped to what a reader takes in. */
export function partsOf(text: string, max = LENGTH_MAX): TextPart[] {
  const parts: TextPart[] = [];
  const shown = text.length > max ? text.slice(0, max) : text;
  if (shown.length === text.length && !UNSEEN.test(text)) return [{ text, isMark: false }];
  let plain = "";
  for (const character of shown) {
    if (!UNSEEN.test(character)) {
      plain += character;
      continue;
    }
    if (plain !== "") parts.push({ text: plain, isMark: false });
    plain = "";
    parts.push({ text: `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}`, isMark: true });
  }
  if (plain !== "") parts.push({ text: plain, isMark: false });
  if (shown.length < text.length) parts.push({ text: `… ${text.length - shown.length} more characters`, isMark: true });
  return parts;
}
