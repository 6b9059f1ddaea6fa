/** A clock that is set, so that a day passes while it is told. What lasts still lasts as long as it does. */
import { systemClock, type Clock } from "../src/system/index.js";

export class StoryClock implements Clock {
  #wallMs: number;

  /** @param start RFC 3339 */
  constructor(start: string) {
    this.#wallMs = Date.parse(start);
  }

  wall(): number {
    return this.#wallMs;
  }

  monotonic(): number {
    return systemClock.monotonic();
  }

  /** @throws RangeError where that was before */
  moveTo(moment: string): void {
    const ms = Date.parse(moment);
    if (!(ms >= this.#wallMs)) throw new RangeError(`${moment} isn't later`);
    this.#wallMs = ms;
  }
}
