/**
 * `regex.*` that the engine lacks, by RE2's own algorithm as Go has it: no pattern takes exponential time. Fuel pays for the size of a pattern, and
 * for each search the most that it may look at.
 */
import { createRequire } from "node:module";
import type * as Re2 from "re2js";
import { integerOf, ofStrings, type Builtin, type Spend } from "./function.js";

const require = createRequire(import.meta.url);
/** Loads the library at its first use: most policies have no such call. */
const library = (): typeof Re2 => require("re2js") as typeof Re2;

/** Units for what a pattern becomes: per character, with the repetitions of all its counts, and per class of characters. */
const COMPILED_COST = 1_500;
const CLASS_COST = 100_000;
/** Units for each character of a text, and each of what a pattern becomes. */
const SEARCH_COST = 60;
/** Units for a match, beside what was looked at for it, and for each character of a replacement with references. */
const MATCH_COST = 5_000;
const REFERENCE_COST = 100;

interface PatternMatch {
  start: number;
  end: number;
  /** Whole match and its groups; null: no part of it. */
  groups: (string | null)[];
}

class Pattern {
  readonly #expression: Re2.RE2JS;
  readonly #size: number;
  /** Characters that a match has at most; Infinity if none bounds them. */
  readonly #longest: number;
  readonly #spend: Spend;

  private constructor(expression: Re2.RE2JS, size: number, longest: number, spend: Spend) {
    this.#expression = expression;
    this.#size = size;
    this.#longest = longest;
    this.#spend = spend;
  }

  /** Returns null for what is no expression. @throws RangeError without fuel, or if two groups have one name */
  static of(text: string, spend: Spend): Pattern | null {
    const counts = Array.from(text.matchAll(/\{(\d+)(?:,(\d*))?\}/g), ([, least, most]) => Math.max(Number(least) + 1, Number(most ?? 0)));
    const size = counts.reduce((product, count) => product * count, text.length + 1);
    spend(size * COMPILED_COST + (text.match(/\[|\\[pP]|\\[dDsSwW]/g) ?? []).length * CLASS_COST);
    const names = Array.from(text.matchAll(/\(\?P?<([^>]*)>/g), ([, name]) => name);
    // Go takes such a pattern, and the library doesn't.
    if (new Set(names).size < names.length) throw new RangeError("two groups of a pattern have one name");
    const { RE2JS, RE2JSException } = library();
    try {
      return new Pattern(RE2JS.compile(text), size, /[*+]|\{\d+,\}/.test(text) ? Infinity : size, spend);
    } catch (thrown) {
      if (thrown instanceof RE2JSException) return null;
      throw thrown;
    }
  }

  matches(text: string): boolean {
    this.#spend((text.length + 1) * this.#size * SEARCH_COST);
    return this.#expression.matcher(text).find();
  }

  /** Matches as Go's `FindAll` has them, at most `max`: an empty one right behind another does not count. */
  all(text: string, max: number): PatternMatch[] {
    const found: PatternMatch[] = [];
    const matcher = this.#expression.matcher(text);
    if (this.#longest < Infinity) this.#spend((text.length + 1) * (this.#longest + 1) * SEARCH_COST);
    for (let [at, last] = [0, -1]; found.length < max && at <= text.length;) {
      // What no bound holds may look at all the rest, each time.
      if (this.#longest === Infinity) this.#spend((text.length - at + 1) * this.#size * SEARCH_COST);
      this.#spend(MATCH_COST);
      if (!matcher.find(at)) break;
      const [start, end] = [matcher.start(), matcher.end()];
      const isEmptyBehind = end === at && start === last;
      at = end === at ? at + ((text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1) : end;
      last = end;
      if (!isEmptyBehind) {
        const groups = Array.from({ length: matcher.groupCount() + 1 }, (_, i) => matcher.group(i));
        found.push({ start, end, groups });
      }
    }
    return found;
  }

  get names(): Readonly<Record<string, number>> {
    return this.#expression.namedGroups();
  }
}

/** `$1`, `${name}` and `$$` of a replacement, as Go's `Expand` reads them. */
const REFERENCE = /\$(?:(\$)|\{([\p{L}\p{Nd}_]+)\}|([\p{L}\p{Nd}_]+))/gu;
const GROUP_NUMBER = /^(?:0|[1-9]\d{0,8})$/;

function expanded(template: string, { groups }: PatternMatch, names: Readonly<Record<string, number>>): string {
  return template.replace(REFERENCE, (_, dollar?: string, braced?: string, plain?: string) => {
    if (dollar !== undefined) return dollar;
    const name = braced ?? plain ?? "";
    const group = GROUP_NUMBER.test(name) ? Number(name) : Object.hasOwn(names, name) ? names[name] : undefined;
    return groups[group ?? -1] ?? "";
  });
}

function replaced([text = "", pattern = "", template = ""]: readonly string[], spend: Spend): string | undefined {
  const compiled = Pattern.of(pattern, spend);
  if (compiled === null) return undefined;
  const { names } = compiled;
  let [result, last] = ["", 0];
  for (const one of compiled.all(text, Infinity)) {
    spend(template.length * (template.includes("$") ? REFERENCE_COST : 1));
    const put = expanded(template, one, names);
    spend(put.length);
    result += text.slice(last, one.start) + put;
    last = one.end;
  }
  return result + text.slice(last);
}

/** The expression of a template whose delimited parts are expressions themselves; null if delimiters do not match, or a part is invalid. */
function ofTemplate(template: string, start: string, end: string, spend: Spend): string | null {
  let [level, from, last, expression] = [0, 0, 0, "^"];
  for (const [i, character] of template.split("").entries()) {
    if (character === start) {
      if (++level === 1) from = i;
    } else if (character === end && --level <= 0) {
      if (level < 0) return null;
      const part = template.slice(from + 1, i);
      if (Pattern.of(`^${part}$`, spend) === null) return null;
      expression += `${quoted(template.slice(last, from))}(${part})`;
      last = i + 1;
    }
  }
  return level === 0 ? `${expression}${quoted(template.slice(last))}$` : null;
}

const quoted = (text: string): string => text.replace(/[\\.+*?()|[\]{}^$]/g, "\\$&");
const isDelimiter = (text: string): boolean => /^[\0-\x7f]$/.test(text);

export const EXPRESSIONS: Readonly<Record<string, Builtin>> = {
  "regex.find_n": ([pattern, text, count], spend) => {
    const n = integerOf(count);
    if (typeof pattern !== "string" || typeof text !== "string" || n === null) return undefined;
    return Pattern.of(pattern, spend)
      ?.all(text, n < 0n ? Infinity : Number(n))
      .map(({ start, end }) => text.slice(start, end));
  },
  "regex.replace": ofStrings(replaced),
  "regex.template_match": ofStrings(([template = "", text = "", start = "", end = ""], spend) => {
    if (!isDelimiter(start) || !isDelimiter(end)) return undefined;
    const expression = ofTemplate(template, start, end, spend);
    return expression === null ? undefined : Pattern.of(expression, spend)?.matches(text);
  }),
};
