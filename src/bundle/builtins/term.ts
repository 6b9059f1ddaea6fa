/** Values of Rego as text: JSON, and sets, objects whose keys are any value, and integers of any size. */

export type RegoTerm = null | boolean | number | bigint | string | RegoTerm[] | TermSet | Map<RegoTerm, RegoTerm>;

export class TermSet {
  constructor(readonly items: readonly RegoTerm[]) {}
}

/** Reads what `opa_value_dump` writes. @throws SyntaxError */
export function readTerm(text: string): RegoTerm {
  const reader = new TermReader(text);
  const term = reader.term();
  reader.end();
  return term;
}

class TermReader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  term(): RegoTerm {
    this.#space();
    const first = this.#text[this.#at];
    if (first === '"') return this.#string();
    if (first === "[") return this.#list("[", "]");
    if (first === "{") return this.#braces();
    if (this.#isNext("set()")) return new TermSet([]);
    for (const [word, value] of WORDS) if (this.#isNext(word)) return value;
    return this.#number();
  }

  end(): void {
    this.#space();
    if (this.#at !== this.#text.length) throw new SyntaxError("more than one value");
  }

  #list(open: string, close: string): RegoTerm[] {
    this.#expect(open);
    const items: RegoTerm[] = [];
    this.#space();
    while (!this.#isNext(close)) {
      if (items.length > 0) this.#expect(",");
      items.push(this.term());
      this.#space();
    }
    return items;
  }

  #braces(): RegoTerm {
    this.#expect("{");
    this.#space();
    if (this.#isNext("}")) return new Map();
    const first = this.term();
    this.#space();
    if (!this.#isNext(":")) return new TermSet([first, ...this.#rest(() => this.term())]);
    const entry = (key: RegoTerm): [RegoTerm, RegoTerm] => [key, this.term()];
    const begun = entry(first);
    const more = this.#rest(() => {
      const key = this.term();
      this.#space();
      this.#expect(":");
      return entry(key);
    });
    return new Map([begun, ...more]);
  }

  #rest<T>(read: () => T): T[] {
    const items: T[] = [];
    this.#space();
    while (!this.#isNext("}")) {
      this.#expect(",");
      items.push(read());
      this.#space();
    }
    return items;
  }

  #string(): string {
    const from = this.#at++;
    for (; this.#text[this.#at] !== '"'; this.#at++) {
      if (this.#at >= this.#text.length) throw new SyntaxError("a string without end");
      if (this.#text[this.#at] === "\\") this.#at++;
    }
    return JSON.parse(this.#text.slice(from, ++this.#at)) as string;
  }

  #number(): number | bigint {
    NUMBER.lastIndex = this.#at;
    const [text] = NUMBER.exec(this.#text) ?? [];
    if (text === undefined) throw new SyntaxError("no value");
    this.#at += text.length;
    const number = Number(text);
    return /^-?\d+$/.test(text) && !Number.isSafeInteger(number) ? BigInt(text) : number;
  }

  #space(): void {
    while (/\s/.test(this.#text[this.#at] ?? "")) this.#at++;
  }

  #isNext(text: string): boolean {
    if (!this.#text.startsWith(text, this.#at)) return false;
    this.#at += text.length;
    return true;
  }

  #expect(text: string): void {
    if (!this.#isNext(text)) throw new SyntaxError(`no ${text}`);
  }
}

const WORDS: readonly [word: string, value: RegoTerm][] = [
  ["null", null],
  ["true", true],
  ["false", false],
];
const NUMBER = /-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y;

/** Writes a value as `opa_value_parse` reads it; equal values have equal texts. */
export function termText(term: RegoTerm): string {
  if (typeof term === "bigint") return String(term);
  if (Array.isArray(term)) return `[${term.map(termText).join(",")}]`;
  if (term instanceof TermSet) return term.items.length === 0 ? "set()" : `{${[...new Set(term.items.map(termText))].sort().join(",")}}`;
  if (term instanceof Map)
    return `{${[...term]
      .map(([key, value]) => `${termText(key)}:${termText(value)}`)
      .sort()
      .join(",")}}`;
  return JSON.stringify(term);
}

export function areEqual(a: RegoTerm, b: RegoTerm): boolean {
  return termText(a) === termText(b);
}
