/** Lines of a stream of bytes, however it is cut into chunks. Of a line that isn't whole yet no more is kept than a line may have. */
const NEWLINE = 0x0a;
const ROOM_BYTES = 4096;
const EMPTY: Buffer = Buffer.alloc(0);

const SPACES = new Set([0x20, 0x09, 0x0d]);

/** Returns true if a line has nothing but white space of JSON. */
export function isBlank(line: Buffer): boolean {
  return line.every((byte) => SPACES.has(byte));
}

export class Lines {
  readonly #bytesMax: number;
  #chunk = EMPTY;
  #at = 0;
  /** The beginning of a line whose end hasn't come. */
  #room = EMPTY;
  #kept = 0;
  #tooLong = false;

  /** @param bytesMax of a line, without its newline */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Once all lines of the chunk before have been taken. */
  push(chunk: Buffer): void {
    this.#chunk = chunk;
    this.#at = 0;
  }

  /** True if something of the chunk is left. */
  get more(): boolean {
    return this.#at < this.#chunk.length;
  }

  /** Returns the next whole line, good until the next call; `too_long` in place of a line that is; null if no line is whole yet. */
  next(): Buffer | "too_long" | null {
    if (!this.more) return null;
    const [chunk, from] = [this.#chunk, this.#at];
    const newline = chunk.indexOf(NEWLINE, from);
    const to = newline < 0 ? chunk.length : newline;
    this.#at = newline < 0 ? to : to + 1;
    if (newline >= 0 && this.#kept === 0 && !this.#tooLong) {
      return to - from > this.#bytesMax ? "too_long" : chunk.subarray(from, to);
    }
    this.#keep(chunk.subarray(from, to));
    return newline < 0 ? null : this.#whole();
  }

  /** Returns what came after the last newline; null if nothing did. */
  rest(): Buffer | "too_long" | null {
    return this.#kept === 0 && !this.#tooLong ? null : this.#whole();
  }

  #keep(part: Buffer): void {
    if (this.#tooLong || this.#kept + part.length > this.#bytesMax) {
      this.#tooLong = true;
      return;
    }
    if (this.#kept + part.length > this.#room.length) {
      const room = Buffer.allocUnsafe(Math.max(ROOM_BYTES, 2 * this.#room.length, this.#kept + part.length));
      this.#room.copy(room, 0, 0, this.#kept);
      this.#room = room;
    }
    part.copy(this.#room, this.#kept);
    this.#kept += part.length;
  }

  #whole(): Buffer | "too_long" {
    const line = this.#tooLong ? "too_long" : this.#room.subarray(0, this.#kept);
    this.#kept = 0;
    this.#tooLong = false;
    return line;
  }
}
