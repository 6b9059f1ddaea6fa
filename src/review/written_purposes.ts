/** A purpose's entries as their authors wrote them: which line of `purposes.yaml` says what, and what it compiles to. */
import { compilePurposes } from "../bundle/purposes.js";
import { Sheet, SourceErrors, type Path } from "../bundle/source.js";
import { readTargets } from "../bundle/targets.js";
import type { Catalogue, Entry, Purpose, Vocabulary } from "../contract/index.js";

export const PURPOSES_FILE = "purposes.yaml";

/** Kinds of entries that permit: `allow`, and `flag`, at once or after a person looked. */
export const PERMITTING = ["allow", "flag"] as const;
export type PermittingLine = (typeof PERMITTING)[number];

/** One verb on one type: the least that an entry can permit. */
export interface PermittedCell {
  verb: string;
  type: string;
}

export interface WrittenEntry {
  line: PermittingLine;
  /** From 0, in its list. */
  index: number;
  path: Path;
  /** Its line in the file, from 1. */
  at: number;
  cells: readonly PermittedCell[];
  entry: Entry;
}

export interface WrittenPurposes {
  purposes: Record<string, Purpose>;
  catalogue: Catalogue;
  /** Entries by purpose, in the file's order. */
  entries: ReadonlyMap<string, readonly WrittenEntry[]>;
}

/**
 * @param text of `purposes.yaml`
 * @throws SourceErrors
 */
export function readWritten(text: string, vocabulary: Vocabulary): WrittenPurposes {
  const sheet = new Sheet(PURPOSES_FILE, text);
  const { purposes, catalogue } = compilePurposes(sheet, vocabulary);
  const errors = sheet.notes.filter(({ severity }) => severity === "error");
  if (errors.length > 0) throw new SourceErrors(errors);
  const entries = Object.entries(purposes).map(([id, compiled]): [string, WrittenEntry[]] => [
    id,
    PERMITTING.flatMap((line) => entriesOf(sheet, line, id, compiled, vocabulary)),
  ]);
  return { purposes, catalogue, entries: new Map(entries) };
}

function entriesOf(sheet: Sheet, line: PermittingLine, purpose: string, compiled: Purpose, vocabulary: Vocabulary): WrittenEntry[] {
  const lists = (sheet.value as Record<string, Record<string, Record<string, unknown>[] | undefined>>)[purpose];
  // Those of one type and verb stand in the file's order.
  const taken = new Map<string, number>();
  return (lists?.[line] ?? []).map((said, index) => {
    const path = [purpose, line, index];
    const cells = readTargets(sheet, said, path, "the entry", vocabulary).flatMap(({ verb, types }) =>
      types.map((type) => ({ verb, type })),
    );
    let entry: Entry | undefined;
    for (const { verb, type } of cells) {
      const key = cellKey({ verb, type });
      const nth = taken.get(key) ?? 0;
      taken.set(key, nth + 1);
      entry = compiled[line][type]?.[verb]?.[nth];
    }
    if (entry === undefined) throw new Error(`${path.join(".")} compiles to nothing`);
    return { line, index, path, at: sheet.line(path) ?? 1, cells, entry };
  });
}

/** Verbs and types are words without spaces. */
export function cellKey({ verb, type }: PermittedCell): string {
  return `${verb} ${type}`;
}
