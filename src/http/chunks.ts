/** A request's body as it comes: no more of it is read than is asked for, so its sender waits for who works it off. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { Problem } from "../contract/index.js";
import type { Timers } from "../system/index.js";

/** Responses to requests whose body may take as long as it goes on arriving. */
const paced = new WeakSet<ServerResponse>();

/** Returns true if the answer's request has time limits of its own, instead of those of every request. */
export function isPaced(response: ServerResponse): boolean {
  return paced.has(response);
}

export class Chunks {
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #timers: Pick<Timers, "after">;
  readonly #idleMs: number;

  /** @param idleMs time for which nothing may come */
  constructor(request: IncomingMessage, response: ServerResponse, timers: Pick<Timers, "after">, idleMs: number) {
    this.#request = request;
    this.#response = response;
    this.#timers = timers;
    this.#idleMs = idleMs;
    paced.add(response);
  }

  /**
   * Returns the bytes that have arrived since; null at the end.
   * @throws Problem `body_timeout`; `http_invalid` if the body breaks off
   */
  async next(): Promise<Buffer | null> {
    const request = this.#request;
    for (;;) {
      const chunk = request.read() as Buffer | null;
      if (chunk !== null) return chunk;
      if (request.readableEnded) return null;
      // What breaks off may have been refused already, by who noticed first.
      if (request.destroyed || this.#response.headersSent || this.#response.closed)
        throw new Problem("http_invalid", { expected: "the whole body" });
      await this.#more();
    }
  }

  /** Resolves when there is more to read, or nothing will come any more. */
  #more(): Promise<void> {
    const request = this.#request;
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        cancel();
        this.#response.off("close", come);
        for (const event of EVENTS) request.off(event, come);
      };
      const come = (): void => {
        settle();
        resolve();
      };
      const cancel = this.#timers.after(this.#idleMs, () => {
        settle();
        reject(new Problem("body_timeout", { expected: `something every ${this.#idleMs} ms` }));
      });
      this.#response.on("close", come);
      for (const event of EVENTS) request.on(event, come);
    });
  }
}

const EVENTS = ["readable", "end", "close", "error"] as const;
