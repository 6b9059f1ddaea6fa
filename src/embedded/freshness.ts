/** Time since something was heard. By the clock that only goes forward; and where the other one went further, the machine slept. */
import type { Clock } from "../system/index.js";

export class Freshness {
  readonly #clock: Clock;
  readonly #ms_max: number;
  #monotonic = -Infinity;
  #wall = -Infinity;

  constructor(clock: Clock, msMax: number) {
    this.#clock = clock;
    this.#ms_max = msMax;
  }

  renew(): void {
    this.#monotonic = this.#clock.monotonic();
    this.#wall = this.#clock.wall();
  }

  get age_ms(): number {
    return Math.max(this.#clock.monotonic() - this.#monotonic, this.#clock.wall() - this.#wall);
  }

  get isFresh(): boolean {
    return this.age_ms <= this.#ms_max;
  }
}
