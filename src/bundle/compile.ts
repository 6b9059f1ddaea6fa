/** A policy set's folder → what it says, or every mistake in it. */
import { existsSync, readdirSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import type { Catalogue, Entry, Purpose, Vocabulary } from "../contract/index.js";
import { compilePurposes } from "./purposes.js";
import { Sheet, SourceErrors, type SourceNote } from "./source.js";
import { compileVocabulary } from "./vocabulary.js";

export interface PolicySet {
  /** The folder's name, and the bundle's. */
  name: string;
  dir: string;
  vocabulary: Vocabulary;
  purposes: Record<string, Purpose>;
  /** Reasons by the purposes' own codes; rules in Rego add theirs. */
  catalogue: Catalogue;
  /** Line of each entry in `purposes.yaml`. */
  lines: ReadonlyMap<Entry, number>;
  /** IANA names of the zones that hours are in. */
  zones: string[];
  /** Relative to the folder, sorted. */
  rego: string[];
  tests: string[];
  tables: string[];
  /** Warnings and remarks: nothing that stops a build. */
  notes: SourceNote[];
}

/**
 * Reads `vocabulary.yaml` and `purposes.yaml`, and finds the rules, tests and tables beside them.
 * @throws SourceErrors with every error in both files
 */
export function compilePolicySet(folder: string): PolicySet {
  const dir = resolve(folder);
  const sheets = ["vocabulary.yaml", "purposes.yaml"].map((file) => openSheet(dir, file));
  const [words, lines] = sheets as [Sheet, Sheet];
  const vocabulary = compileVocabulary(words);
  // Each word of the purposes would be unknown to a vocabulary that can't be read.
  if (!words.isReadable) throw new SourceErrors([...words.notes, ...lines.notes]);
  const { purposes, catalogue, lines: places } = compilePurposes(lines, vocabulary);
  const notes = sheets.flatMap((sheet) => sheet.notes);
  if (notes.some(({ severity }) => severity === "error")) throw new SourceErrors(notes);
  const rego = regoFiles(dir);
  const zones = Object.values(purposes).flatMap(({ hours }) => (hours === null ? [] : [hours.zone]));
  return {
    name: basename(dir),
    dir,
    vocabulary,
    purposes,
    catalogue,
    lines: places,
    zones: [...new Set(zones)].sort(),
    rego: rego.filter((file) => !file.endsWith("_test.rego")),
    tests: rego.filter((file) => file.endsWith("_test.rego")),
    tables: list(dir, "tables", ".yaml"),
    notes,
  };
}

/** A set's rules and their tests, relative to its folder, sorted. */
export function regoFiles(folder: string): string[] {
  return list(resolve(folder), "", ".rego");
}

function openSheet(dir: string, file: string): Sheet {
  const path = join(dir, file);
  if (existsSync(path)) return Sheet.open(file, path);
  const hint = "a policy set is a folder with vocabulary.yaml and purposes.yaml; `remit init` makes one";
  throw new SourceErrors([{ severity: "error", file, line: null, message: "the file is missing", hint }]);
}

function list(dir: string, folder: string, ending: string): string[] {
  const at = join(dir, folder);
  if (!existsSync(at)) return [];
  return readdirSync(at, { withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(ending))
    .map((entry) => (folder === "" ? entry.name : `${folder}/${entry.name}`))
    .sort();
}
