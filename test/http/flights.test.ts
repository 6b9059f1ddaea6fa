import { EventEmitter } from "node:events";
import { expect } from "chai";
import { Flights } from "../../src/http/flights.js";
import { StillTimers } from "../facts/world.js";

/** An answer that leaves when it is told to. */
class Answer extends EventEmitter {
  destroyed = false;
  destroy(): void {
    this.destroyed = true;
    this.emit("close");
  }
}

describe("the barrier of a revocation", () => {
  it("waits for answers that began before an earlier barrier, too, and for none that began after it", async () => {
    const flights = new Flights(new StillTimers(), 1000);
    const landed: string[] = [];
    const [oldest, older, younger] = [new Answer(), new Answer(), new Answer()];
    flights.begin(oldest);
    void flights.landed().then(() => landed.push("first"));
    flights.begin(older);
    void flights.landed().then(() => landed.push("second"));
    flights.begin(younger);
    const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
    older.emit("finish");
    await turn();
    expect(landed, "the oldest answer is still under way").to.deep.equal([]);
    oldest.emit("finish");
    await turn();
    expect(landed).to.have.members(["first", "second"]);
    expect(younger.destroyed).to.equal(false);
  });

  it("cuts what hasn't left in time, of every barrier before it", async () => {
    const timers = new StillTimers();
    const flights = new Flights(timers, 1000);
    const [first, second] = [new Answer(), new Answer()];
    flights.begin(first);
    void flights.landed();
    flights.begin(second);
    const landed = flights.landed();
    await timers.advance(1000);
    await landed;
    expect([first.destroyed, second.destroyed]).to.deep.equal([true, true]);
  });

  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  /** A barrier, and whether it has been passed. */
  const barrier = (flights: Flights): { passed: boolean } => {
    const seen = { passed: false };
    void flights.landed().then(() => (seen.passed = true));
    return seen;
  };

  it("is passed at once if no answer is under way, and by the last of several that are", async () => {
    const flights = new Flights(new StillTimers(), 1000);
    const [first, second, third] = [new Answer(), new Answer(), new Answer()];
    const none = barrier(flights);
    await turn();
    expect(none.passed).to.equal(true);
    for (const answer of [first, second, third]) flights.begin(answer);
    const all = barrier(flights);
    const seen: boolean[] = [];
    for (const [answer, how] of [
      [second, "finish"],
      [first, "close"],
      [third, "close"],
    ] as const) {
      answer.emit(how);
      await turn();
      seen.push(all.passed);
    }
    expect(seen).to.deep.equal([false, false, true]);
  });

  it("counts an answer once, that is finished and then closed, and not another in its place", async () => {
    const flights = new Flights(new StillTimers(), 1000);
    const [first, other, second] = [new Answer(), new Answer(), new Answer()];
    flights.begin(other);
    flights.begin(first);
    first.emit("finish");
    flights.begin(second);
    first.emit("close");
    const both = barrier(flights);
    other.emit("finish");
    await turn();
    expect(both.passed, "the second is under way").to.equal(false);
    second.emit("finish");
    await turn();
    expect(both.passed).to.equal(true);
  });

  it("waits no more for what it has cut, though that never says that it has ended", async () => {
    const timers = new StillTimers();
    const flights = new Flights(timers, 1000);
    const silent = Object.assign(new Answer(), { destroy: () => undefined });
    flights.begin(silent);
    const first = barrier(flights);
    await timers.advance(999);
    expect(first.passed).to.equal(false);
    await timers.advance(1);
    const younger = new Answer();
    flights.begin(younger);
    const second = barrier(flights);
    younger.emit("finish");
    await turn();
    expect([first.passed, second.passed]).to.deep.equal([true, true]);
  });

  it("still waits for answers that began after one that was cut", async () => {
    const timers = new StillTimers();
    const flights = new Flights(timers, 1000);
    flights.begin(new Answer());
    barrier(flights);
    await timers.advance(500);
    const younger = new Answer();
    flights.begin(younger);
    barrier(flights);
    await timers.advance(500);
    const last = barrier(flights);
    await turn();
    expect([younger.destroyed, last.passed]).to.deep.equal([false, false]);
    younger.emit("finish");
    await turn();
    expect(last.passed).to.equal(true);
  });
});
