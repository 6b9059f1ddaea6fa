import { expect } from "chai";
import { FeedChain } from "../../src/cluster/chain.js";
import { Fleet, type FleetClaim } from "../../src/cluster/fleet.js";
import { ALONE_MS, Lease, type LeaseEnd, type NodeStart } from "../../src/cluster/lease.js";

/** Starts of one node, each after the feed had grown. */
const [start0, start1, start2] = [0, 1, 2].map((i): NodeStart => ({ incarnation: `i-${i}`, opened_at: i * 100 })) as [
  NodeStart,
  NodeStart,
  NodeStart,
];

/** Time that a test moves. */
class Hands {
  now = 0;
  wall_ms = 1_700_000_000_000;
  readonly monotonic = (): number => this.now;
  readonly wall = (): number => this.wall_ms;
  readonly timers = { after: () => () => undefined, every: () => () => undefined, turnEnd: () => undefined };

  pass(ms: number): void {
    this.now += ms;
    this.wall_ms += ms;
  }
}

describe("a lease", () => {
  let hands: Hands;
  let sent: number[];
  let ends: LeaseEnd[];
  let lease: Lease;
  beforeEach(() => {
    hands = new Hands();
    [sent, ends] = [[], []];
    lease = new Lease(
      { clock: hands, timers: hands.timers },
      { start: start1, lease_ms: 1000 },
      { send: (n) => sent.push(n), held: () => undefined, ended: (why) => ends.push(why) },
    );
    lease.start();
  });

  it("begins when its own tick has come back, and counts from when that was sent", () => {
    expect(lease.tenure).to.equal(null);
    hands.pass(300);
    lease.returned(0, start1, 1);
    expect(lease.tenure?.left_ms).to.equal(690);
    hands.pass(690);
    expect(lease.tenure).to.equal(null);
  });

  it("isn't renewed by a tick that comes after it is over, nor by an older one", () => {
    hands.pass(400);
    lease.tick();
    lease.returned(0, start1, 2);
    lease.returned(0, start1, 1);
    expect(lease.tenure?.left_ms).to.equal(990);
    hands.pass(2000);
    lease.tick();
    hands.pass(2000);
    lease.returned(0, start1, 3);
    expect(lease.tenure).to.equal(null);
  });

  it("begins again by the feed of all facts alone, once it is over: the second one doesn't carry everything", () => {
    lease.returned(0, start1, 1);
    hands.pass(1500);
    lease.tick();
    lease.returned(1, start1, 2);
    expect(lease.tenure).to.equal(null);
    lease.returned(0, start1, 2);
    expect(lease.tenure?.left_ms).to.equal(990);
  });

  it("isn't begun by a tick that was never sent", () => {
    lease.returned(0, start1, 7);
    expect(lease.tenure).to.equal(null);
  });

  it("begins by the feed of all facts, and is renewed by any", () => {
    lease.returned(1, start1, 1);
    expect(lease.tenure).to.equal(null);
    lease.tick();
    lease.returned(0, start1, 2);
    expect(lease.tenure).not.to.equal(null);
    hands.pass(500);
    lease.tick();
    lease.returned(1, start1, 3);
    expect(lease.tenure?.left_ms).to.equal(990);
  });

  it("is renewed by the second feed for as long as an election may take, and no longer", () => {
    lease.returned(0, start1, 1);
    const go = (feed: number): void => {
      hands.pass(200);
      lease.tick();
      lease.returned(feed, start1, lease.sent);
    };
    while (hands.now < ALONE_MS) go(1);
    expect(lease.tenure).not.to.equal(null);
    while (hands.now < ALONE_MS + 4000) go(1);
    expect(lease.tenure).to.equal(null);
    go(0);
    expect(lease.tenure).not.to.equal(null);
  });

  it("is over when the machine slept: the wall clock went on, the monotonic one didn't", () => {
    lease.returned(0, start1, 1);
    hands.wall_ms += 5000;
    expect(lease.tenure).to.equal(null);
  });

  it("runs on by the monotonic clock when the wall clock is set back by an hour", () => {
    lease.returned(0, start1, 1);
    hands.wall_ms -= 3_600_000;
    hands.pass(900);
    expect(lease.tenure?.left_ms).to.equal(90);
    hands.pass(90);
    expect(lease.tenure).to.equal(null);
  });

  it("ends for good when a process that started later has the same name, and not for one that started earlier", () => {
    lease.returned(0, start0, 40);
    lease.returned(0, start1, 1);
    lease.returned(0, start0, 41);
    expect(ends).to.deep.equal([]);
    lease.returned(0, start2, 1);
    expect([lease.tenure, lease.end, ends]).to.deep.equal([null, "node_name_taken", ["node_name_taken"]]);
    lease.tick();
    lease.returned(0, start1, 2);
    expect([lease.tenure, sent]).to.deep.equal([null, [1]]);
  });

  // A start reads no ticks from before it, and a tick may be under way while the other's first is stored.
  it("goes on in the later start whose own tick came before any of the earlier one", () => {
    lease.returned(0, start1, 1);
    lease.returned(0, start0, 41);
    expect([lease.end, lease.tenure !== null]).to.deep.equal([null, true]);
  });

  it("goes on in exactly one of two starts between which the feed didn't grow", () => {
    lease.returned(0, start1, 1);
    lease.returned(0, { ...start1, incarnation: "i-0" }, 5);
    expect(ends).to.deep.equal([]);
    lease.returned(0, { ...start1, incarnation: "i-2" }, 1);
    expect(ends).to.deep.equal(["node_name_taken"]);
  });
});

