import { expect } from "chai";
import { compileGrantEntry } from "../../src/bundle/grant_entry.js";
import { outside } from "../../src/client/outside.js";
import { Feed } from "../../src/embedded/feed.js";
import { sleep, system } from "../../src/system/index.js";
import { AGE_MS, FollowedNode } from "./followed_node.js";

/** Milliseconds in which something comes about on a machine that is busy with other things. */
const PATIENCE_MS = 20_000;
describe("facts that follow a node of a cluster", () => {
  let node: FollowedNode;
  let feed: Feed;
  let refused: string[];
  const until = async (holds: () => boolean, what: string): Promise<void> => {
    const began = performance.now();
    while (!holds()) {
      if (performance.now() - began > PATIENCE_MS) throw new Error(`${what}: not within ${PATIENCE_MS} ms; ${refused.join("; ")}`);
      await sleep(5);
    }
  };

  beforeEach(() => {
    [node, refused] = [new FollowedNode(), []];
    const events = { live: () => undefined, silent: () => undefined, refused: (detail: string) => refused.push(detail) };
    const options = { age_ms_max: AGE_MS, behind_ms_max: 60_000, head_ms: 2000 };
    feed = new Feed(
      node,
      outside,
      system,
      () => null,
      compileGrantEntry,
      options,
      () => null,
      events,
    );
    feed.start();
  });
  afterEach(() => {
    feed.close();
    node.close();
  });

  it("are as new as the last question that has come back, and stay so", async () => {
    await until(() => !feed.facts.stale, "they are current");
    const { length } = node.asked;
    await until(() => node.asked.length > length + 8, "many more have been asked");
    expect(feed.facts.stale).to.equal(false);
    expect(new Set(node.asked.map(({ nonce }) => nonce)).size).to.equal(node.asked.length);
  });

  for (const echoes of ["never", "late"] as const)
    it(`are stale although something is heard all the time, where what was asked comes back ${echoes}`, async () => {
      await until(() => !feed.facts.stale, "they are current");
      node.echoes = echoes;
      await until(() => feed.facts.stale, "they are stale");
      const { length } = node.asked;
      await until(() => node.asked.length > length + 8 || node.opened > 1, "more has been asked");
      expect(feed.facts.stale).to.equal(true);
    });

  it("rise by any number, and are refused where a change is missing", async () => {
    await until(() => feed.live, "it is followed");
    node.revision = 19;
    node.fact(19, "agent/a-2");
    await until(() => feed.registry.revision === 19, "the change is known");
    expect(refused).to.deep.equal([]);
    node.claims = 23;
    await until(() => refused.length > 0, "it is refused");
    expect(refused[0]).to.equal("the service is at revision 23, and 19 is known");
  });

  it("are refused where they would go back", async () => {
    await until(() => feed.live, "it is followed");
    node.fact(7, "agent/a-2");
    await until(() => refused.length > 0, "it is refused");
    expect(refused[0]).to.equal("revision 7 comes after 7");
  });

  it("aren't those of a node that is behind the one before, but of one with another feed", async () => {
    node.revision = 30;
    node.fact(30, "agent/a-2");
    await until(() => feed.sharedRevision === 30, "the change is known");
    node.revision = 25;
    node.claims = 1;
    await until(() => refused.some((detail) => detail === "the node is at revision 25, and another was at 30"), "it is refused");
    expect(feed.facts.revision).to.equal(30);
    node.claims = null;
    node.feed = "feed-2";
    await until(() => feed.live && feed.registry.revision === 25, "the other feed is followed");
  });
});
