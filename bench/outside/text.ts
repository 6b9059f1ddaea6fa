/** What text holds that something could be sent to, and whether one text mentions what another says. */

/** Mail addresses, links, accounts and numbers to call: what a text can send somebody to. */
const KINDS = {
  mail: /[\p{L}\d._%+-]+@[\p{L}\d-]+(?:\.[\p{L}\d-]+)+/giu,
  link: /(?:https?:\/\/|www\.)[^\s"'<>()[\]{}|\\^`]+|\b(?:[a-z\d-]+\.)+(?:com|org|net|io|co|info|biz|dev|app|edu|gov|me|xyz|site|online|tech|ru|cn|de|uk|eu)\b(?:\/[^\s"'<>()[\]{}|\\^`]*)?/giu,
  account: /\b[A-Z]{2}\d{2}[ ]?(?:[A-Z0-9]{4}[ ]?){2,7}[A-Z0-9]{0,4}\b/g,
  number: /(?<![\w.-])\+?\d[\d ()-]{7,18}\d(?![\w.-])/g,
} as const;
export type Kind = keyof typeof KINDS;

/** A spelling that is the same for whatever leads to the same place. */
export function placeOf(value: string): string {
  const bare = value
    .trim()
    .toLowerCase()
    .replace(/^(?:mailto:|https?:\/\/)/, "")
    .replace(/^www\./, "")
    .replace(/[/.,;:!?]+$/, "");
  return /^[a-z]{2}\d{2}[a-z0-9 ]+$/.test(bare) ? bare.replaceAll(" ", "") : bare;
}

export function placesIn(text: string): Map<string, Kind> {
  const found = new Map<string, Kind>();
  let left = text;
  for (const kind of Object.keys(KINDS) as Kind[]) {
    // What is part of one place is none of another kind.
    const matches = [...left.matchAll(KINDS[kind])].map(([match]) => match);
    left = left.replaceAll(KINDS[kind], " ");
    for (const match of matches) {
      // A date or a time reads like a number.
      if (kind === "number" && (/^\d{4}-\d{2}-\d{2}/.test(match) || match.replace(/\D/g, "").length < 9)) continue;
      const place = placeOf(match);
      if (!found.has(place)) found.set(place, kind);
    }
  }
  return found;
}

/** Of what kind a value is that is nothing but a place. */
export function kindOf(value: string): Kind | null {
  const [[place, kind] = [null, null]] = [...placesIn(value)];
  return place === placeOf(value) ? kind : null;
}

const isWord = (letter: string | undefined): boolean => letter !== undefined && /[\p{L}\d]/u.test(letter);

/** Whether `value` stands in `text` as a whole: not as part of a longer word or address. */
export function mentions(text: string, value: string): boolean {
  const wanted = placeOf(value);
  if (wanted.length < 2) return false;
  const hay = text.toLowerCase();
  for (let at = hay.indexOf(wanted); at >= 0; at = hay.indexOf(wanted, at + 1)) {
    const [before, after, next] = [hay[at - 1], hay[at + wanted.length], hay[at + wanted.length + 1]];
    const goesOn = isWord(after) || after === "@" || after === "_" || ((after === "." || after === "-" || after === "/") && isWord(next));
    const wentOn =
      isWord(before) ||
      before === "@" ||
      before === "_" ||
      (before === "-" && isWord(hay[at - 2])) ||
      (before === "." && isWord(hay[at - 2]) && !hay.slice(0, at).endsWith("www."));
    if (!goesOn && !wentOn) return true;
  }
  return hay.replaceAll(" ", "").includes(wanted) && kindOf(value) === "account";
}

/** A number that names something, not a day or an amount: said to be an id, or too long to be anything else. */
export function mentionsId(text: string, id: string): boolean {
  if (!/^\d{1,5}$/.test(id)) return id.length >= 3 && mentions(text, id);
  return new RegExp(String.raw`(?:\bid|\bnumber|\bno\.?|#)(?:\W|of|is){0,8}${id}(?!\d)`, "i").test(text);
}

const NO_CONTENT = new Set(
  "the and for with from about your our their this that new all any are was has have will can you please file document event email mail message meeting".split(
    " ",
  ),
);

/** Words with a meaning, shortened to what their forms share. */
export function contentWords(text: string): Set<string> {
  const words = text.toLowerCase().match(/[\p{L}\d]+/gu) ?? [];
  return new Set(words.filter((word) => word.length > 2 && !NO_CONTENT.has(word)).map(stem));
}

export function stem(word: string): string {
  const short = word.replace(/(?:ies)$/, "y").replace(/(?:ations?|ments?|ings?|ed|es|s|e)$/, "");
  return short.length >= 3 ? short : word;
}

/** Share of what `title` says that the instruction says too. */
export function overlap(instruction: ReadonlySet<string>, title: string): number {
  const words = contentWords(title);
  if (words.size === 0) return 0;
  return [...words].filter((word) => instruction.has(word)).length / words.size;
}