const LATER_MS = 1;

describe("a claim on the fleet", () => {
  let hands: Hands;
  let fleet: Fleet;
  const tick = (node: string, leaving = false, feed = 0, start = 1): void => {
    fleet.seen(feed, { node, incarnation: `${node}#${start}`, opened_at: start, leaving });
  };
  const landed = (node: string): { node: string; incarnation: string } => ({ node, incarnation: `${node}#1` });
  beforeEach(() => {
    hands = new Hands();
    fleet = new Fleet(hands, { lease_ms: 1000, feeds: 1 });
    hands.pass(1010);
  });

  it("holds when each node of which a tick was read before the change has acknowledged it", () => {
    for (const node of ["a", "b"]) tick(node);
    const claim = fleet.claim();
    claim.landed(landed("a"));
    expect(claim.holds, "before its commit").to.be.false;
    claim.committed(0);
    tick("c");
    expect(claim.state).to.deep.equal({ acknowledged: [{ node: "a", ms: 0 }], expired: [], waiting_for: ["b"] });
    hands.pass(7);
    claim.landed(landed("b"));
    expect([claim.holds, claim.state.acknowledged.at(-1)]).to.deep.equal([true, { node: "b", ms: 7 }]);
  });

  it("holds when a silent node's last tick before the change is as old as the lease, and no sooner", () => {
    tick("a");
    hands.pass(400);
    const claim = fleet.claim();
    claim.committed(0);
    hands.pass(609);
    // A tick from after the change was sent by a node that has read the change.
    tick("a");
    expect(claim.holds).to.be.false;
    hands.pass(1);
    expect([claim.holds, claim.state.expired]).to.deep.equal([true, ["a"]]);
  });

  it("isn't made in the first lease after a start, unless that has ended", () => {
    fleet = new Fleet(hands, { lease_ms: 1000, feeds: 1 });
    const claim = fleet.claim();
    claim.committed(0);
    expect(claim.state.waiting_for).to.deep.equal(["unknown"]);
    hands.pass(1010);
    expect(claim.holds).to.be.true;
  });

  it("doesn't wait for a node that has left, and waits for it when it is back", () => {
    tick("a");
    tick("a", true);
    tick("a");
    expect(fleet.live).to.deep.equal([]);
    tick("a", false, 0, 2);
    expect(fleet.live).to.deep.equal(["a"]);
    const claim = fleet.claim();
    claim.committed(0);
    claim.landed(landed("a"));
    expect(claim.state.waiting_for).to.deep.equal(["a"]);
  });

  describe("of a change that asks for more than to be read", () => {
    /** A claim on it, with each of these feeds read up to a tick that this node sent later. */
    const read = (...feeds: number[]): FleetClaim => {
      const claim = fleet.claim(() => true);
      for (const feed of feeds) claim.committed(feed);
      for (const feed of feeds) fleet.brought(feed, hands.monotonic() + LATER_MS);
      return claim;
    };

    it("isn't made by silence: a node may hold a lease, and not have done it", () => {
      tick("a");
      const claim = read(0);
      hands.pass(100_000);
      expect([claim.holds, claim.state.waiting_for, claim.state.expired]).to.deep.equal([false, ["a"], []]);
      claim.landed(landed("a"));
      expect(claim.holds).to.be.true;
    });

    it("is made without a node that was dismissed, once its lease is over", () => {
      tick("a");
      const claim = read(0);
      fleet.gone(0, "a#1");
      hands.pass(1009);
      expect(claim.state.waiting_for, "it may allow until then").to.deep.equal(["a"]);
      hands.pass(1);
      expect([claim.holds, claim.state.expired]).to.deep.equal([true, ["a"]]);
    });

    it("is made when a later start of a node has done it, and the lease of the earlier one is over", () => {
      tick("a");
      const claim = read(0);
      claim.landed({ node: "a", incarnation: "a#2" });
      hands.pass(1010);
      expect(claim.holds, "the earlier one may go on until it reads of the later one").to.be.false;
      tick("a", false, 0, 2);
      expect([claim.holds, claim.state.expired]).to.deep.equal([true, []]);
    });

    it("isn't made by an earlier start of a node that has done it", () => {
      tick("a", false, 0, 1);
      tick("a", false, 0, 2);
      const claim = read(0);
      claim.landed({ node: "a", incarnation: "a#1" });
      hands.pass(5000);
      expect([claim.holds, claim.state.waiting_for]).to.deep.equal([false, ["a"]]);
    });

    it("waits for the lease that a node has by ticks from after the change, which it needn't have read before them", () => {
      tick("a");
      const claim = read(0);
      hands.pass(600);
      tick("a");
      tick("a", false, 0, 2);
      claim.landed({ node: "a", incarnation: "a#2" });
      hands.pass(1009);
      expect([claim.holds, claim.state.waiting_for]).to.deep.equal([false, ["a"]]);
      hands.pass(1);
      expect(claim.holds).to.be.true;
    });

    it("waits for a node that it has seen for the first time after the change", () => {
      const claim = read(0);
      tick("a");
      hands.pass(5000);
      expect([claim.holds, claim.state.waiting_for]).to.deep.equal([false, ["a"]]);
      claim.landed(landed("a"));
      expect(claim.holds).to.be.true;
    });

    it("isn't made before each feed has brought a tick that this node sent after it had read the change", () => {
      fleet = new Fleet(hands, { lease_ms: 1000, feeds: 2 });
      hands.pass(1010);
      const claim = fleet.claim(() => true);
      const found: unknown[] = [];
      const brought = (feed: number): void => {
        fleet.brought(feed, hands.monotonic());
        found.push(claim.state.waiting_for);
      };
      for (const feed of [0, 1]) claim.committed(feed);
      for (const feed of [0, 1]) brought(feed);
      hands.pass(LATER_MS);
      for (const feed of [0, 1]) brought(feed);
      expect([found, claim.holds]).to.deep.equal([[["unknown"], ["unknown"], ["unknown"], []], true]);
    });

    it("isn't made soon after a start before that holds for a tick from after the time of a lease", () => {
      fleet = new Fleet(hands, { lease_ms: 1000, feeds: 1 });
      const claim = read(0);
      hands.pass(1010 + LATER_MS);
      expect([claim.holds, claim.state.waiting_for]).to.deep.equal([false, ["unknown"]]);
      fleet.brought(0, hands.monotonic());
      expect(claim.holds).to.be.true;
    });

    it("is asked whether it is one once it is read: another's acknowledgement may be here before", () => {
      let isWork = false;
      tick("a");
      const claim = fleet.claim(() => isWork);
      claim.landed(landed("b"));
      isWork = true;
      claim.committed(0);
      hands.pass(5000);
      fleet.brought(0, hands.monotonic());
      expect(claim.holds).to.be.false;
    });

    it("remembers for good who has left, and who was replaced", () => {
      tick("a");
      tick("b");
      const claim = read(0);
      tick("a", true);
      tick("b", false, 0, 2);
      claim.landed({ node: "b", incarnation: "b#2" });
      hands.pass(2000);
      expect(claim.holds).to.be.true;
      hands.pass(1_000_000);
      tick("c");
      claim.landed(landed("c"));
      expect(claim.holds).to.be.true;
    });

    it("counts a node as dismissed once both feeds say so: it may go on by the one that doesn't yet", () => {
      fleet = new Fleet(hands, { lease_ms: 1000, feeds: 2 });
      hands.pass(1010);
      tick("a");
      const claim = read(0, 1);
      fleet.gone(0, "a#1");
      hands.pass(5000);
      expect(claim.holds).to.be.false;
      fleet.gone(1, "a#1");
      expect(claim.holds).to.be.true;
    });
  });

  it("needs the commit in both feeds", () => {
    fleet = new Fleet(hands, { lease_ms: 1000, feeds: 2 });
    hands.pass(1010);
    const claim = fleet.claim();
    claim.committed(0);
    claim.committed(0);
    expect(claim.holds).to.be.false;
    claim.committed(1);
    expect(claim.holds).to.be.true;
  });
});

