import { expect } from "chai";
import type { LinkMessage } from "../../src/cluster/link.js";
import type { LeaseEnd } from "../../src/cluster/lease.js";
import { Member } from "../../src/cluster/member.js";
import { FeedRead } from "../../src/cluster/feed_read.js";
import type { DecidingBundle } from "../../src/cluster/bundles.js";
import type { NodeStage } from "../../src/cluster/stage_feed.js";
import type { ChainLink } from "../../src/cluster/chain.js";
import { isChange, type Change, type Mark } from "../../src/store/store.js";
import { without } from "../../src/system/without.js";
import { Feed } from "./feed.js";

const change = (revision: number, reason = "test"): Change => ({
  ...{ revision, key: `agent/a-${revision}`, value: null, by: "ops", time: "2026-01-01T00:00:00.000Z", reason, change: "revoked" },
});

describe("a member of a cluster", () => {
  let now: number;
  let feed: Feed;
  let second: Feed;
  let takers: ((text: string) => void)[];
  /** Facts revision in memory. */
  let applied: number;
  beforeEach(() => {
    now = 0;
    [feed, second] = [new Feed(), new Feed()];
    takers = [];
    applied = Number.MAX_SAFE_INTEGER;
  });

  interface Joined {
    member: Member;
    ends: LeaseEnd[];
    holds: unknown[];
    /** Restrictions that the second feed has brought. */
    ahead: number[];
    /** Changes that were told to be in force on the whole fleet. */
    claimed: number[];
    say: (text: string) => void;
  }

  function join(
    node: string,
    {
      nodes_max = 2,
      before = null,
      from = feed,
      incarnation = `${node}-1`,
      bundle = null,
      staged = null,
      read = new FeedRead(before),
    }: {
      nodes_max?: number;
      before?: ChainLink | null;
      from?: Feed;
      incarnation?: string;
      bundle?: DecidingBundle | null;
      staged?: NodeStage | null;
      read?: FeedRead;
    } = {},
  ): Joined {
    const { copies } = from === feed ? second : new Feed();
    const [ends, holds, ahead, claimed]: [LeaseEnd[], unknown[], number[], number[]] = [[], [], [], []];
    const say = (text: string): void => {
      for (const take of takers) take(text);
    };
    const member = new Member(
      {
        store: from,
        copies,
        isCopied: (one) => one.change === "revoked",
        isWork: (one) => one.key.startsWith("bundle/"),
        holdAhead: (one) => {
          ahead.push(one.revision);
          return one.change === "revoked";
        },
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
        revision: () => applied,
        landed: () => Promise.resolve(),
        bundle: () => bundle,
        staged: () => staged,
        hold: (hold) => holds.push(hold),
        read,
        events: { held: () => undefined, ended: (why) => ends.push(why), claimed: (revision) => claimed.push(revision) },
      },
      { node, start: { incarnation, opened_at: from.items.length }, lease_ms: 1000, fleet_within_ms: 100, nodes_max, version: "1" },
    );
    member.start();
    return { member, ends, holds, ahead, claimed, say };
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

  /** What a start has read of the feed before its member begins, as a service keeps it. */
  const readBefore = (before: ChainLink | null = null): FeedRead => {
    const read = new FeedRead(before);
    for (const item of feed.items) if (isChange(item)) read.past(item, item.change === "revoked" || item.key.startsWith("bundle/"));
    return read;
  };

  it("knows of a feed that its start has read what it would know by reading it itself", () => {
    for (const revision of [1, 2, 3]) feed.add({ ...change(revision), ...(revision === 2 && { change: "agent_created" }) });
    second.add(change(1));
    const itself = join("n-1");
    const told = join("n-2", { read: readBefore() });
    expect([told.member.chain, told.member.missing]).to.deep.equal([itself.member.chain, 1]);
    feed.add(change(4));
    second.add(change(4));
    expect([told.member.chain, told.member.missing]).to.deep.equal([itself.member.chain, 1]);
    now += 1000;
    told.member.lease.tick();
    expect(
      second.copied.map(({ revision }) => revision),
      "what the second feed lacks of that",
    ).to.deep.equal([3]);
    expect([itself.ends, told.ends]).to.deep.equal([[], []]);
  });

  it("stops where what its start has read isn't what an earlier start has read, whether in it or behind it", () => {
    for (const revision of [1, 2]) feed.add(change(revision));
    const { chain } = join("n-1").member;
    expect(join("n-1", { read: readBefore(chain) }).ends).to.deep.equal([]);
    expect(join("n-1", { read: readBefore({ ...chain, chain: "f".repeat(64) }) }).ends).to.deep.equal(["feed_forked"]);
    const behind = join("n-1", { read: readBefore({ revision: 3, chain: "f".repeat(64) }) });
    expect(behind.ends, "not there yet").to.deep.equal([]);
    feed.add(change(3));
    expect(behind.ends).to.deep.equal(["feed_forked"]);
  });

  it("finds out how a change stands that was made before it began, when somebody asks", async () => {
    const two = join("n-2");
    feed.add(change(1));
    second.add(change(1));
    const one = join("n-1", { read: readBefore() });
    const sent: string[] = [];
    takers.push((text) => sent.push(text));
    expect(one.member.standing(2), "not read yet").to.equal(null);
    // Until then it waits for what it can't know of, as each start does.
    now += 1200;
    for (const { member } of [one, two]) member.lease.tick();
    expect(one.member.standing(1)?.in_force).to.equal("node");
    expect(one.member.standing(1)?.waiting_for, "asked a moment ago").to.deep.equal(["n-1", "n-2"]);
    expect(sent.filter((text) => text.includes("ask")).length).to.equal(1);
    await new Promise((resolve) => setImmediate(resolve));
    expect(one.member.standing(1)?.in_force).to.equal("fleet");
  });

  it("waits for a silent node to carry out what was asked for before it began, as for anything asked since", async () => {
    const other = join("n-2");
    feed.add({ ...change(1), key: "bundle/support", change: "bundle_named" });
    const one = join("n-1", { read: readBefore() });
    now += 5000;
    one.member.lease.tick();
    void one.member.inForce(1);
    await Promise.resolve();
    expect(one.member.standing(1)?.in_force).to.equal("node");
    expect(other.ends).to.deep.equal([]);
  });

  /** A tick of this node, or another, as it is brought by a feed that was put back to an earlier state; and one that no feed need be put back for. */
  const PLACES: Record<string, { tick: (own: Mark, other: Mark) => Mark; feed?: "second"; forked: boolean }> = {
    "its own that it has read there": { tick: (own) => ({ ...own, passed: true }), forked: false },
    "its own that it hasn't read there": { tick: (own) => ({ ...own, n: own.n + 1, passed: true }), forked: true },
    "its own that it hasn't read there, in the second feed": {
      ...{ tick: (own: Mark): Mark => ({ ...own, n: own.n + 1, passed: true }), feed: "second", forked: true },
    },
    "one of an earlier start of its own": {
      tick: (own) => ({ ...own, n: own.n + 7, passed: true, value: { ...(own.value as object), incarnation: "n-1-0" } }),
      forked: false,
    },
    "another's from before it was opened": { tick: (_, other) => ({ ...other, passed: true }), forked: false },
    "another's who has read a change that it lacks, though it was opened later": {
      tick: (_, other) => ({ ...other, passed: true, value: { ...(other.value as object), applied: 9, chain: "9".repeat(64) } }),
      forked: true,
    },
    "another's that comes next, who has read a change that comes later": {
      tick: (_, other) => ({ ...other, n: other.n + 1, value: { ...(other.value as object), applied: 9, chain: "9".repeat(64) } }),
      forked: true,
    },
    "the same in the second feed, which may be ahead": {
      tick: (_, other) => ({ ...other, n: other.n + 1, value: { ...(other.value as object), applied: 9, chain: "9".repeat(64) } }),
      ...{ feed: "second", forked: false },
    },
  };
  for (const [what, { tick, feed: which, forked }] of Object.entries(PLACES))
    it(`${forked ? "stops by" : "goes on with"} a tick where it was passed: ${what}`, () => {
      const [one, two] = [join("n-1"), join("n-2")];
      feed.add(change(1));
      one.member.lease.tick();
      two.member.lease.tick();
      const by = (node: string): Mark =>
        feed.items.findLast((item): item is Mark => "by" in item && "n" in item && item.by === node) as Mark;
      (which === undefined ? feed : second).add(tick(by("n-1"), by("n-2")));
      expect(one.ends).to.deep.equal(forked ? ["feed_forked"] : []);
    });

  it("goes on with a tick where it was passed that came before an earlier one, which was sent over another connection", () => {
    const one = join("n-1");
    const late = (feed.late = []) as Mark[];
    one.member.lease.tick();
    one.member.lease.tick();
    const [first, second] = late.splice(0) as [Mark, Mark];
    for (const mark of [second, first, { ...second, passed: true as const }]) feed.add(mark);
    expect(one.ends).to.deep.equal([]);
  });

  /** A tick of the second feed whose sender has read change 9. */
  const ahead = (more: Partial<Mark> = {}): Mark => {
    const value = { incarnation: "n-2-1", opened_at: 0, leaving: false, applied: 9, chain: "9".repeat(64), version: "1" };
    return { by: "n-2", n: 1, value: { ...value, bundle: null, bundle_since: null, staged: null }, ...more };
  };

  it("stops by its next tick if that hasn't brought a change which another had read: the feed was put back", () => {
    const one = join("n-1");
    const late = (feed.late = []) as Mark[];
    one.member.lease.tick();
    second.add(ahead());
    for (const mark of late.splice(0)) feed.add(mark);
    expect(one.ends, "one that was sent before").to.deep.equal([]);
    one.member.lease.tick();
    for (const mark of late.splice(0)) feed.add(mark);
    expect([one.ends, one.member.tenure]).to.deep.equal([["feed_forked"], null]);
  });

  it("goes on if its next tick has brought the change which another had read", () => {
    const one = join("n-1");
    feed.late = [];
    one.member.lease.tick();
    second.add(ahead());
    feed.late = null;
    for (let revision = 1; revision <= 9; revision++) feed.add(change(revision));
    second.add(ahead({ value: { ...(ahead().value as object), chain: one.member.chain.chain } }));
    one.member.lease.tick();
    expect(one.ends).to.deep.equal([]);
    expect(one.member.tenure).to.not.equal(null);
  });

  it("allows nothing after a start on a feed that lacks what others had read before, though the second feed alone has their ticks", () => {
    second.add(ahead({ passed: true }));
    const { ends, member } = join("n-1");
    expect([ends, member.tenure]).to.deep.equal([["feed_forked"], null]);
  });

  it("acknowledges no work that it doesn't do, such as activating a named bundle, however often it is asked", async () => {
    const sent: string[] = [];
    takers.push((text) => sent.push(text));
    const { say } = join("n-1");
    feed.add({ ...change(1), key: "bundle/support", change: "bundle_named" });
    feed.add(change(2));
    for (const revision of [1, 1, 2]) say(JSON.stringify({ kind: "ask", revision }));
    await new Promise((resolve) => setImmediate(resolve));
    const landed = sent.map((text) => JSON.parse(text) as LinkMessage).filter(({ kind }) => kind === "landed");
    expect(new Set(landed.map((message) => (message as { revision: number }).revision))).to.deep.equal(new Set([2]));
  });

  it("sends a tick at once when it reads of such work, since a claim on it needs a later one from each feed", () => {
    const { member } = join("n-1");
    const sent = member.lease.sent;
    feed.add(change(1));
    expect(member.lease.sent, "of a restriction").to.equal(sent);
    feed.add({ ...change(2), key: "bundle/support", change: "bundle_named" });
    expect(member.lease.sent).to.equal(sent + 1);
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

  it("goes on by the ticks of either feed, and says how long each is silent", () => {
    const { member } = join("n-1");
    for (const [goes, stands] of [
      [feed, second],
      [second, feed],
    ] as const) {
      [stands.late, goes.late] = [[], null];
      for (let i = 0; i < 10; i++) {
        now += 300;
        member.lease.tick();
        expect(member.tenure).not.to.equal(null);
      }
    }
    expect(member.feeds).to.deep.equal([{ silent_ms: 3000 }, { silent_ms: 0 }]);
  });

  it("claims a restriction once both feeds have it, whichever is first", async () => {
    const { member, ahead } = join("n-1");
    now += 1010;
    member.lease.tick();
    const where = async (revision: number): Promise<string | undefined> => {
      member.lease.tick();
      await Promise.resolve();
      return member.standing(revision)?.in_force;
    };
    const ask = (revision: number): void => {
      for (const take of takers) take(JSON.stringify({ kind: "ask", revision }));
    };
    feed.add(change(1));
    ask(1);
    expect(await where(1), "in the first").to.equal("node");
    second.add(change(1));
    expect(await where(1), "in both").to.equal("fleet");
    second.add(change(2));
    ask(2);
    expect(await where(2), "in the second").to.equal("node");
    feed.add(change(2));
    ask(2);
    expect(await where(2), "in both").to.equal("fleet");
    expect(ahead).to.deep.equal([1, 2]);
  });

  it("acknowledges a restriction without being asked, and counts what others say of one that it hasn't read yet", async () => {
    const [one, two] = [join("n-1"), join("n-2")];
    now += 1010;
    for (const { member } of [one, two]) member.lease.tick();
    const said: string[] = [];
    takers.push((text) => said.push(text));
    one.say(JSON.stringify({ kind: "landed", revision: 1, node: "n-2", incarnation: "n-2-1" }));
    for (const of of [feed, second]) of.add(change(1));
    await Promise.resolve();
    expect(one.member.standing(1)).to.deep.include({ in_force: "fleet", waiting_for: [] });
    const nodes = said.map((text) => JSON.parse(text) as { kind: string; node: string }).filter(({ kind }) => kind === "landed");
    expect(nodes.map(({ node }) => node)).to.deep.equal(["n-2", "n-1", "n-2"]);
  });

  it("finds out when a change is in force, however many others came while it waited for the fleet", async () => {
    const [one, two] = [join("n-1"), join("n-2")];
    now += 1010;
    for (const { member } of [one, two]) member.lease.tick();
    // Nobody has it in memory yet, so nobody acknowledges it.
    applied = 0;
    for (const of of [feed, second]) of.add(change(1));
    const asked = one.member.inForce(1);
    for (let revision = 2; revision <= 1500; revision++) feed.add({ ...change(revision), change: "agent_created" });
    await new Promise((resolve) => setImmediate(resolve));
    applied = 1500;
    now += 100;
    feed.add({ ...change(1501), change: "agent_created" });
    expect(await asked, "its answer waits no longer").to.deep.include({ in_force: "node", waiting_for: ["n-1", "n-2"] });
    await new Promise((resolve) => setImmediate(resolve));
    expect(one.claimed).to.deep.equal([1]);
  });

  it("waits for no copy of what restricts nothing", async () => {
    const { member, say } = join("n-1");
    now += 1010;
    member.lease.tick();
    feed.add({ ...change(1), change: "revocation_lifted" });
    say(JSON.stringify({ kind: "ask", revision: 1 }));
    await Promise.resolve();
    expect([member.standing(1)?.in_force, member.missing]).to.deep.equal(["fleet", 0]);
  });

  it("copies what the second feed lacks a second later, by a tick that it has sent since", () => {
    const { member } = join("n-1");
    for (const one of [1, 2]) feed.add(change(one));
    second.add(change(2));
    expect(member.missing).to.equal(1);
    now += 900;
    member.lease.tick();
    expect(second.copied, "sooner").to.deep.equal([]);
    now += 100;
    second.late = [];
    member.lease.tick();
    expect(second.copied, "while the second feed is silent").to.deep.equal([]);
    feed.add(change(3));
    now += 1000;
    for (const mark of second.late) second.add(mark);
    second.late = null;
    // The third was read after the tick was sent: its copy may be on the way.
    expect(second.copied.map(({ revision }) => revision)).to.deep.equal([1]);
    second.add(change(1));
    member.lease.tick();
    expect(second.copied.map(({ revision }) => revision)).to.deep.equal([1, 3]);
  });

  it("stops by a copy that it doesn't know for a restriction: it may not go on by ticks behind it", () => {
    const { member, ends } = join("n-1");
    second.add({ ...change(1), change: "something_new" });
    expect([member.tenure === null, ends], "one that memory has").to.deep.equal([false, []]);
    applied = 1;
    second.add({ ...change(2), change: "something_new" });
    expect([member.tenure, ends]).to.deep.equal([null, ["feed_unreadable"]]);
  });
  it("says which bundle it runs since when, and knows that of the others", () => {
    const one = join("n-1");
    join("n-2", { bundle: { digest: "sha256:x", since: "2026-01-01T00:00:00.000Z" } });
    expect(one.member.nodes.map(({ node, bundle, bundle_since }) => [node, bundle, bundle_since])).to.deep.equal([
      ["n-1", null, null],
      ["n-2", "sha256:x", "2026-01-01T00:00:00.000Z"],
    ]);
    // A version that doesn't say it is read all the same; what is no time isn't.
    const tick = feed.items.at(-1) as Mark;
    const before = without(tick.value as Record<string, unknown>, "bundle_since");
    feed.add({ ...tick, value: { ...before, applied: 0, bundle: "sha256:y" } as Mark["value"] });
    expect(one.member.nodes[1]).to.include({ bundle: "sha256:y", bundle_since: null });
    feed.add({ ...tick, value: { ...before, bundle: "sha256:z", bundle_since: "soon" } as Mark["value"] });
    expect(one.member.nodes[1]?.bundle).to.equal("sha256:y");
  });

  it("says which bundle it tries for how many, and knows that of the others", () => {
    const one = join("n-1");
    const staged = { digest: "sha256:x", share: 10 };
    join("n-2", { staged });
    const others = (): unknown => one.member.nodes[1]?.staged;
    expect([one.member.nodes[0]?.staged, others()]).to.deep.equal([null, staged]);
    const tick = feed.items.at(-1) as Mark;
    const before = without(tick.value as Record<string, unknown>, "staged");
    feed.add({ ...tick, value: before as Mark["value"] });
    expect(others(), "a version that doesn't say it").to.equal(null);
    for (const wrong of ["sha256:x", {}, { digest: "sha256:x" }, { digest: "sha256:x", share: 100 }, { digest: "", share: 1 }, [], 1]) {
      feed.add({ ...tick, value: { ...before, staged: { ...staged, share: 20 } } as Mark["value"] });
      feed.add({ ...tick, value: { ...before, staged: wrong } as Mark["value"] });
      expect(others(), JSON.stringify(wrong)).to.deep.equal({ ...staged, share: 20 });
    }
  });

  const names = (nodes: readonly { node: string }[]): string[] => nodes.map(({ node }) => node);

  it("names a node that has fallen silent, until it is back, has left in order, or is dismissed", () => {
    const one = join("n-1", { nodes_max: 9 });
    const two = join("n-2", { nodes_max: 9 });
    join("n-3", { nodes_max: 9 });
    const four = join("n-4", { nodes_max: 9 });
    four.member.leave();
    now += 5000;
    one.member.lease.tick();
    expect([names(one.member.nodes), names(one.member.silent)]).to.deep.equal([["n-1"], ["n-2", "n-3"]]);
    two.member.lease.tick();
    expect(names(one.member.silent), "one is back").to.deep.equal(["n-3"]);
    one.member.dismiss({ node: "n-3", incarnation: "n-3-1" });
    expect(names(one.member.silent)).to.deep.equal([]);
    expect(names(two.member.silent), "the others know it too").to.deep.equal([]);
  });

  it("allows nothing once it was dismissed, even if it runs after all and hasn't read that yet", () => {
    const one = join("n-1", { nodes_max: 9 });
    const two = join("n-2", { nodes_max: 9 });
    now += 5000;
    one.member.lease.tick();
    one.member.dismiss({ node: "n-2", incarnation: "n-2-1" });
    expect([two.ends, two.member.tenure]).to.deep.equal([["node_dismissed"], null]);
    two.member.lease.tick();
    expect([two.member.tenure, names(one.member.nodes)], "a tick after it").to.deep.equal([null, ["n-1"]]);
    // Marks are kept for a while: one that slept for longer doesn't read it, and is told again.
    const late = new Feed();
    const sleeper = join("n-3", { nodes_max: 9, from: late });
    feed.add({ by: "n-3", n: 0, value: { dismissed: "n-3-1" } });
    now += 5000;
    feed.add({ ...(late.items.at(-1) as Mark), n: 7 });
    const again = feed.items.at(-1) as Mark;
    expect(again.value).to.deep.equal({ dismissed: "n-3-1" });
    late.add(again);
    expect(sleeper.ends).to.deep.equal(["node_dismissed"]);
  });

  it("is silent until both feeds have its dismissal, which is sent again: a feed without a leader takes none", () => {
    const one = join("n-1", { nodes_max: 9 });
    join("n-2", { nodes_max: 9 });
    now += 5000;
    one.member.lease.tick();
    const lost = (second.late = []) as Mark[];
    one.member.dismiss({ node: "n-2", incarnation: "n-2-1" });
    expect(names(one.member.silent)).to.deep.equal(["n-2"]);
    expect(lost.splice(0).map(({ by }) => by)).to.deep.equal(["n-2"]);
    second.late = null;
    now += 1000;
    one.member.lease.tick();
    expect(names(one.member.silent)).to.deep.equal([]);
  });

  it("is another start, if it is started again after it was dismissed", () => {
    const one = join("n-1", { nodes_max: 9 });
    join("n-2", { nodes_max: 9 });
    now += 5000;
    one.member.lease.tick();
    one.member.dismiss({ node: "n-2", incarnation: "n-2-1" });
    const again = join("n-2", { nodes_max: 9, incarnation: "n-2-2" });
    expect([again.ends, again.member.tenure !== null, names(one.member.nodes)]).to.deep.equal([[], true, ["n-1", "n-2"]]);
  });

  for (const value of [{}, { dismissed: "" }, { dismissed: 1 }, { dismissed: ["n-1-1"] }, ["n-1-1"], "n-1-1", null])
    it(`isn't dismissed by what is no dismissal: ${JSON.stringify(value)}`, () => {
      const one = join("n-1");
      feed.add({ by: "n-1", n: 0, value: value as Mark["value"] });
      expect([one.ends, names(one.member.nodes)]).to.deep.equal([[], ["n-1"]]);
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
