import { expect } from "chai";
import { Sensors } from "../../src/findings/sensors.js";

/** A monotonic clock that is moved by hand, with what waits for it. */
class Time {
  now = 1_000_000;
  #waiting: { at: number; call: () => void }[] = [];
  readonly system = {
    clock: { wall: () => 0, monotonic: () => this.now },
    timers: {
      after: (ms: number, call: () => void) => {
        this.#waiting.push({ at: this.now + ms, call });
        return () => undefined;
      },
      every: () => () => undefined,
      turnEnd: (call: () => void) => {
        call();
      },
    },
  };

  async pass(ms: number): Promise<void> {
    const end = this.now + ms;
    for (;;) {
      const [next] = this.#waiting.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
      if (next === undefined) break;
      this.#waiting = this.#waiting.filter((one) => one !== next);
      this.now = next.at;
      next.call();
      await Promise.resolve();
    }
    this.now = end;
  }
}

function watched(fails = 0) {
  const time = new Time();
  const told: string[] = [];
  const sensors = new Sensors(
    { collector: { silent_after_ms: 10_000 }, other: { silent_after_ms: 60_000 } },
    time.system,
    (code, sensor, ms) => {
      if (fails-- > 0) return Promise.reject(new Error("the disk is full"));
      told.push(`${code} ${sensor} ${ms}`);
      return Promise.resolve();
    },
  );
  sensors.start();
  return { time, told, sensors };
}

describe("sensors that are missed", () => {
  it("are told of once, when they have said nothing for as long as they may", async () => {
    const { time, told, sensors } = watched();
    for (let i = 0; i < 20; i++) {
      await time.pass(9_000);
      sensors.heard("collector");
      sensors.heard("other");
    }
    expect(told).to.deep.equal([]);
    await time.pass(9_999);
    expect(told).to.deep.equal([]);
    await time.pass(1);
    expect(told).to.deep.equal(["sensor_silent collector 10000"]);
    expect(sensors.silent).to.equal(1);
    await time.pass(40_000);
    expect(told).to.have.lengthOf(1);
  });

  it("may never have come at all", async () => {
    const { time, told } = watched();
    await time.pass(60_000);
    expect(told).to.deep.equal(["sensor_silent collector 10000", "sensor_silent other 60000"]);
  });

  it("are told of when they are heard again, and missed anew after that", async () => {
    const { time, told, sensors } = watched();
    await time.pass(30_000);
    sensors.heard("collector");
    sensors.heard("collector");
    expect(told.slice(1)).to.deep.equal(["sensor_heard collector 30000"]);
    expect(sensors.silent).to.equal(0);
    await time.pass(10_000);
    expect(told.slice(2)).to.deep.equal(["sensor_silent collector 10000"]);
  });

  it("are told of again until it is on record", async () => {
    const { time, told } = watched(3);
    await time.pass(14_000);
    expect(told).to.deep.equal(["sensor_silent collector 10000"]);
  });

  it("are those that are named: nobody else is missed", async () => {
    const { time, told, sensors } = watched();
    sensors.heard("stranger");
    await time.pass(10_000);
    expect(told).to.deep.equal(["sensor_silent collector 10000"]);
  });

  it("are missed no more once the service stops", async () => {
    const { time, told, sensors } = watched();
    sensors.close();
    await time.pass(100_000);
    expect(told).to.deep.equal([]);
  });
});