describe("the chain over the feed", () => {
  const change = (revision: number, value: number) => ({
    ...{ revision, key: "k", value, by: "tests", time: "2026-03-03T10:15:00Z", reason: null, change: "set" },
  });
  const chainOf = (...changes: [revision: number, value: number][]): FeedChain => {
    const chain = new FeedChain();
    for (const one of changes) chain.add(change(...one));
    return chain;
  };

  it("is equal for equal feeds, and for the part that both have", () => {
    const [long, short] = [chainOf([1, 1], [4, 2], [5, 3]), chainOf([1, 1], [4, 2])];
    expect(long.differsFrom(short.last)).to.be.false;
    expect(short.differsFrom(long.last)).to.be.false;
    expect(chainOf().differsFrom(long.last)).to.be.false;
    expect(long.differsFrom(chainOf().last)).to.be.false;
  });

  const others: [what: string, changes: [number, number][]][] = [
    [
      "another value",
      [
        [1, 1],
        [4, 9],
      ],
    ],
    ["a change that is missing", [[4, 2]]],
    [
      "a change in a hole",
      [
        [1, 1],
        [3, 2],
      ],
    ],
    [
      "another order",
      [
        [1, 2],
        [4, 1],
      ],
    ],
  ];
  for (const [what, changes] of others)
    it(`differs for ${what}`, () => {
      expect(chainOf([1, 1], [4, 2], [5, 3]).differsFrom(chainOf(...changes).last)).to.be.true;
    });
});
