/** Which types each verb of an entry or a grant is about: `{read: [invoice, payment], about: task}`. */
import type { Entry, Vocabulary } from "../contract/index.js";
import type { Path, Sheet } from "./source.js";

export interface VerbTarget {
  verb: string;
  types: string[];
}

/** @param said an entry's members, of which every verb is a key */
export function readTargets(sheet: Sheet, said: Record<string, unknown>, path: Path, what: string, vocabulary: Vocabulary): VerbTarget[] {
  const targets = Object.keys(vocabulary.verbs)
    .filter((verb) => Object.hasOwn(said, verb))
    .map((verb) => ({ verb, types: readTypes(sheet, said[verb], [...path, verb], vocabulary) }));
  if (targets.length === 0) sheet.error(path, `${what} names no verb`, "verbs are keys: `read: invoice`");
  return targets;
}

function readTypes(sheet: Sheet, value: unknown, path: Path, vocabulary: Vocabulary): string[] {
  const known = Object.keys(vocabulary.types);
  const types = sheet.words(value, path, "resource types").filter((type) => {
    if (!known.includes(type)) sheet.unknownWord(path, "resource type", type, known);
    return known.includes(type);
  });
  return [...new Set(types)];
}

export function readAbout(sheet: Sheet, value: unknown, path: Path, targets: VerbTarget[], vocabulary: Vocabulary): Entry["about"] {
  const about = sheet.oneOf(value ?? "any", path, "`about`", ["task", "other", "any"] as const) ?? "any";
  if (about !== "any") for (const target of targets) checkAbout(sheet, target, path, vocabulary);
  return about;
}

function checkAbout(sheet: Sheet, { verb, types }: VerbTarget, path: Path, vocabulary: Vocabulary): void {
  for (const type of types) {
    const links = Object.values(vocabulary.types[type]?.about ?? {});
    if (links.length === 0) {
      sheet.error(path, `nothing says how \`${type}\` relates to a task`, "give the type an `about` in the vocabulary");
    } else if (vocabulary.verbs[verb]?.collection === true && links.every((link) => link === "id")) {
      sheet.error(path, `\`${verb}\` acts on a collection: there is no id to say which task \`${type}\` is about`);
    }
  }
}
