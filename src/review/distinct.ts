/** Count of different texts, up to a bound: beyond it, "so many or more". */
export const DISTINCT_MAX = 100;

export class Distinct {
  readonly #seen = new Set<string>();

  /** Returns true the first time that it sees a text, within its bound. */
  see(text: string): boolean {
    if (this.#seen.size >= DISTINCT_MAX || this.#seen.has(text)) return false;
    this.#seen.add(text);
    return true;
  }

  get size(): number {
    return this.#seen.size;
  }

  get all(): readonly string[] {
    return [...this.#seen];
  }
}
