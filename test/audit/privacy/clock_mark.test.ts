import { expect } from "chai";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { AHEAD_MS_MAX, CLOCK_MARK, ClockMark, trustClock } from "../../../src/audit/privacy/clock_mark.js";
import { temporaryDirectory } from "../temporary.js";

const HOUR_MS = 3_600_000;
const NOW = Date.parse("2026-11-29T12:00:00Z");

describe("the time that retention trusts", () => {
  function at(wall = NOW): { wall_ms: number; monotonic_ms: number; wall(): number; monotonic(): number } {
    return {
      wall_ms: wall,
      monotonic_ms: 5,
      wall() {
        return this.wall_ms;
      },
      monotonic() {
        return this.monotonic_ms;
      },
    };
  }

  const starts: [what: string, mark: number | null, last: number | null, ahead: number][] = [
    ["no record is there", null, null, 0],
    ["the last record is a day old", null, NOW - AHEAD_MS_MAX, 0],
    ["the last record is older than a day", null, NOW - AHEAD_MS_MAX - 1, AHEAD_MS_MAX + 1],
    ["the last record is from a time to come", null, NOW + HOUR_MS, 0],
    ["a look was a day ago", NOW - AHEAD_MS_MAX, NOW - 9 * AHEAD_MS_MAX, 0],
    ["a look was longer ago, whatever was recorded since", NOW - 2 * AHEAD_MS_MAX, NOW, 2 * AHEAD_MS_MAX],
  ];
  for (const [what, mark, last, ahead] of starts) {
    it(`${ahead === 0 ? "is the clock's" : "isn't the clock's"} at a start if ${what}`, () => {
      const folder = temporaryDirectory();
      if (mark !== null) trustClock(folder, mark);
      expect(new ClockMark(folder, at(), last).ahead()).to.equal(ahead);
    });
  }

  it("goes on with the monotonic clock, and doesn't follow a step of the other until that is put right", () => {
    const clock = at();
    const mark = new ClockMark(temporaryDirectory(), clock, NOW);
    const pass = (wall: number, monotonic: number): number => {
      clock.wall_ms += wall;
      clock.monotonic_ms += monotonic;
      return mark.ahead();
    };
    expect(pass(6 * HOUR_MS, 6 * HOUR_MS)).to.equal(0);
    // An idle service: nothing is recorded, and time passes.
    expect(pass(100 * HOUR_MS, 100 * HOUR_MS)).to.equal(0);
    expect(pass(6 * HOUR_MS + 17_520 * HOUR_MS, 6 * HOUR_MS)).to.equal(17_520 * HOUR_MS);
    expect(pass(6 * HOUR_MS, 6 * HOUR_MS)).to.equal(17_520 * HOUR_MS);
    expect(pass(-17_520 * HOUR_MS, 6 * HOUR_MS)).to.equal(0);
  });

  it("isn't known from a file that is damaged, until it is replaced", () => {
    const folder = temporaryDirectory();
    writeFileSync(join(folder, CLOCK_MARK), "2026-13-45\n");
    expect(new ClockMark(folder, at(), NOW).ahead()).to.equal(Infinity);
    expect(readFileSync(join(folder, CLOCK_MARK), "utf8")).to.equal("2026-13-45\n");
    trustClock(folder, NOW);
    expect(new ClockMark(folder, at(), NOW).ahead()).to.equal(0);
  });
});
