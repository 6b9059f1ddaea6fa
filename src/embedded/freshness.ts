/** Time since something was heard. By the clock that only goes forward; and where the other one went further, the machine slept. */
import type { Clock } from "../system/index.js";

export interface ClockTimes {
  monotonic: number;
  wall: number;
}

export class Freshness {
  readonly #clock: Clock;
  readonly #ms_max: number;
  #monotonic = -Infinity;
  #wall = -Infinity;

  constructor(clock: Clock, msMax: number) {
    this.#clock = clock;
    this.#ms_max = msMax;
  }

  /** The time now, by both clocks. */
  get now(): ClockTimes {
    return { monotonic: this.#clock.monotonic(), wall: this.#clock.wall() };
  }

  /** @param at when what was heard was asked for; left out: it was heard now */
  renew(at = this.now): void {
    if (at.monotonic < this.#monotonic) return;
    this.#monotonic = at.monotonic;
    this.#wall = at.wall;
  }

  get age_ms(): number {
    return Math.max(this.#clock.monotonic() - this.#monotonic, this.#clock.wall() - this.#wall);
  }

  get isFresh(): boolean {
    return this.age_ms <= this.#ms_max;
  }
}
