/** Finds the word that was most likely meant by a mistyped one. */

/** Comparing what is longer takes long, and it is no slip of the pen. */
const LENGTH_MAX = 256;
/** Longest length at which two differing letters make another word. */
const SHORT = 3;

/** The known word that a mistyped one most likely meant, or null where none is near. */
export function nearestWord(word: string, known: Iterable<string>): string | null {
  if (word.length > LENGTH_MAX) return null;
  const written = word.toLowerCase();
  let best: string | null = null;
  let distance = (word.length <= SHORT ? 1 : Math.max(2, Math.floor(word.length / 3))) + 1;
  for (const candidate of known) {
    const meant = candidate.toLowerCase();
    const far = inOrder(written) === inOrder(meant) ? 0 : edits(written, meant);
    if (far < distance) [best, distance] = [candidate, far];
  }
  return best;
}

/** Whoever writes `age_max_ms` for `age_ms_max` knows the words, and not their order. */
function inOrder(word: string): string {
  return word.split("_").sort().join("_");
}

/** Levenshtein distance, in which two letters in each other's place are one slip and not two. */
function edits(a: string, b: string): number {
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const other = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const swap = swapped ? (before[j - 2] ?? 0) + 1 : Infinity;
      next.push(Math.min(other, swap, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    [before, row] = [row, next];
  }
  return row[b.length] ?? 0;
}
