const BEGINS_WITH = 64 * 1024;
/** More than this is given back: a few groups are large, most are not. */
const KEPT_MAX = 4 * 1024 * 1024;
/** Most bytes of a unit of UTF-16. */
const BYTES_MAX = 3;

/** Text as bytes (UTF-8), put one after the other into memory that is used again. */
export class Utf8 {
  #memory = Buffer.allocUnsafeSlow(BEGINS_WITH);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  add(text: string): void {
    if (this.#length + text.length * BYTES_MAX > this.#memory.length) this.#makeRoom(Buffer.byteLength(text));
    this.#length += this.#memory.write(text, this.#length);
  }

  /** They stand until the next `clear`. */
  bytes(): Buffer {
    return this.#memory.subarray(0, this.#length);
  }

  clear(): void {
    if (this.#memory.length > KEPT_MAX) this.#memory = Buffer.allocUnsafeSlow(BEGINS_WITH);
    this.#length = 0;
  }

  #makeRoom(bytes: number): void {
    const wanted = this.#length + bytes;
    if (wanted <= this.#memory.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(wanted, 2 * this.#memory.length));
    this.#memory.copy(larger, 0, 0, this.#length);
    this.#memory = larger;
  }
}
