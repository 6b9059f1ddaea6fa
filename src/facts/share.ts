/**
 * Makes equal values one object, so that a hundred thousand agents of a few kinds cost little more than the kinds. What is
 * shared must never be changed in place. Forgets everything when it is full: sharing saves memory and nothing rests on it.
 */
const KINDS_MAX = 10_000;

export class Shared {
  readonly #texts = new Map<string, string>();
  readonly #sets = new Map<string, ReadonlySet<string>>();
  readonly #values = new Map<string, unknown>();

  text(text: string): string {
    return known(this.#texts, text, () => text);
  }

  set(words: readonly string[]): ReadonlySet<string> {
    return known(this.#sets, JSON.stringify(words), () => new Set(words.map((word) => this.text(word))));
  }

  /** A JSON value. */
  value<T>(value: T): T {
    return known(this.#values, JSON.stringify(value), () => value) as T;
  }
}

function known<T>(kinds: Map<string, T>, key: string, make: () => T): T {
  let found = kinds.get(key);
  if (found === undefined) {
    if (kinds.size >= KINDS_MAX) kinds.clear();
    kinds.set(key, (found = make()));
  }
  return found;
}
