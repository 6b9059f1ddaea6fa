import { expect } from "chai";
import type { ActivePolicy } from "../../src/decision/ports.js";
import { watchExpiry } from "../../src/policy/expiry.js";
import { policyOf } from "../decision/world.js";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const EXPIRES_MS = Date.UTC(2026, 5, 1);

describe("watching a bundle's expiry", () => {
  let active: ActivePolicy | null;
  let wall_ms: number;
  let passed_ms: number;
  let looks: { every_ms: number; look: () => void }[];
  /** Days that were left each time it told. */
  let told: number[];
  let stop: () => void;

  beforeEach(() => {
    active = expiring(EXPIRES_MS);
    [wall_ms, passed_ms, looks, told] = [EXPIRES_MS - 30 * DAY_MS, 0, [], []];
  });

  function expiring(expires_ms: number | null, digest = "sha256:1"): ActivePolicy {
    const policy = policyOf(() => null);
    return { ...policy, identity: { ...policy.identity, digest }, expires_ms };
  }

  function watch(): void {
    const engine = {
      get active() {
        return active;
      },
    };
    const clock = { wall: () => wall_ms, monotonic: () => passed_ms };
    const timers = {
      every: (every_ms: number, look: () => void) => {
        looks.push({ every_ms, look });
        return () => (looks = []);
      },
      after: () => () => undefined,
      turnEnd: () => undefined,
    };
    stop = watchExpiry(engine, { clock, timers }, ({ identity, expires_ms, left_ms }) => {
      expect(identity).to.equal(active?.identity);
      expect(expires_ms).to.equal(active?.expires_ms);
      told.push(left_ms / DAY_MS);
    });
  }

  function pass(ms: number, step = HOUR_MS): void {
    for (let done = 0; done < ms; done += step) {
      wall_ms += step;
      passed_ms += step;
      for (const { look } of looks) look();
    }
  }

  it("is silent until 14 days before, tells once a day, and at once when it has expired", () => {
    watch();
    pass(16 * DAY_MS - HOUR_MS);
    expect(told).to.deep.equal([]);
    pass(14 * DAY_MS + HOUR_MS);
    expect(told).to.deep.equal([14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0]);
    pass(2 * DAY_MS);
    expect(told.slice(15)).to.deep.equal([-1, -2]);
  });

  it("tells of an expiry between two days' warnings within a minute", () => {
    wall_ms = EXPIRES_MS - 90 * MINUTE_MS;
    watch();
    expect(looks.map(({ every_ms }) => every_ms)).to.deep.equal([MINUTE_MS]);
    pass(2 * HOUR_MS, MINUTE_MS);
    expect(told).to.deep.equal([90 / (24 * 60), 0]);
  });

  it("tells at once where it starts on a bundle about to expire, or expired", () => {
    for (const days of [3, 0, -3]) {
      wall_ms = EXPIRES_MS - days * DAY_MS;
      watch();
    }
    expect(told).to.deep.equal([3, 0, -3]);
  });

  it("tells of each bundle, and no more of one that was replaced", () => {
    wall_ms = EXPIRES_MS - 2 * DAY_MS;
    watch();
    active = expiring(EXPIRES_MS + DAY_MS, "sha256:2");
    pass(HOUR_MS);
    active = expiring(EXPIRES_MS + 365 * DAY_MS, "sha256:3");
    pass(20 * DAY_MS);
    expect(told.map(Math.ceil)).to.deep.equal([2, 3]);
  });

  it("tells nothing of a bundle without an end, nor of none", () => {
    for (const one of [null, expiring(null)]) {
      active = one;
      wall_ms = EXPIRES_MS + DAY_MS;
      watch();
      pass(DAY_MS);
    }
    expect(told).to.deep.equal([]);
  });

  it("counts the day by the monotonic clock, wherever the wall's jumps", () => {
    wall_ms = EXPIRES_MS - 3 * DAY_MS;
    watch();
    for (const jump of [DAY_MS, -DAY_MS, DAY_MS]) {
      wall_ms += jump;
      pass(HOUR_MS);
    }
    expect(told.length).to.equal(1);
  });

  it("ends when it is told to", () => {
    wall_ms = EXPIRES_MS - DAY_MS;
    watch();
    stop();
    expect(looks).to.deep.equal([]);
  });
});
