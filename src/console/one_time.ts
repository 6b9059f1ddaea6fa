/** The address by which somebody on this machine signs in: it works once, for a while. */
import type { System } from "../system/index.js";
import { isSame, secret } from "./sessions.js";

const LASTS_MS = 600_000;

export class OneTime {
  readonly #system: Pick<System, "clock" | "random">;
  #code: { value: string; until_ms: number } | null = null;

  constructor(system: Pick<System, "clock" | "random">) {
    this.#system = system;
  }

  /** Returns a new code; the one before is void. */
  next(): string {
    const value = secret(this.#system.random);
    this.#code = { value, until_ms: this.#system.clock.monotonic() + LASTS_MS };
    return value;
  }

  /** True while a code waits to be used. */
  get isOut(): boolean {
    return this.#code !== null && this.#code.until_ms >= this.#system.clock.monotonic();
  }

  /** Returns true for the code that is out, once. */
  take(code: string): boolean {
    const isIt = this.isOut && this.#code !== null && isSame(code, this.#code.value);
    if (isIt) this.#code = null;
    return isIt;
  }
}
