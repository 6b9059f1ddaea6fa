/** Messages of reasons: what their placeholders may name, and those that nothing fills. */
import { nearestWord } from "../contract/nearest.js";
import type { Fields, Vocabulary } from "../contract/index.js";
import { resolvePath, UnknownWord } from "./matchers.js";
import type { RuleReason } from "./conventions.js";
import type { SourceNote } from "./source.js";

/** Words that every message may name, beside params and paths. */
const MESSAGE_WORDS = ["agent", "purpose", "task", "verb", "type", "id", "resource", "caller"];

export interface Unfilled {
  message: string;
  hint: string;
}

/**
 * The placeholders of a message that no value fills.
 * @param types of resources, of which each (`every`) or one (`some`) has to have the path
 * @param params names that the reason itself gives values
 */
export function unfilled(
  message: string,
  vocabulary: Vocabulary,
  { types, of, params }: { types: readonly string[]; of: "every" | "some"; params: readonly string[] },
): Unfilled[] {
  const fixed = [...MESSAGE_WORDS, ...params];
  return [...message.matchAll(/\{([^{}]*)\}/g)].flatMap(([, name = ""]) => {
    const leads = (type: string): boolean => !(resolvePath(name, type, vocabulary) instanceof UnknownWord);
    if (fixed.includes(name) || (types.length > 0 && types[of](leads))) return [];
    const known = [...fixed, ...types.flatMap((type) => paths(type, vocabulary)).filter((path, i, all) => all.indexOf(path) === i)];
    const meant = nearestWord(name, known);
    return [
      {
        message: `the message names \`{${name}}\`, which nothing here is called`,
        hint: meant === null ? `known: ${known.slice(0, 24).join(", ")}` : `did you mean \`{${meant}}\`?`,
      },
    ];
  });
}

/** Messages of rules: a param, a word, or a path that one of the types has. */
export function unfilledInRules(reasons: readonly RuleReason[], vocabulary: Vocabulary): SourceNote[] {
  return reasons.flatMap(({ message, params, file, messageLine }) =>
    // Params that are put together elsewhere can't be told from here.
    params === null
      ? []
      : unfilled(message, vocabulary, { types: Object.keys(vocabulary.types), of: "some", params }).map((found) => ({
          severity: "error",
          file,
          line: messageLine,
          ...found,
        })),
  );
}

/** The paths that a message about a type may name, fields of objects left out. */
function paths(type: string, { types, task, agent }: Vocabulary): string[] {
  const spec = types[type];
  const under = (root: string, fields: Fields): string[] => Object.keys(fields).map((name) => `${root}${name}`);
  return [
    ...under("", spec?.attributes ?? {}),
    ...under("arguments.", spec?.arguments ?? {}),
    ...task.subjects.map((name) => `task.${name}`),
    ...under("task.", task.attributes),
    ...under("agent.", agent.attributes),
    ...Object.entries(spec?.related ?? {}).flatMap(([role, other]) => [
      `related.${role}.id`,
      ...under(`related.${role}.`, types[other]?.attributes ?? {}),
    ]),
  ];
}
