import { expect } from "chai";
import type { LinkMessage } from "../../src/cluster/link.js";
import type { LeaseEnd } from "../../src/cluster/lease.js";
import { Member } from "../../src/cluster/member.js";
import type { ChainLink } from "../../src/cluster/chain.js";
import type { Change, FeedTaker, Mark } from "../../src/store/store.js";

/** Feed of one cluster, which each of its nodes reads in the turn in which something is added. */
class Feed {
  readonly #takers: FeedTaker[] = [];
  readonly items: (Change | Mark)[] = [];

  follow(_after: number, take: FeedTaker): () => void {
    this.#takers.push(take);
    take([...this.items]);
    return () => undefined;
  }

  mark(mark: Mark): void {
    this.add(mark);
  }

  add(item: Change | Mark): void {
    this.items.push(item);
    for (const take of this.#takers) take([item]);
  }
}

const change = (revision: number, reason = "test"): Change => ({
  ...{ revision, key: `agent/a-${revision}`, value: null, by: "ops", time: "2026-01-01T00:00:00.000Z", reason, change: "revoked" },
});

describe("a member of a cluster", () => {
  let now: number;
  let feed: Feed;
  let takers: ((text: string) => void)[];
  beforeEach(() => {
    now = 0;
    feed = new Feed();
    takers = [];
  });

  interface Joined {
    member: Member;
    ends: LeaseEnd[];
    holds: unknown[];
    say: (text: string) => void;
  }

  function join(
    node: string,
    { nodes_max = 2, before = null, from = feed }: { nodes_max?: number; before?: ChainLink | null; from?: Feed } = {},
  ): Joined {
    const [ends, holds]: [LeaseEnd[], unknown[]] = [[], []];
    const say = (text: string): void => {
      for (const take of takers) take(text);
    };
    const member = new Member(
      {
        store: from,
        link: {
          send: (message: LinkMessage) => {
            say(JSON.stringify(message));
          },
          receive: (take) => {
            takers.push(take);
            return () => undefined;
          },
        },
        system: {
          clock: { monotonic: () => now, wall: () => 1_700_000_000_000 + now },
          timers: { after: () => () => undefined, every: () => () => undefined, turnEnd: () => undefined },
        },
        revision: () => Number.MAX_SAFE_INTEGER,
        landed: () => Promise.resolve(),
        bundle: () => null,
        hold: (hold) => holds.push(hold),
        before,
        events: { held: () => undefined, ended: (why) => ends.push(why), claimed: () => undefined },
      },
      { node, start: { incarnation: `${node}-1`, opened_at: 0 }, lease_ms: 1000, fleet_within_ms: 100, nodes_max, version: "1" },
    );
    member.start();
    return { member, ends, holds, say };
  }

  it("allows with as many nodes as the cluster may have, and every node stops with one more", () => {
    const [one, two] = [join("n-1"), join("n-2")];
    expect([one, two].map(({ member }) => member.tenure !== null)).to.deep.equal([true, true]);
    const three = join("n-3");
    for (const { member, ends } of [one, two, three]) {
      expect(ends).to.deep.equal(["cluster_too_large"]);
      expect(member.tenure).to.equal(null);
    }
  });

  it("isn't too large by a node that is away: one takes the place of another whose lease is over", () => {
    const one = join("n-1");
    join("n-2");
    now += 5000;
    one.member.lease.tick();
    join("n-3");
    expect(one.ends).to.deep.equal([]);
    expect(one.member.live).to.deep.equal(["n-1", "n-3"]);
  });

  it("stops where another node has read another feed, and so does that one", () => {
    const other = new Feed();
    const one = join("n-1");
    const two = join("n-2", { from: other });
    feed.add(change(1));
    other.add(change(1, "something else"));
    one.member.lease.tick();
    two.member.lease.tick();
    const ticks = [feed, other].map(({ items }) => items.at(-1) as Mark);
    feed.add(ticks[1] as Mark);
    other.add(ticks[0] as Mark);
    expect([one.ends, two.ends]).to.deep.equal([["feed_forked"], ["feed_forked"]]);
  });

  it("stops where the feed isn't the one that an earlier start has read", () => {
    feed.add(change(1));
    const first = join("n-1");
    const { chain } = first.member;
    const again = new Feed();
    again.add(change(1, "rewritten"));
    expect(join("n-1", { before: chain, from: again }).ends).to.deep.equal(["feed_forked"]);
    expect(join("n-1", { before: chain }).ends).to.deep.equal([]);
  });

  it("takes what another node holds, and nothing of what isn't a message", () => {
    const hold = {
      key: "revocation/agent/a-1",
      base: 3,
      value: { v: 1 },
      change: "revoked",
      by: "ops",
      time: "2026-01-01T00:00:00Z",
      reason: null,
    };
    const [one, two] = [join("n-1"), join("n-2")];
    one.member.tell(hold);
    expect(two.holds).to.deep.equal([{ kind: "hold", ...hold }]);
    const bad = [
      "",
      "null",
      "[]",
      '"hold"',
      "{",
      JSON.stringify({ kind: "hold" }),
      JSON.stringify({ kind: "hold", ...hold, key: 1 }),
      JSON.stringify({ kind: "hold", ...hold, base: -1 }),
      JSON.stringify({ kind: "hold", ...hold, base: 0.5 }),
      JSON.stringify({ kind: "hold", ...hold, by: "" }),
      JSON.stringify({ kind: "release", ...hold }),
      JSON.stringify({ kind: "landed", revision: 1, node: "n-1" }),
      JSON.stringify({ kind: "ask", revision: "1" }),
    ];
    for (const text of bad) {
      one.say(text);
      expect(two.holds, text).to.have.lengthOf(1);
    }
  });

  it("takes no tick that isn't one for its own", () => {
    const one = join("n-1");
    now += 5000;
    expect(one.member.tenure).to.equal(null);
    const { value } = feed.items.at(-1) as Mark;
    for (const wrong of [
      null,
      [],
      "x",
      {},
      { ...(value as object), applied: -1 },
      { ...(value as object), chain: "x" },
      { ...(value as object), incarnation: "" },
    ])
      feed.add({ by: "n-1", n: one.member.lease.sent, value: wrong as Mark["value"] });
    expect([one.member.tenure, one.ends]).to.deep.equal([null, []]);
  });
});
