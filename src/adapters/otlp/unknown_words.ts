/**
 * Words of a mapping that no policy knows, so that whatever is told by them is judged by nothing. They don't refuse the mapping:
 * the next bundle may know them.
 */
import { nearestWord } from "../../contract/nearest.js";
import type { ActivePolicy } from "../../decision/ports.js";
import type { MappedWord } from "./mapping.js";

export interface UnknownMappedWord extends Pick<MappedWord, "what" | "word"> {
  /** The first, and how many there are. */
  place: string;
  places: number;
  /** Null where none is near. */
  meant: string | null;
}

export class UnknownWords {
  readonly #words: readonly MappedWord[];
  /** Words that the last policy didn't know. */
  #unknown: ReadonlySet<string> = new Set();

  constructor(words: readonly MappedWord[]) {
    this.#words = words;
  }

  /** Returns the words that this policy doesn't know, and that the policy before it did, if there was one. */
  unknownTo({ vocabulary, purposes }: Pick<ActivePolicy, "vocabulary" | "purposes">): UnknownMappedWord[] {
    const known = {
      verb: new Set(Object.keys(vocabulary.verbs)),
      type: new Set(Object.keys(vocabulary.types)),
      purpose: new Set(purposes.keys()),
    };
    const unknown = new Map<string, MappedWord[]>();
    for (const one of this.#words) {
      if (known[one.what].has(one.word)) continue;
      const key = `${one.what} ${one.word}`;
      const there = unknown.get(key);
      if (there === undefined) unknown.set(key, [one]);
      else there.push(one);
    }
    const before = this.#unknown;
    this.#unknown = new Set(unknown.keys());
    return [...unknown].flatMap(([key, [first, ...more]]) =>
      first === undefined || before.has(key)
        ? []
        : {
            ...first,
            place: first.place(),
            places: more.length + 1,
            meant: nearestWord(first.word, known[first.what]),
          },
    );
  }
}
