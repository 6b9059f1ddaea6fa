/** Edits of a text, by their places in it. */

/** Replacement of the text between two offsets, the second exclusive. */
export interface Edit {
  from: number;
  to: number;
  text: string;
}

/** The layout isn't one that can be edited without guessing. */
export class LayoutUnclear extends Error {
  override readonly name = "LayoutUnclear";
}

/**
 * Returns the text with all edits made.
 * @throws LayoutUnclear if two of them meet
 */
export function applied(text: string, edits: readonly Edit[]): string {
  let at = 0;
  const parts: string[] = [];
  for (const { from, to, text: part } of [...edits].sort((a, b) => a.from - b.from)) {
    if (from < at) throw new LayoutUnclear("two changes meet");
    parts.push(text.slice(at, from), part);
    at = to;
  }
  return [...parts, text.slice(at)].join("");
}
