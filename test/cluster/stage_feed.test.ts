import { expect } from "chai";
import { BundleNode, digestOf, identity, named, staged, turns } from "./bundle_node.js";

describe("the bundle that a cluster's feed has all nodes try", () => {
  let node: BundleNode;
  beforeEach(() => {
    node = new BundleNode();
  });
  const on = (sequence: number, share = 10): { digest: string; share: number } => ({ digest: digestOf(sequence), share });
  /** Takes a change of the feed as a service does. */
  const take = (change: ReturnType<typeof named>, revision: number): void => {
    node.feed.take(change, revision);
    node.stages.take(change, revision);
  };

  it("is fetched and tried beside the named one, and that is told once it is", async () => {
    node.store(2);
    take(staged(2), 10);
    expect([node.stages.isPending(10), node.stage]).to.deep.equal([true, null]);
    await node.stages.attempted();
    expect([node.stage, node.stageDone, node.stages.isPending(10), node.running?.sequence]).to.deep.equal([on(2), [10], false, 1]);
    expect(node.stages.status).to.deep.include({ sequence: 2, share: 10, failing: null });
  });

  it("is tried once the named one decides, and not beside an earlier one", async () => {
    for (const sequence of [2, 3]) node.store(sequence);
    node.refuses = "keys_unreadable";
    const change = { ...staged(3), ...named(2), staged: staged(3).staged };
    take(change, 10);
    await node.pass(250);
    expect([node.stage, node.stages.isPending(10), node.stageFailing], "it decides by the first yet").to.deep.equal([null, true, []]);
    node.refuses = null;
    await node.pass(60_000);
    expect([node.running?.sequence, node.stage, node.stages.isPending(10)]).to.deep.equal([2, on(3), false]);
  });

  it("decides for as many as the last change says", async () => {
    node.store(2);
    for (const [revision, share] of [
      [10, 0],
      [11, 10],
      [12, 50],
    ] as const) {
      take(staged(2, share), revision);
      await node.stages.attempted();
      expect([node.stage, node.stages.isPending(revision)]).to.deep.equal([on(2, share), false]);
    }
    take(staged(2, 10), 11);
    await turns();
    expect(node.stage, "an earlier change").to.deep.equal(on(2, 50));
  });

  it("is tried by nobody any more once the feed has none", async () => {
    node.store(2);
    take(staged(2), 10);
    await node.stages.attempted();
    take(named(1), 11);
    expect([node.stage, node.stageDone, node.stages.status]).to.deep.equal([null, [10, 11], null]);
  });

  it("goes on being tried beside the earlier one until the next named one decides", async () => {
    node.store(2);
    take(staged(2), 10);
    await node.stages.attempted();
    take(named(3), 11);
    await turns();
    expect([node.stage, node.running?.sequence], "nobody has the third").to.deep.equal([on(2), 1]);
    node.store(3);
    await node.pass(60_000);
    expect([node.stage, node.running?.sequence]).to.deep.equal([null, 3]);
  });

  it("is looked for again until it can be had, told of once for each reason, and acknowledged only then", async () => {
    take(staged(2), 10);
    await turns();
    node.store(2);
    node.refuses = "stage_vocabulary";
    await node.pass(250);
    await node.pass(500);
    expect([node.stageFailing, node.stageDone, node.stages.isPending(10)]).to.deep.equal([
      ["bundle_unreachable", "stage_vocabulary"],
      [],
      true,
    ]);
    expect([node.stages.status?.failing?.code, node.feed.isBehind], "nothing is denied for it").to.deep.equal(["stage_vocabulary", false]);
    node.refuses = null;
    await node.pass(60_000);
    expect([node.stage, node.stageDone, node.stages.status?.failing]).to.deep.equal([on(2), [10], null]);
  });

  it("isn't what lies under its name where that is another bundle", async () => {
    node.store(3, digestOf(2));
    take(staged(2), 10);
    await node.stages.attempted();
    expect([node.stage, node.stageFailing]).to.deep.equal([null, ["bundle_not_named"]]);
  });

  for (const digest of ["", "../../etc/passwd", `${digestOf(2)}0`])
    it(`is looked for nowhere by \`${digest}\`, which is no digest`, async () => {
      node.store(2, digest);
      take(staged(2, 10, digest), 10);
      await node.stages.attempted();
      expect([node.fetched, node.stage]).to.deep.equal([0, null]);
    });

  it("is tried again by a node on which the same bundle became active once more", async () => {
    node.store(2);
    take(staged(2), 10);
    await node.stages.attempted();
    node.activate(identity(1));
    expect(node.stage).to.equal(null);
    await node.stages.attempted();
    expect(node.stage).to.deep.equal(on(2));
  });

  it("isn't begun again where its stage has ended by itself, until somebody stages it anew", async () => {
    node.store(2);
    take(staged(2), 10);
    await node.stages.attempted();
    node.stage = null;
    node.stages.ended(digestOf(2));
    node.stages.look();
    await node.pass(60_000);
    expect([node.stage, node.stages.isPending(10)]).to.deep.equal([null, false]);
    take(staged(2), 11);
    await node.stages.attempted();
    expect(node.stage).to.deep.equal(on(2));
  });

  it("is no longer looked for once the service stops", async () => {
    take(staged(2), 10);
    await turns();
    node.stages.close();
    node.store(2);
    await node.pass(60_000);
    expect(node.stage).to.equal(null);
  });
});
