/** Actions of one key, one after the other: each begins when the one before is over, however that ended. */
export class Turns {
  readonly #last = new Map<string, Promise<unknown>>();

  /** True while an action of this key is under way, or waits. */
  has(key: string): boolean {
    return this.#last.has(key);
  }

  take<T>(key: string, act: () => Promise<T>): Promise<T> {
    const result = (this.#last.get(key) ?? Promise.resolve()).then(act);
    const done = result
      .catch(() => undefined)
      .then(() => {
        if (this.#last.get(key) === done) this.#last.delete(key);
      });
    this.#last.set(key, done);
    return result;
  }
}
