/** Characters for the strings that fast-check draws. */
import fc from "fast-check";

const SURROGATES = { first: 0xd800, count: 0x800 };
const LAST = 0x10ffff;

/**
 * Any character of Unicode. Draws what fast-check's own unit `binary` does, which first puts all of the million into a map: a second, in every
 * process that draws one.
 */
export const CHARACTER = fc.nat(LAST - SURROGATES.count).map(
  (n) => String.fromCodePoint(n < SURROGATES.first ? n : n + SURROGATES.count),
  // With it strings may be well-known ones too, such as `__proto__`.
  (drawn) => {
    const [character = "", ...others] = typeof drawn === "string" ? drawn : "";
    const point = character.codePointAt(0);
    if (point === undefined || others.length > 0 || !character.isWellFormed()) throw new Error("not a character");
    return point < SURROGATES.first ? point : point - SURROGATES.count;
  },
);
