/** Opened parts, to be closed in the opposite order, whether all others could be opened or not. */
export class Closing {
  readonly #closing: (() => unknown)[] = [];

  /** @param close awaited where it returns a promise; what it throws ends the closing */
  add(close: () => unknown): void {
    this.#closing.push(close);
  }

  /** Closes everything once, the last first. */
  async close(): Promise<void> {
    for (let close = this.#closing.pop(); close !== undefined; close = this.#closing.pop()) await close();
  }
}
