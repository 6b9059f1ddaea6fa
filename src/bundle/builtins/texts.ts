/** Builtins on strings. OPA's are bytes of UTF-8 where ours are UTF-16: what is counted is counted in code points. */
import { integerOf, membersOf, ofStrings, type Builtin } from "./function.js";
import type { RegoTerm } from "./term.js";

function anyMatch(match: (text: string, part: string) => boolean): Builtin {
  return ([texts, parts], spend) => {
    const [a, b] = [texts, parts].map((term) => (typeof term === "string" ? [term] : membersOf(term)));
    if (!isTexts(a) || !isTexts(b)) return undefined;
    spend(a.length * b.length);
    return a.some((text) => b.some((part) => match(text, part)));
  };
}

function isTexts(terms: readonly RegoTerm[] | null | undefined): terms is readonly string[] {
  return Array.isArray(terms) && terms.every((term) => typeof term === "string");
}

const points = (text: string): string[] => Array.from(text);
const length = (text: string): number => points(text).length;

export const TEXTS: Readonly<Record<string, Builtin>> = {
  "strings.any_prefix_match": anyMatch((text, part) => text.startsWith(part)),
  "strings.any_suffix_match": anyMatch((text, part) => text.endsWith(part)),
  "strings.count": ofStrings(([text = "", part = ""]) => (part === "" ? length(text) + 1 : text.split(part).length - 1)),
  "strings.split_n": ([text, delimiter, count]) => {
    const n = integerOf(count);
    if (typeof text !== "string" || typeof delimiter !== "string" || n === null) return undefined;
    const parts = delimiter === "" ? points(text) : text.split(delimiter);
    return n >= 0n ? parts.slice(0, Number(n)) : parts.slice(Math.max(parts.length + Number(n), 0));
  },
  indexof_n: ofStrings(([text = "", part = ""], spend) => {
    if (part === "") return undefined;
    const found: number[] = [];
    let [before, counted] = [0, 0];
    for (let at = text.indexOf(part); at >= 0; at = text.indexOf(part, at + 1)) {
      spend(part.length);
      before += length(text.slice(counted, at));
      counted = at;
      found.push(before);
    }
    return found;
  }),
  "glob.quote_meta": ofStrings(([pattern = ""]) => pattern.replace(/[*?\\[\]{}]/g, "\\$&")),
};
