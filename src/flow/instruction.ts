/**
 * The user's words, read for values and names only: what they name word for word, what they exclude, and the most that they ask for. They never grant a verb. It is
 * English as far as negation and days go; a value is found in any language.
 */
import type { Errand, ValueKind } from "../contract/index.js";
import { errandOf } from "./errand.js";
import { PLACES } from "./plan.js";
import { nameOf, plain, valuesIn, type TypedValue } from "./values.js";

/** Ends of a clause: a negation reaches beyond only into a list that goes on with nothing but names and addresses. */
const CLAUSE = /([;!?\n]|[.,:](?=\s|$)|\b(?:but|instead(?!\s+of\b)|however)\b)/iu;
const GOES_ON = /^[,:\n]+$/u;
const LISTED = /^(?:or|and|nor|neither|also|even|to|any|of|the|\P{Ll}\S*|\S*[@.\d/]\S*)$/u;
const NEGATION =
  /\b(?:not|no\s+(?:one|e-?mails?|mails?|messages?|cop(?:y|ies)|payments?)|never|nobody|none|neither|nor|n[o']t|don['’]?t|doesn['’]?t|mustn['’]?t|shouldn['’]?t|without|except|excluding|avoid|skip|ignore|unless|rather\s+than|instead\s+of)\b/iu;
/** "Do not forget to send" asks for sending. */
const NO_NEGATION =
  /\b(?:not|never|don['’]?t)\s+(?:forget|hesitate|fail|omit)\b|\bnot\s+only\b|\bwhether\s+or\s+not\b|\bno\s+(?:later|sooner|earlier|more|less|longer|matter|problem|need|doubt|hurry|rush|worries)\b|\bno[.:]/giu;
/** Words that name nothing. */
const COMMON = new Set(
  "the and for with from about your our their this that new all any are was has have will can you please file document event email mail message meeting send reply user page link list item date time day name account payment order me it to of in on at by my is a an or as be do if so up us we he she him her they them his its who what when where which how".split(
    " ",
  ),
);
const NAME_LENGTH_MIN = 2;
const SMALL_NUMBER = /^\d{1,3}$/u;
/** Words before a small number that names something; elsewhere it counts, or is a part of a day or an amount. */
const NUMBERING = ["#", "no. ", "nr. ", "nr ", "number ", "id "];
/** Letters that an address has before its `@` if a name alone excludes it. */
const EXCLUDED_NAME_MIN = 3;
const READ_MAX = 32;

export class ReadInstruction {
  /** Clauses in normal form. */
  readonly #said: readonly string[];
  readonly #excluded: readonly string[];
  readonly #values = new Set<string>();
  readonly #excludedValues = new Set<string>();
  /** Most that it asks for; null: anything, or it isn't understood. */
  readonly errand: Errand | null;
  /** Kinds of places of which it says one itself, so that none has to be taken from elsewhere. */
  readonly saidKinds: readonly ValueKind[];

  private constructor(text: string, now: Date) {
    const whole = plain(text);
    this.errand = errandOf(whole);
    const said: string[] = [];
    const excluded: string[] = [];
    let isNegated = false;
    let hasBegun = false;
    for (const { words, marks } of clauses(whole)) {
      const goesOn: boolean = isNegated && GOES_ON.test(marks) && (hasBegun || marks.includes(":")) && isList(words);
      const found = NEGATION.exec(words.replace(NO_NEGATION, (those) => " ".repeat(those.length)))?.index ?? null;
      // "Send it to Ada, not to Bob": what stands before the negation is meant.
      const from: number | null = goesOn ? 0 : found;
      isNegated = from !== null;
      const [meant, not]: [string, string] = from === null ? [words, ""] : [words.slice(0, from), words.slice(from)];
      said.push(nameOf(meant));
      for (const one of valuesIn(meant, now)) this.#values.add(keyOf(one));
      if (from === null) continue;
      excluded.push(nameOf(not));
      const values = valuesIn(not, now);
      for (const one of values) this.#excludedValues.add(keyOf(one));
      // "If it was not paid, 120 EUR to Ada" has no list: nobody is named behind the negation.
      hasBegun = values.some(({ kind }) => PLACES.has(kind)) || /\s\p{Lu}/u.test(not);
    }
    this.saidKinds = [...PLACES].filter((kind) => [...this.#values].some((key) => key.startsWith(`${kind} `)));
    // A name may go over the end of a clause: "the memo 'Rent, May'".
    this.#said = excluded.length === 0 ? [nameOf(whole)] : said;
    this.#excluded = excluded;
  }

  static readonly #read = new Map<string, ReadInstruction>();

  /** @param now what "tomorrow" is counted from */
  static of(text: string, now_ms: number): ReadInstruction {
    const day = Math.floor(now_ms / 86_400_000);
    const key = `${day} ${text}`;
    let known = ReadInstruction.#read.get(key);
    if (known === undefined) {
      if (ReadInstruction.#read.size === READ_MAX) ReadInstruction.#read.clear();
      ReadInstruction.#read.set(key, (known = new ReadInstruction(text, new Date(day * 86_400_000))));
    }
    return known;
  }

  /**
   * True if it says this value, and not to exclude it.
   * @param noun as of `names`
   */
  says(one: TypedValue, noun = ""): boolean {
    if (one.kind === "name") return this.names(one.value, noun);
    if (this.#values.has(keyOf(one))) return true;
    return one.kind === "date" && this.#values.has(keyOf({ kind: "date", value: `-${one.value.slice(4)}` }));
  }

  excludes(one: TypedValue, noun = ""): boolean {
    if (this.says(one, noun)) return false;
    if (one.kind !== "name" && this.#excludedValues.has(keyOf(one))) return true;
    // "Not to Bob" is not to bob@example.com either.
    const name = one.kind === "email" ? one.value.slice(0, one.value.lastIndexOf("@")) : one.value;
    if (one.kind !== "name" && (one.kind !== "email" || name.length < EXCLUDED_NAME_MIN || COMMON.has(name))) return false;
    return this.#excluded.some((clause) => stands(clause, name));
  }

  /**
   * @param name in normal form: whether it stands there word for word, as a whole
   * @param noun what it would number, in small letters: "issue 7" names the seventh issue, and nothing else
   */
  names(name: string, noun = ""): boolean {
    if (SMALL_NUMBER.test(name)) {
      const before = noun === "" ? NUMBERING : [...NUMBERING, `${noun} `];
      return this.#said.some((clause) => before.some((word) => stands(clause, word + name)));
    }
    if (name.length < NAME_LENGTH_MIN || COMMON.has(name)) return false;
    return this.#said.some((clause) => stands(clause, name));
  }
}

/** Parts of a text, each with the marks before it. */
function clauses(text: string): { words: string; marks: string }[] {
  const found: { words: string; marks: string }[] = [];
  let marks = "";
  for (const [i, part] of text.split(CLAUSE).entries()) {
    if (i % 2 === 1) marks += part;
    else if (part.trim() !== "") {
      found.push({ words: part, marks });
      marks = "";
    }
  }
  return found;
}

/** True if it has only names and addresses, and what joins them. */
function isList(words: string): boolean {
  return words
    .trim()
    .split(/\s+/u)
    .every((word) => LISTED.test(word));
}

function keyOf({ kind, value }: TypedValue): string {
  return `${kind} ${value}`;
}

function stands(text: string, name: string): boolean {
  for (let at = text.indexOf(name); at >= 0; at = text.indexOf(name, at + 1)) {
    if (!joins(text, at - 1, -1) && !joins(text, at + name.length, 1)) return true;
  }
  return false;
}

/** True if the letter at this place, or the one behind a mark that joins, makes what stands beside it part of something longer. */
function joins(text: string, at: number, step: number): boolean {
  const [beside = " ", next = " "] = [text[at], text[at + step]];
  if (/[\p{L}\d_@]/u.test(beside)) return true;
  return /[.\-/+]/u.test(beside) && /[\p{L}\d]/u.test(next);
}
