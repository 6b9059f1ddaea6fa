/** Size of the message that an answer over HTTP is at, as its bytes come. */
const LF = 0x0a;
const CR = 0x0d;
const ID = Buffer.from("id:");

/** Bytes of the message that an answer is at: all of it, or those since the last empty line, which ends an event (WHATWG HTML, section 9.2.6). */
export class MessageCount {
  /** An event had an id, so that the answer goes on elsewhere. */
  resumable = false;
  #bytes = 0;
  #lineBegins = true;

  /** @returns the most that a message had so far, of those that were not over before */
  add(chunk: Uint8Array): number {
    let most = 0;
    for (let at = 0; at < chunk.length;) {
      if (this.#lineBegins && ID.every((byte, i) => chunk[at + i] === byte)) this.resumable = true;
      const end = chunk.indexOf(LF, at);
      const next = end === -1 ? chunk.length : end + 1;
      const isEmpty = this.#lineBegins && end !== -1 && (end === at || (end === at + 1 && chunk[at] === CR));
      this.#bytes = isEmpty ? 0 : this.#bytes + next - at;
      most = Math.max(most, this.#bytes);
      this.#lineBegins = end !== -1;
      at = next;
    }
    return most;
  }
}
