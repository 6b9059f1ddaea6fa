/** An entry of a grant, as purposes write theirs: `{read: invoice, about: other, when: {customer: bob}}`. */
import { pointerToken } from "../contract/index.js";
import type { Condition, Entry, Vocabulary } from "../contract/index.js";
import { compileWhen } from "./matchers.js";
import { Sheet, type Path } from "./source.js";
import { readAbout, readTargets, type VerbTarget } from "./targets.js";

export interface GrantEntry {
  targets: VerbTarget[];
  about: Entry["about"];
  when: Condition[];
}

/** @param more keys that stand beside those of an entry */
export function readGrantEntry(sheet: Sheet, value: unknown, path: Path, more: readonly string[], vocabulary: Vocabulary): GrantEntry {
  const verbs = Object.keys(vocabulary.verbs);
  const said = sheet.fields(value, path, "a grant", [...verbs, ...more, "about", "when"]);
  const targets = readTargets(sheet, said, path, "the grant", vocabulary);
  const about = readAbout(sheet, said["about"], [...path, "about"], targets, vocabulary);
  const types = [...new Set(targets.flatMap((target) => target.types))];
  return { targets, about, when: compileWhen({ sheet, types, vocabulary, permits: true }, said["when"], [...path, "when"]) };
}

/** An entry for one vocabulary. */
export interface CompiledGrantEntry {
  /** Type → verbs. */
  covers: Map<string, Set<string>>;
  about: Entry["about"];
  when: Condition[];
}

/** Why an entry isn't acceptable. */
export interface GrantEntryError {
  /** JSON pointer (RFC 6901) into the entry. */
  field: string;
  expected: string;
}

/** Compiles the entry of a grant that stands in no file. */
export function compileGrantEntry(entry: Record<string, unknown>, vocabulary: Vocabulary): CompiledGrantEntry | GrantEntryError {
  const sheet = new EntrySheet("entry", JSON.stringify(entry));
  const { targets, about, when } = readGrantEntry(sheet, sheet.value, [], [], vocabulary);
  const [note] = sheet.notes;
  if (note !== undefined) return sheet.first ?? { field: "", expected: note.message };
  const covers = new Map<string, Set<string>>();
  for (const { verb, types } of targets) {
    for (const type of types) covers.set(type, (covers.get(type) ?? new Set()).add(verb));
  }
  return { covers, about, when };
}

/** Notes where its first error is. */
class EntrySheet extends Sheet {
  first: GrantEntryError | null = null;

  override error(path: Path, message: string, hint: string | null = null): void {
    const field = path.map((step) => `/${pointerToken(String(step))}`).join("");
    this.first ??= { field, expected: hint === null ? message : `${message}; ${hint}` };
    super.error(path, message, hint);
  }
}
