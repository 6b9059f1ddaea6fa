/** Words of a policy set, made of what servers call things. */

/** Members that a type, or an object of a list, may have. */
export const FIELDS_MAX = 64;

/** Words with a meaning of their own in a policy set, or for other readers of YAML. */
export const TAKEN = new Set(
  "about when code severity proceed message tell_agent obligations given with related then because title on off yes no y n true false null constructor id task agent arguments".split(
    " ",
  ),
);

/** One word of a policy set. */
export function wordOf(all: readonly string[], unsaid: string): string {
  const word = all
    .join("_")
    .replace(/^[0-9_]+/, "")
    .slice(0, 56);
  if (word === "") return unsaid;
  return TAKEN.has(word) ? `${word}_${unsaid}` : word;
}

/** Names for another of the same name. */
export function numbered(name: string): string[] {
  return Array.from({ length: FIELDS_MAX }, (_, i) => `${name}_${i + 2}`);
}
