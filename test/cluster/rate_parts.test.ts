import { expect } from "chai";
import fc from "fast-check";
import { RateParts } from "../../src/cluster/rate_parts.js";
import { JOINED, KNOWN_MS, LEASE_MS, RATE, life, mostInAMinute, type Life } from "./rates.js";

const LIFE: fc.Arbitrary<Life> = fc.record({
  from_s: fc.integer({ min: 0, max: 200 }),
  for_s: fc.integer({ min: 10, max: 420 }),
  lag_ms: fc.integer({ min: 0, max: LEASE_MS }),
  cut: fc.record({ feed: fc.constantFrom(0, 1), from_s: fc.integer({ min: 0, max: 300 }), for_s: fc.integer({ min: 0, max: 300 }) }),
});
describe("parts of a rate", function () {
  this.timeout(60_000);

  it("are as many as there are nodes, and one where there is one", () => {
    const clock = { now: 0 };
    const parts = new RateParts({ monotonic: () => clock.now }, { node: "a", lease_ms: LEASE_MS, feeds: 2 });
    const counts: number[] = [];
    for (const others of [[], ["b"], ["b", "c"], ["b"], []]) {
      for (const until = clock.now + 2 * KNOWN_MS; clock.now < until; clock.now += 400)
        for (const feed of [0, 1]) for (const node of ["a", ...others]) parts.seen(feed, node);
      counts.push(parts.count);
    }
    expect(counts).to.deep.equal([1, 2, 3, 2, 1]);
  });

  it("are none for a node that has just joined, and none before its first tick", () => {
    const clock = { now: 0 };
    const parts = new RateParts({ monotonic: () => clock.now }, { node: "a", lease_ms: LEASE_MS, feeds: 2 });
    parts.seen(0, "b");
    clock.now = 10 * KNOWN_MS;
    expect(parts.count).to.equal(Infinity);
    const began = clock.now;
    for (; clock.now <= began + KNOWN_MS; clock.now += 400) {
      expect(parts.count).to.equal(Infinity);
      for (const feed of [0, 1]) for (const node of ["a", "b"]) parts.seen(feed, node);
    }
    expect(parts.count).to.equal(2);
  });

  it("stay with a node that is gone for as long as a feed is silent, which may have its ticks", () => {
    const clock = { now: 0 };
    const parts = new RateParts({ monotonic: () => clock.now }, { node: "a", lease_ms: LEASE_MS, feeds: 2 });
    for (; clock.now < 2 * KNOWN_MS; clock.now += 400) for (const feed of [0, 1]) for (const node of ["a", "b"]) parts.seen(feed, node);
    for (; clock.now < 10 * KNOWN_MS; clock.now += 400) parts.seen(0, "a");
    expect(parts.count).to.equal(2);
  });

  it("come to the whole rate and never to more, however nodes come, go, lag and are cut", () => {
    fc.assert(
      fc.property(fc.array(LIFE, { minLength: 1, maxLength: 4 }), (lives) => {
        expect(mostInAMinute(lives)).to.be.at.most(RATE);
      }),
      { numRuns: 60 },
    );
    expect([JOINED, [life({})], [life({}), life({}), life({})]].map((lives) => mostInAMinute(lives))).to.deep.equal([RATE, RATE, RATE]);
  });

  it("would come to more if a node began with its part at once", () => {
    expect(mostInAMinute(JOINED, RateParts, ({ count }) => (count === Infinity ? 2 : count))).to.be.above(RATE);
  });
});
