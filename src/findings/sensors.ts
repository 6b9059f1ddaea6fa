/**
 * Sensors that are missed: callers which report what agents do, and are to do so regularly. One that has been silent for longer
 * than it may is told of once, and once more when it is heard again.
 */
import type { System } from "../system/index.js";

export interface SensorLimits {
  silent_after_ms: number;
}

/** Resolves when it is on record; until then it is tried again. */
export type TellOfSensor = (code: "sensor_silent" | "sensor_heard", sensor: string, silent_ms: number) => Promise<void>;

/** Time that what can't be recorded waits. */
const RETRY_MS = 1000;

interface Sensor {
  silent_after_ms: number;
  /** Monotonic time of its last report, or of the start. */
  heard_ms: number;
  silent: boolean;
}

export class Sensors {
  readonly #system: Pick<System, "clock" | "timers">;
  readonly #tell: TellOfSensor;
  readonly #sensors: ReadonlyMap<string, Sensor>;
  #closed = false;

  constructor(sensors: Readonly<Record<string, SensorLimits>>, system: Pick<System, "clock" | "timers">, tell: TellOfSensor) {
    this.#system = system;
    this.#tell = tell;
    const now = system.clock.monotonic();
    this.#sensors = new Map(
      Object.entries(sensors).map(([name, { silent_after_ms }]) => [name, { silent_after_ms, heard_ms: now, silent: false }]),
    );
  }

  /** From here on, each has its time. */
  start(): void {
    for (const [name, sensor] of this.#sensors) this.#watch(name, sensor, sensor.silent_after_ms);
  }

  close(): void {
    this.#closed = true;
  }

  /** Returns how many sensors are silent. */
  get silent(): number {
    return [...this.#sensors.values()].filter(({ silent }) => silent).length;
  }

  /** It has reported something, or that there is nothing. */
  heard(name: string): void {
    const sensor = this.#sensors.get(name);
    if (sensor === undefined) return;
    const now = this.#system.clock.monotonic();
    const silent_ms = now - sensor.heard_ms;
    sensor.heard_ms = now;
    if (!sensor.silent) return;
    sensor.silent = false;
    this.#say("sensor_heard", name, silent_ms);
    this.#watch(name, sensor, sensor.silent_after_ms);
  }

  #watch(name: string, sensor: Sensor, ms: number): void {
    this.#system.timers.after(ms, () => {
      if (this.#closed) return;
      const silent_ms = this.#system.clock.monotonic() - sensor.heard_ms;
      if (silent_ms < sensor.silent_after_ms) {
        this.#watch(name, sensor, sensor.silent_after_ms - silent_ms);
        return;
      }
      sensor.silent = true;
      this.#say("sensor_silent", name, silent_ms);
    });
  }

  #say(code: "sensor_silent" | "sensor_heard", name: string, silent_ms: number): void {
    if (this.#closed) return;
    this.#tell(code, name, silent_ms).catch(() => {
      this.#system.timers.after(RETRY_MS, () => {
        this.#say(code, name, silent_ms);
      });
    });
  }
}
