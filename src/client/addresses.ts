/**
 * Addresses of a service: the nodes of a cluster. The first is preferred; after one that could not be reached the next is asked, and the first
 * again after a while.
 */

/** Milliseconds after which the first is tried again. */
const BACK_MS = 30_000;

export class Addresses {
  readonly #urls: readonly URL[];
  readonly #monotonic: () => number;
  #at = 0;
  #left = -Infinity;

  /** @param urls one at least */
  constructor(urls: readonly URL[], monotonic: () => number) {
    this.#urls = urls;
    this.#monotonic = monotonic;
  }

  /** Address to ask now. */
  get current(): URL {
    if (this.#at !== 0 && this.#monotonic() - this.#left >= BACK_MS) this.#at = 0;
    return this.#urls[this.#at] as URL;
  }

  /** Reports that an address could not be reached, or can't serve now: another is asked next. */
  failed(url: URL): void {
    if (this.#urls.length < 2 || this.#urls[this.#at] !== url) return;
    if (this.#at === 0) this.#left = this.#monotonic();
    this.#at = (this.#at + 1) % this.#urls.length;
  }
}
