/** Reading what policy authors write: every mistake in a file is found in one go, with its line and what was meant. */
import { readFileSync } from "node:fs";
import { YamlError, readYaml, type YamlDocument } from "../system/yaml.js";
import { nearestWord } from "../contract/nearest.js";

export interface SourceNote {
  /** A remark is worth a look and never wrong. */
  severity: "error" | "warning" | "remark";
  /** Relative to the policy set. */
  file: string;
  /** From 1; null where the file as a whole is meant. */
  line: number | null;
  /** From 1, where it is known. */
  column?: number;
  message: string;
  hint: string | null;
  /** Lines of the other entries that a remark is about. */
  others?: number[];
}

/** Errors, then warnings, then one remark in the place of all of a file: there can be one for each pair of its entries. */
export function summarised(notes: readonly SourceNote[]): SourceNote[] {
  const [errors, warnings, remarks] = (["error", "warning", "remark"] as const).map((one) =>
    notes.filter(({ severity }) => severity === one),
  );
  const files = [...new Set((remarks ?? []).map(({ file }) => file))];
  const sums = files.map((file): SourceNote => {
    const own = (remarks ?? []).filter((note) => note.file === file);
    const pairs = own.reduce((sum, { others = [] }) => sum + others.length, 0);
    const lines = own.flatMap(({ line, others = [] }) => [...(line === null ? [] : [line]), ...others]);
    const message = `${pairs} ${pairs === 1 ? "pair" : "pairs"} of entries can both apply to one action, on lines ${lineRanges(lines)}`;
    return { severity: "remark", file, line: null, message, hint: "`remit build --remarks` lists them" };
  });
  return [...(errors ?? []), ...(warnings ?? []), ...sums];
}

/** `6, 9-12`: lines in order, each once. */
export function lineRanges(lines: readonly number[]): string {
  const ranges: [number, number][] = [];
  for (const line of [...new Set(lines)].sort((a, b) => a - b)) {
    const last = ranges.at(-1);
    if (last !== undefined && line === last[1] + 1) last[1] = line;
    else ranges.push([line, line]);
  }
  return ranges.map(([from, to]) => (from === to ? String(from) : `${from}-${to}`)).join(", ");
}

/** The sources are not acceptable. `notes` holds every error, and the warnings beside them. */
export class SourceErrors extends Error {
  override readonly name = "SourceErrors";

  constructor(readonly notes: SourceNote[]) {
    super(notes.map((note) => `${placeOf(note)}: ${note.message}`).join("\n"));
  }
}

/** `file:line:column`, as far as it is known. */
export function placeOf({ file, line, column }: SourceNote): string {
  return [file, line, line === null ? null : column].filter((part) => part !== null && part !== undefined).join(":");
}

export type Path = readonly (string | number)[];

/** Keys that other readers of YAML make booleans, or merge. */
const NOT_KEYS = new Set(["on", "off", "yes", "no", "y", "n", "true", "false", "null", "~", "<<"]);

/** One YAML file being read. Nothing here throws for what an author wrote: it is noted, and reading goes on. */
export class Sheet {
  readonly notes: SourceNote[] = [];
  readonly value: unknown;
  private readonly document: YamlDocument | null;

  constructor(
    readonly file: string,
    text: string | Uint8Array,
  ) {
    let document: YamlDocument | null = null;
    try {
      document = readYaml(text, file);
    } catch (cause) {
      if (!(cause instanceof YamlError)) throw cause;
      this.notes.push({ severity: "error", file, line: cause.line, message: cause.problem, hint: cause.hint });
    }
    this.document = document;
    this.value = document?.value;
    this.refuseKeys(this.value, []);
  }

  static open(file: string, absolute: string): Sheet {
    return new Sheet(file, readFileSync(absolute));
  }

  get isReadable(): boolean {
    return this.document !== null;
  }

  line(path: Path): number | null {
    return this.document?.errorAt(path, "").line ?? null;
  }

  /** Returns true if a text stands there without quotes. */
  isPlain(path: Path): boolean {
    return this.document?.isPlain(path) ?? false;
  }

  /** Reports an error. A file that can't be read has only one: any other would only follow from it. */
  error(path: Path, message: string, hint: string | null = null): void {
    if (this.document === null) return;
    this.notes.push({ severity: "error", file: this.file, line: this.line(path), message, hint });
  }

  warn(path: Path, message: string, hint: string | null = null): void {
    this.notes.push({ severity: "warning", file: this.file, line: this.line(path), message, hint });
  }

  remark(path: Path, message: string, others: number[]): void {
    this.notes.push({ severity: "remark", file: this.file, line: this.line(path), message, hint: null, others });
  }

  /** An unknown word, and the known one that was most likely meant. */
  unknownWord(path: Path, what: string, word: string, known: Iterable<string>): void {
    const words = [...known];
    const meant = nearestWord(word, words);
    const list = words.length === 0 ? "there are none" : `known: ${words.slice(0, 24).join(", ")}`;
    this.error(path, `unknown ${what} \`${word}\``, meant === null ? list : `did you mean \`${meant}\`?`);
  }

  /** The members of a mapping; empty, and noted, where it is something else. */
  map(value: unknown, path: Path, what: string): [string, unknown][] {
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return Object.entries(value);
    this.error(path, `${what} must be a mapping`);
    return [];
  }

  /** A mapping of which every key is known. */
  fields(value: unknown, path: Path, what: string, known: readonly string[]): Record<string, unknown> {
    const members = this.map(value, path, what);
    for (const [key] of members) if (!known.includes(key)) this.unknownWord([...path, key], `key in ${what}`, key, known);
    return Object.fromEntries(members.filter(([key]) => known.includes(key)));
  }

  text(value: unknown, path: Path, what: string, max = 512): string | null {
    if (typeof value === "string" && value.trim() !== "" && value.length <= max) return value;
    this.error(path, value === undefined ? `${what} is missing` : `${what} must be a text of 1 to ${max} characters`);
    return null;
  }

  oneOf<T extends string>(value: unknown, path: Path, what: string, words: readonly T[]): T | null {
    const found = words.find((word) => word === value);
    if (found === undefined) {
      if (typeof value === "string") this.unknownWord(path, what, value, words);
      else this.error(path, `${what} must be one of ${words.join(", ")}`);
    }
    return found ?? null;
  }

  boolean(value: unknown, path: Path, what: string): boolean | null {
    if (typeof value === "boolean") return value;
    this.error(path, `${what} must be true or false`);
    return null;
  }

  integer(value: unknown, path: Path, what: string, min: number, max: number): number | null {
    if (typeof value === "number" && Number.isSafeInteger(value) && value >= min && value <= max) return value;
    this.error(path, `${what} must be a whole number from ${min} to ${max}`);
    return null;
  }

  /** A word or a list of words; one word is a list of one. */
  words(value: unknown, path: Path, what: string): string[] {
    const list: unknown[] = Array.isArray(value) ? value : [value];
    const words = list.filter((word): word is string => typeof word === "string");
    if (words.length !== list.length || words.length === 0) this.error(path, `${what} must be a word or a list of words`);
    return words;
  }

  private refuseKeys(value: unknown, path: Path): void {
    if (typeof value !== "object" || value === null) return;
    for (const [key, member] of Object.entries(value)) {
      if (!Array.isArray(value) && NOT_KEYS.has(key.toLowerCase())) {
        this.error([...path, key], `\`${key}\` cannot be a key`, "other readers of YAML take it for something else");
      }
      this.refuseKeys(member, [...path, Array.isArray(value) ? Number(key) : key]);
    }
  }
}
