/** JSON in which every name of an object is there once: of two with one name another reader may take the first. */

/**
 * Parses a text.
 * @throws SyntaxError if it is no JSON, or has a name twice in one object, however that is spelt
 */
export function strictJson(text: string): unknown {
  const value: unknown = JSON.parse(text);
  // Of an object with a name twice one member is left: fewer than the text has.
  if (members(value) !== colons(text)) throw new SyntaxError("an object has a name twice");
  return value;
}

function members(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  const inside: unknown[] = Object.values(value);
  return inside.reduce((sum: number, one) => sum + members(one), Array.isArray(value) ? 0 : inside.length);
}

/** Colons outside of strings, of a text that is JSON: one for each member. */
function colons(text: string): number {
  let count = 0;
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|:/g)) if (token === ":") count++;
  return count;
}
