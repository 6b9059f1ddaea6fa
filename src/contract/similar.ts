/** Letters of Greek and Cyrillic that are drawn as Latin ones, by the confusable characters of UTS #39 (section 4), without case. */
const FOREIGN = "αaаaсcԁdеeɡgһhіiјjκkԛqοoоoρpрpѕsυuνvԝwхxуyӏlүyѡwοo";
const LATIN: ReadonlyMap<string, string> = new Map(
  Array.from({ length: FOREIGN.length / 2 }, (_, i) => [FOREIGN[2 * i] ?? "", FOREIGN[2 * i + 1] ?? ""]),
);

/**
 * Names that a person, or a model, would take for one another. Names given here are plain ASCII: of the confusable characters those that
 * stand in `NAME_PATTERN`, and `vv` for `w`. Names of persons and callers are their issuers', and may have letters of other alphabets.
 */
export function areSimilar(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase() || drawn(a) === drawn(b);
}

/** Returns the name as it looks, without case: `I`, `l` and `1` are one stroke, and `i` has its dot. Character by character. */
function drawn(name: string): string {
  return inLatin(name).replaceAll(/[I1]/g, "l").replaceAll("0", "o").replaceAll("m", "rn").replaceAll(/[wW]/g, "vv").toLowerCase();
}

function inLatin(name: string): string {
  // ASCII, as nearly every name is.
  if (/^[\u0000-\u007f]*$/.test(name)) return name;
  return Array.from(name.normalize("NFKC"), (letter) => LATIN.get(letter.toLowerCase()) ?? letter).join("");
}

/** One form for all names that either comparison takes for one. */
export function coarseForm(name: string): string {
  return drawn(name.toLowerCase()).replaceAll("i", "l");
}
