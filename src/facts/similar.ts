/** Agents' ids that a person would take for one another. */
import { areSimilar, coarseForm } from "../contract/similar.js";

export class SimilarIds {
  /** Coarse form → the ids that have it. Nearly always one. */
  readonly #known = new Map<string, string | string[]>();

  add(id: string): void {
    const form = coarseForm(id);
    const known = this.#known.get(form);
    if (known === undefined) this.#known.set(form, id);
    else if (typeof known === "string") this.#known.set(form, [known, id]);
    else known.push(id);
  }

  /** A known id that differs from this one only by case or by characters that look alike. */
  find(id: string): string | undefined {
    const known = this.#known.get(coarseForm(id));
    if (known === undefined) return undefined;
    const candidates = typeof known === "string" ? [known] : known;
    return candidates.find((other) => other !== id && areSimilar(other, id));
  }
}
