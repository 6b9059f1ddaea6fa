/** Answers of tools, taken apart where they were found: values with their places, and no text. */
import { RETURNED, type Returned } from "../contract/index.js";
import { pathOf, pathsIn } from "./file_paths.js";
import { readings, valuesIn, TEXT_MAX, type TypedValue } from "./values.js";

/** Members of an answer that are walked. */
const NODES_MAX = 20_000;
const DEPTH_MAX = 32;
/** Place of the files that are named in an answer which is a text, or a list of texts. Those in a member are at that member's. */
const FILES = "files";
/** Between two words: spaces, and marks that nobody sees. Two that names are written with (U+200C, U+200D) aren't among them. */
const UNSEEN = String.raw`(?![\u200c\u200d])[\s\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\p{Cf}]`;
const LETTER = String.raw`[\p{L}\p{M}]`;
/** Marks that join words into one. Those of paths, links and versions aren't among them. */
const JOIN = String.raw`(?:%20|&nbsp;|[^\p{L}\p{M}\p{N}\s.\/\\:@?&=#])+`;
/** The same with those of links and times, of what is neither. */
const WIDE_JOIN = String.raw`(?:%20|&nbsp;|[^\p{L}\p{M}\p{N}\s.\/\\@])+`;
/** Two words, or five that are joined into one, or a few in a script that has no spaces. Each is looked for from its beginning only: an answer may be one long word. */
const wordsWith = (join: string): RegExp =>
  new RegExp(
    [
      String.raw`\S(?:${UNSEEN})+\S`,
      `(?<!${LETTER})(?:${LETTER}{2,}${join}){4}${LETTER}{2}`,
      String.raw`[\p{sc=Han}\p{sc=Hira}\p{sc=Kana}\p{sc=Thai}\p{sc=Lao}\p{sc=Khmr}\p{sc=Mymr}]{4}`,
    ].join("|"),
    "u",
  );
const WORDS = wordsWith(JOIN);
const WIDE_WORDS = wordsWith(WIDE_JOIN);
const LINK = /:\/\//u;

/**
 * Returns what is reported of an answer as `returned` of an outcome. A text that is JSON is read as such: what a record holds can't
 * leave its field.
 * @param answer a tool's result: parsed JSON, or a text
 * @example
 * import assert from "node:assert/strict";
 * import { returnedOf } from "@remit-pdp/flow";
 *
 * const { paths } = returnedOf([{ sender: "ada@example.com" }]);
 * assert.equal(paths[0]?.path, "[].sender");
 * assert.deepEqual(paths[0]?.values[0], { kind: "email", value: "ada@example.com", record: 1 });
 */
export function returnedOf(answer: unknown): Returned {
  const walk = new Walk();
  walk.take(typeof answer === "string" ? (json(answer) ?? answer) : answer, "", 0, 0);
  return walk.report();
}

function json(text: string): unknown {
  if (!/^\s*[[{]/.test(text)) return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** @param isField it may be one path as a whole, whose names have spaces */
function filesIn(text: string, isField: boolean): ReturnType<typeof pathsIn> {
  const whole = isField ? pathOf(text) : null;
  const { paths, isWhole } = whole !== null && !/\s/.test(text.trim()) ? { paths: [], isWhole: true } : pathsIn(text);
  return { paths: [...new Set([...(whole === null ? [] : [whole]), ...paths])], isWhole };
}

class Walk {
  readonly #paths = new Map<string, Returned["paths"][number]>();
  #count = 0;
  readonly #seen = new Set<string>();
  #full = false;
  #nodes = 0;
  #records = 0;
  /** Paths of files in texts. They come last: what they leave no room for is more than they are. */
  readonly #files: (ReturnType<typeof pathsIn> & { place: string; record: number })[] = [];

  report(): Returned {
    this.#addFiles();
    return { paths: [...this.#paths.values()], ...(this.#full && { full: true as const }) };
  }

  take(value: unknown, path: string, record: number, depth: number): void {
    if (++this.#nodes > NODES_MAX || depth > DEPTH_MAX) {
      this.#full = true;
      return;
    }
    if (Array.isArray(value)) for (const item of value as unknown[]) this.take(item, `${path}[]`, record, depth + 1);
    else if (typeof value === "object" && value !== null) this.#members(value, path, depth);
    else if (typeof value === "string" || typeof value === "number") this.#leaf(value, path, record);
  }

  #members(value: object, path: string, depth: number): void {
    const record = ++this.#records;
    for (const [name, member] of Object.entries(value)) {
      const isName = /^[A-Za-z_][\w-]*$/.test(name);
      // `{"ada@example.com": "editor"}`: such a name is a value, too.
      // So is one that is a sentence: whoever reads the answer reads it, too.
      if (!isName || WORDS.test(name)) this.#leaf(name, `${path}{}`, record);
      this.take(member, isName ? (path === "" ? name : `${path}.${name}`) : `${path}{}`, record, depth + 1);
    }
  }

  #leaf(value: string | number, path: string, record: number): void {
    const whole = readings(value);
    const special = whole.filter(({ kind }) => kind !== "name");
    // As an argument, a link with spaces is one link; as an answer, it may be a text that begins with one.
    const isText = typeof value === "string" && special.every(({ kind }) => kind === "url" && WORDS.test(value));
    const place = this.#place(path, isText && (special.length > 0 || LINK.test(value) ? WORDS : WIDE_WORDS).test(value));
    if (place === null) return;
    for (const one of whole) this.#add(one, place, record, false);
    // A file's name may look like a host's: `notes.md`.
    if (typeof value === "string" && special.every(({ kind }) => kind === "url"))
      this.#files.push({ ...filesIn(value.slice(0, TEXT_MAX), path !== ""), place: /^(?:\[\])*$/.test(path) ? FILES : path, record });
    if (!isText) return;
    if (value.length > TEXT_MAX) this.#full = true;
    const inside = valuesIn(value, null);
    const of = (kind: string): number => inside.filter((other) => other.kind === kind).length;
    for (const one of inside) this.#add(one, place, record, of(one.kind) === 1);
  }

  /** Adds the paths in texts, as far as there is room: one that isn't reported was seen nowhere. */
  #addFiles(): void {
    for (const { place: path, paths, isWhole, record } of this.#files) {
      if (paths.length === 0 || (!this.#paths.has(path) && this.#paths.size === RETURNED.paths_max)) continue;
      const place = this.#place(path, false);
      if (place === null) continue;
      for (const value of paths) {
        if (this.#count === RETURNED.values_max || place.values.length === RETURNED.path_values_max) break;
        this.#add({ kind: "path", value }, place, record, isWhole && paths.length === 1);
      }
    }
  }

  #place(path: string, text: boolean): Returned["paths"][number] | null {
    const key = path.slice(0, RETURNED.path_length_max);
    let place = this.#paths.get(key);
    if (place === undefined && this.#paths.size === RETURNED.paths_max) {
      this.#full = true;
      return null;
    }
    if (place === undefined) this.#paths.set(key, (place = { path: key, text, values: [] }));
    else place.text ||= text;
    return place;
  }

  #add({ kind, value }: TypedValue, { path, values }: Returned["paths"][number], record: number, alone: boolean): void {
    const key = `${kind} ${path} ${record} ${value}`;
    if (value.length > RETURNED.length_max || this.#seen.has(key)) return;
    if (this.#count === RETURNED.values_max || values.length === RETURNED.path_values_max) {
      this.#full = true;
      return;
    }
    this.#seen.add(key);
    this.#count++;
    values.push({ kind, value, record, ...(alone && { alone: true as const }) });
  }
}
