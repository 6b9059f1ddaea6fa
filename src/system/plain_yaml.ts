/**
 * YAML as people and programs mostly write it: block mappings and lists whose values stand in one line, or JSON. Read many times
 * faster than by the library, which isn't even loaded for it. Whatever else a text holds, and whatever is wrong with one, is
 * left to the library: no value comes from here that the library wouldn't give. A test compares the two.
 */

const LEFT = Symbol("left to the library");

/** No tab, carriage return, byte order mark or half of a surrogate pair. */
const TEXT = /^[\n\x20-\x7e\u00a0-\u1fff\u2030-\ud7ff\ue000-\uefff]*$/;
const DEPTH_MAX = 32;
const KEY_LENGTH_MAX = 256;

const SPACES = / */y;
const SPACES_AND_LINES = /[ \n]*/y;
const COMMENT = /#.*/y;
const LINE_END = /(?: *| +#.*)$/my;
const DOUBLE_QUOTED = /"(?:[^"\\\n]|\\["\\/bfnrt])*"/y;
const SINGLE_QUOTED = /'(?:[^'\n]|'')*'/y;
const PLAIN_KEY = /[A-Za-z_](?:[\w.@/-]|:(?=[\w./@-]))*/y;
const PLAIN = /(?:[A-Za-z0-9_/\u00a1-\uefff]|-(?=\d))(?: *(?:[^ \n:#[\]{}]|:(?=[\w./@-])))*/y;
const PLAIN_IN_FLOW = /(?:[A-Za-z0-9_/\u00a1-\uefff]|-(?=\d))(?: *(?:[^ \n:#[\]{},]|:(?=[\w./@-])))*/y;

// The core schema (YAML 1.2.2, section 10.3.2), as far as a plain scalar can be read above.
const NULL = /^(?:[Nn]ull|NULL)$/;
const BOOLEAN = /^(?:[Tt]rue|TRUE|[Ff]alse|FALSE)$/;
const NUMBER = /^(?:-?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?|0o[0-7]+|0x[\da-fA-F]+)$/;
const SIMPLE_NUMBER = /^(?:0|-?[1-9]\d{0,14}|-?(?:0|[1-9]\d{0,8})\.\d{1,6})$/;

/** The value of a text; undefined where it is left to the library. */
export function readPlainYaml(text: string): unknown {
  if (!TEXT.test(text)) return undefined;
  try {
    return new Reader(text).document();
  } catch (thrown) {
    if (thrown === LEFT) return undefined;
    throw thrown;
  }
}

function leave(): never {
  // eslint-disable-next-line @typescript-eslint/only-throw-error -- no error: it is caught above, and needs no stack
  throw LEFT;
}

class Reader {
  readonly #text: string;
  #at = 0;
  /** Column at which the line says something; -1 at the end of the text. */
  #indent = -1;

  constructor(text: string) {
    this.#text = text;
  }

  document(): unknown {
    this.#nextLine();
    if (this.#indent !== 0) leave();
    const flow = this.#sees("{") || this.#sees("[");
    const value = flow ? this.#value(PLAIN_IN_FLOW, 0) : this.#block(0);
    this.#skip(SPACES_AND_LINES);
    return this.#at === this.#text.length ? value : leave();
  }

  /** What stands at the line's indentation, to the line that is indented less. */
  #block(depth: number): unknown {
    if (depth > DEPTH_MAX) leave();
    return this.#sees("- ") ? this.#list(depth) : this.#mapping(depth);
  }

  #list(depth: number): unknown[] {
    const indent = this.#indent;
    const items: unknown[] = [];
    while (this.#indent === indent && this.#sees("- ")) {
      this.#at += 2;
      if (this.#beginsMapping()) {
        this.#indent += 2;
        items.push(this.#mapping(depth + 1));
      } else items.push(this.#inLine(depth + 1));
    }
    return this.#indent > indent ? leave() : items;
  }

  #mapping(depth: number): Record<string, unknown> {
    const indent = this.#indent;
    const members: Record<string, unknown> = {};
    while (this.#indent === indent && !this.#sees("- ")) {
      const key = this.#key(members, false);
      if (this.#take(LINE_END) === null) {
        this.#skip(SPACES);
        members[key] = this.#inLine(depth + 1);
      } else {
        this.#nextLine();
        const below = this.#indent > indent || (this.#indent === indent && this.#sees("- "));
        members[key] = below ? this.#block(depth + 1) : null;
      }
    }
    return this.#indent > indent ? leave() : members;
  }

  #beginsMapping(): boolean {
    const begin = this.#at;
    const key = this.#quoted() ?? this.#take(PLAIN_KEY);
    const colon = this.#text[this.#at];
    const next = this.#text[this.#at + 1];
    this.#at = begin;
    return key !== null && colon === ":" && (next === " " || next === "\n" || next === undefined);
  }

  /** A value that ends with its line. */
  #inLine(depth: number): unknown {
    const begin = this.#at;
    const value = this.#value(PLAIN, depth);
    if (this.#take(LINE_END) === null || this.#text.slice(begin, this.#at).includes("\n")) leave();
    this.#nextLine();
    return value;
  }

  #value(plain: RegExp, depth: number): unknown {
    if (depth > DEPTH_MAX) leave();
    if (this.#sees("{")) return this.#flowMapping(depth);
    if (this.#sees("[")) return this.#flowList(depth);
    return this.#quoted() ?? scalar(this.#take(plain) ?? leave());
  }

  #flowMapping(depth: number): Record<string, unknown> {
    const members: Record<string, unknown> = {};
    this.#flow("}", () => {
      const key = this.#key(members, true);
      this.#skip(SPACES_AND_LINES);
      members[key] = this.#value(PLAIN_IN_FLOW, depth + 1);
    });
    return members;
  }

  #flowList(depth: number): unknown[] {
    const items: unknown[] = [];
    this.#flow("]", () => {
      items.push(this.#value(PLAIN_IN_FLOW, depth + 1));
    });
    return items;
  }

  #flow(end: string, readOne: () => void): void {
    this.#at++;
    this.#skip(SPACES_AND_LINES);
    if (this.#sees(end)) {
      this.#at++;
      return;
    }
    for (;;) {
      readOne();
      this.#skip(SPACES_AND_LINES);
      const next = this.#text[this.#at++];
      if (next === end) return;
      if (next !== ",") leave();
      this.#skip(SPACES_AND_LINES);
    }
  }

  /** A key that the mapping hasn't got yet, and its colon. */
  #key(members: object, inFlow: boolean): string {
    const quoted = this.#quoted();
    const key = quoted ?? this.#take(PLAIN_KEY) ?? leave();
    if (quoted === null && (NULL.test(key) || BOOLEAN.test(key))) leave();
    if (key.length > KEY_LENGTH_MAX || key === "__proto__" || key === "<<" || Object.hasOwn(members, key)) leave();
    if (this.#text[this.#at++] !== ":") leave();
    const next = this.#text[this.#at];
    const apart = next === " " || next === "\n" || next === undefined;
    return apart || (inFlow && quoted !== null) ? key : leave();
  }

  #quoted(): string | null {
    const double = this.#take(DOUBLE_QUOTED);
    if (double !== null) return JSON.parse(double) as string;
    return this.#take(SINGLE_QUOTED)?.slice(1, -1).replaceAll("''", "'") ?? null;
  }

  /** From the end of a line to where the next one says something. */
  #nextLine(): void {
    for (;;) {
      const indent = this.#take(SPACES)?.length ?? 0;
      this.#skip(COMMENT);
      if (this.#at === this.#text.length) this.#indent = -1;
      else if (this.#sees("\n")) {
        this.#at++;
        continue;
      } else this.#indent = indent;
      return;
    }
  }

  #sees(word: string): boolean {
    return this.#text.startsWith(word, this.#at);
  }

  #skip(pattern: RegExp): void {
    this.#take(pattern);
  }

  #take(pattern: RegExp): string | null {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text);
    if (found === null) return null;
    this.#at = pattern.lastIndex;
    return found[0];
  }
}

function scalar(text: string): unknown {
  if (NULL.test(text)) return null;
  if (BOOLEAN.test(text)) return text.toLowerCase() === "true";
  if (!NUMBER.test(text)) return text;
  return SIMPLE_NUMBER.test(text) ? Number(text) : leave();
}
