/** The receiving side of server-sent events (WHATWG HTML, section 9.2.6), as far as this service sends them. */

export interface StreamedEvent {
  event: string;
  data: string;
}

export class EventReader {
  /** The last id that was complete, with data or without; null before the first. */
  lastId: string | null = null;
  /** Milliseconds to wait before reconnecting, as the service says. */
  retry_ms: number | null = null;
  readonly #decoder = new TextDecoder();
  #rest = "";
  #event = "";
  #data: string[] = [];
  #id: string | null = null;

  /** UTF-16 units of an event that isn't whole yet. */
  get pending(): number {
    return this.#data.reduce((sum, line) => sum + line.length, this.#rest.length);
  }

  /** Takes the next bytes, wherever they were cut. */
  read(bytes: Uint8Array): StreamedEvent[] {
    const lines = (this.#rest + this.#decoder.decode(bytes, { stream: true })).split("\n");
    this.#rest = lines.pop() ?? "";
    return lines.flatMap((line) => this.#line(line.replace(/\r$/, "")) ?? []);
  }

  #line(line: string): StreamedEvent | null {
    if (line === "") return this.#dispatch();
    const [, field = "", value = ""] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? [];
    if (field === "event") this.#event = value;
    else if (field === "data") this.#data.push(value);
    else if (field === "id") this.#id = value;
    else if (field === "retry" && /^\d+$/.test(value)) this.retry_ms = Number(value);
    return null;
  }

  #dispatch(): StreamedEvent | null {
    const received = { event: this.#event === "" ? "message" : this.#event, data: this.#data.join("\n") };
    const empty = this.#data.length === 0;
    this.lastId = this.#id ?? this.lastId;
    this.#event = "";
    this.#data = [];
    this.#id = null;
    return empty ? null : received;
  }
}
