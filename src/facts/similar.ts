/**
 * Agents' ids that a person would take for one another. Names are plain ASCII, so the table is short: of the confusable
 * characters of UTS #39 (section 4), those that stand in `NAME_PATTERN`, and `vv` for `w`.
 */
export class SimilarIds {
  /** Coarse form → the ids that have it. Nearly always one. */
  readonly #known = new Map<string, string | string[]>();

  add(id: string): void {
    const form = coarse(id);
    const known = this.#known.get(form);
    if (known === undefined) this.#known.set(form, id);
    else if (typeof known === "string") this.#known.set(form, [known, id]);
    else known.push(id);
  }

  /** A known id that differs from this one only by case or by characters that look alike. */
  find(id: string): string | undefined {
    const known = this.#known.get(coarse(id));
    if (known === undefined) return undefined;
    const candidates = typeof known === "string" ? [known] : known;
    return candidates.find((other) => other !== id && areSimilar(other, id));
  }
}

export function areSimilar(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase() || drawn(a) === drawn(b);
}

/** As it is drawn, then without case: `I`, `l` and `1` are one stroke, and `i` has its dot. Character by character. */
function drawn(id: string): string {
  return id.replaceAll(/[I1]/g, "l").replaceAll("0", "o").replaceAll("m", "rn").replaceAll(/[wW]/g, "vv").toLowerCase();
}

/** One form for all ids that either comparison takes for one. */
function coarse(id: string): string {
  return drawn(id.toLowerCase()).replaceAll("i", "l");
}
