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
});
