/** What somebody meant who wrote something else. */
/** Comparing what is longer takes long, and it is no slip of the pen. */
const LENGTH_MAX = 256;

/** The known word that a mistyped one most likely meant, or null where none is near. */
export function nearestWord(word: string, known: Iterable<string>): string | null {
  if (word.length > LENGTH_MAX) return null;
  let best: string | null = null;
  let distance = Math.max(2, Math.floor(word.length / 3)) + 1;
  for (const candidate of known) {
    const far = inOrder(word) === inOrder(candidate) ? 0 : edits(word, candidate);
    if (far < distance) [best, distance] = [candidate, far];
  }
  return best;
}

/** Whoever writes `age_max_ms` for `age_ms_max` knows the words, and not their order. */
function inOrder(word: string): string {
  return word.split("_").sort().join("_");
}

/** Levenshtein distance. */
function edits(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const swap = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(swap, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
