import { expect } from "chai";
import { isInShare } from "../../src/policy/staging.js";
import { BEHIND_MS, BundleNode, digestOf, identity, named, turns } from "./bundle_node.js";

describe("the bundle that a cluster's feed names", () => {
  let node: BundleNode;
  beforeEach(() => {
    node = new BundleNode();
  });

  it("is fetched and activated, and that is told once it decides", async () => {
    node.store(2);
    node.feed.take(named(2), 10);
    expect([node.feed.isPending(10), node.feed.isBehind], "within its time").to.deep.equal([true, false]);
    await node.feed.attempted();
    expect([node.running?.sequence, node.done, node.feed.isPending(10)]).to.deep.equal([2, [10], false]);
    expect(node.feed.status).to.deep.include({ sequence: 2, facts_revision: 10, behind_ms: null, failing: null });
  });

  it("isn't fetched where it runs already, or was published here", async () => {
    node.feed.take(named(1), 10);
    node.archives.give(digestOf(2), Buffer.from([2]));
    node.feed.take(named(2), 11);
    await node.feed.attempted();
    expect([node.fetched, node.done, node.running?.sequence]).to.deep.equal([0, [10, 11], 2]);
  });

  it("is tried again until it can be had, and told of once for each reason", async () => {
    node.feed.take(named(2), 10);
    await turns();
    node.store(2);
    node.refuses = "keys_unreadable";
    await node.pass(250);
    await node.pass(500);
    expect([node.failing, node.done, node.running?.sequence]).to.deep.equal([["bundle_unreachable", "keys_unreadable"], [], 1]);
    node.refuses = null;
    await node.pass(60_000);
    expect([node.done, node.running?.sequence, node.feed.isBehind, node.feed.status?.failing]).to.deep.equal([[10], 2, false, null]);
  });

  it("may be missing for as long as is allowed; after that nothing may be allowed", async () => {
    node.feed.take(named(2), 10);
    await turns();
    await node.pass(BEHIND_MS);
    expect(node.feed.isBehind).to.equal(false);
    await node.pass(1);
    expect(node.feed.isBehind).to.equal(true);
  });

  it("counts the time from the first that was missed: naming one after the other buys none", async () => {
    for (const sequence of [2, 3, 4]) {
      node.feed.take(named(sequence), sequence);
      await turns();
      await node.pass(BEHIND_MS / 2);
    }
    expect([node.feed.isBehind, node.feed.status?.behind_ms]).to.deep.equal([true, 1.5 * BEHIND_MS]);
    node.store(4);
    await node.pass(60_000);
    expect([node.done, node.feed.isBehind], "the last stands for all").to.deep.equal([[2, 3, 4], false]);
  });

  for (const [when, miss] of [
    [
      "when it was named while no lease was held, as at a start",
      (one: BundleNode): void => {
        one.holdsLease = false;
        one.feed.take(named(2), 10);
      },
    ],
    [
      "when a lease has begun since, as after a freeze",
      (one: BundleNode): void => {
        one.feed.take(named(2), 10);
        one.feed.leaseBegan();
      },
    ],
  ] as const)
    it(`may not be missing at all ${when}`, async () => {
      miss(node);
      await turns();
      expect(node.feed.isBehind).to.equal(true);
      node.store(2);
      node.holdsLease = true;
      await node.pass(250);
      expect(node.feed.isBehind).to.equal(false);
    });

  it("takes nobody back: a node with a later one goes on with it, and acknowledges nothing", async () => {
    node.running = identity(5);
    node.refuses = "bundle_older";
    node.store(2);
    node.feed.take(named(2), 10);
    await turns();
    await node.pass(10 * BEHIND_MS);
    expect([node.feed.isBehind, node.feed.isPending(10), node.running.sequence, node.failing]).to.deep.equal([
      false,
      true,
      5,
      ["bundle_older"],
    ]);
  });

  it("isn't what lies under its name where that is another bundle", async () => {
    node.store(3, digestOf(2));
    node.feed.take(named(2), 10);
    await node.feed.attempted();
    expect([node.running?.sequence, node.failing]).to.deep.equal([1, ["bundle_not_named"]]);
  });

  for (const digest of ["", "sha256:", "../../etc/passwd", digestOf(2).toUpperCase(), `${digestOf(2)}0`])
    it(`is looked for nowhere by \`${digest}\`, which is no digest`, async () => {
      node.store(2, digest);
      node.feed.take(named(2, digest), 10);
      await node.feed.attempted();
      expect([node.fetched, node.running?.sequence]).to.deep.equal([0, 1]);
    });

  it("is the latest in the order of the feed, whatever comes again", async () => {
    node.store(2);
    node.store(3);
    node.feed.take(named(3), 11);
    node.feed.take(named(2), 10);
    await node.feed.attempted();
    expect([node.running?.sequence, node.feed.digest]).to.deep.equal([3, digestOf(3)]);
  });

  it("is no longer tried for once the service stops", async () => {
    node.feed.take(named(2), 10);
    await turns();
    node.feed.close();
    node.store(2);
    await node.pass(60_000);
    expect(node.running?.sequence).to.equal(1);
  });
});

describe("a share of the agents", () => {
  it("is the same on every node: it follows from the agent's id and the percentage alone", () => {
    const share = (percent: number): number[] => Array.from({ length: 20 }, (_, i) => i).filter((i) => isInShare(`support-${i}`, percent));
    // Fixed, so that versions agree too: of nodes in the middle of an upgrade as well.
    expect(share(10)).to.deep.equal([]);
    expect(share(50)).to.deep.equal([1, 4, 7, 8, 9, 12, 14, 15, 18, 19]);
    for (const [less, more] of [
      [10, 50],
      [50, 90],
    ] as const)
      expect(share(more)).to.include.members(share(less));
  });
});
