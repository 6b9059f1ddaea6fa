/**
 * Names that a person, or a model, would take for one another. Names are plain ASCII, so the table is short: of the confusable
 * characters of UTS #39 (section 4), those that stand in `NAME_PATTERN`, and `vv` for `w`.
 */
export function areSimilar(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase() || drawn(a) === drawn(b);
}

/** Returns the name as it looks, without case: `I`, `l` and `1` are one stroke, and `i` has its dot. Character by character. */
function drawn(name: string): string {
  return name.replaceAll(/[I1]/g, "l").replaceAll("0", "o").replaceAll("m", "rn").replaceAll(/[wW]/g, "vv").toLowerCase();
}

/** One form for all names that either comparison takes for one. */
export function coarseForm(name: string): string {
  return drawn(name.toLowerCase()).replaceAll("i", "l");
}
