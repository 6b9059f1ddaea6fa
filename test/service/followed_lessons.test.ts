import { expect } from "chai";
import { BehaviorProfile } from "../../src/behavior/profile.js";
import { act, DAY, HOUR, live, MINUTE, MONDAY, SECOND, shift } from "../behavior/desk.js";
import { AGENT, LAST_DAY, allRead, inTurns, spree, startNodes } from "./nodes_that_learn.js";

describe("lessons of all nodes of a cluster", function () {
  this.timeout(120_000);

  it("make each node's profile that of one which had decided everything", async () => {
    const { nodes } = await startNodes(["a", "b", "c"]);
    const alone = new BehaviorProfile({ agents_max: 100 });
    const acts = [...shift({ days: 12 }), ...spree(40)];
    const expected = acts.map((one) => live(alone, one).risk);
    expect(await inTurns(nodes, acts)).to.deep.equal(expected);
    expect(Math.max(...expected.slice(-40)), "the spree is odd").to.be.above(60);
    for (const { profile } of nodes) expect(profile.portrait(AGENT)).to.deep.equal(alone.portrait(AGENT));
  });

  it("find what an agent spreads over the nodes, which none of them would find alone", async () => {
    const [{ nodes }, { nodes: apart }] = [await startNodes(["a", "b", "c"]), await startNodes(["a", "b", "c"])];
    for (const node of apart) node.answering = "silent";
    const ordinary = [...shift({ days: 12 })];
    await inTurns(nodes, ordinary, 100);
    await inTurns(apart, ordinary, 100);
    const found = Math.max(...(await inTurns(nodes, spree(24), 3)));
    const alone = Math.max(...(await inTurns(apart, spree(24), 3)));
    expect(found).to.be.at.least(60);
    expect(alone, "without them").to.be.below(found);
  });

  for (const outcome of ["deny", "flag", "allow"] as const)
    it(`hold what one node answered by ${outcome} against the agent on all`, async () => {
      const { nodes, clock } = await startNodes(["a", "b"]);
      const [a, b] = nodes;
      await inTurns(nodes, shift({ days: 12 }));
      const odd = spree(30);
      for (const one of odd) a.decide(one, outcome);
      clock.wall_ms = odd.at(-1)?.time_ms ?? 0;
      expect([a.riskOf(AGENT) >= 60, b.riskOf(AGENT)]).to.deep.equal([true, 0]);
      await allRead(nodes);
      expect(b.riskOf(AGENT)).to.equal(a.riskOf(AGENT));
    });

  it("are learned once, however often they are asked for, and after a start from where they were kept", async () => {
    const { nodes } = await startNodes(["a", "b"]);
    const [a, b] = nodes;
    await inTurns([a], shift({ days: 3 }), 50);
    await allRead(nodes);
    const once = b.profile.portrait(AGENT);
    for (let i = 0; i < 3; i++) await b.followed.read();
    expect(b.profile.portrait(AGENT)).to.deep.equal(once);
    await b.profile.save();
    await b.open();
    expect(b.profile.portrait(AGENT), "from its snapshot").to.deep.equal(once);
    await b.followed.read();
    expect(b.profile.portrait(AGENT)).to.deep.equal(once);
    expect(b.followed.late).to.equal(0);
  });

  it("come from the records where they are no longer in memory", async () => {
    const { nodes } = await startNodes(["a", "b", "c"]);
    const [a, b, c] = nodes;
    await inTurns([a], shift({ days: 6 }), 50);
    await b.followed.read();
    // Another process of this node knows nothing of what the one before had in memory.
    await a.open();
    a.decide(act({ time_ms: MONDAY + 6 * DAY }));
    a.log.sync();
    await c.followed.read();
    await b.followed.read();
    expect(c.profile.portrait(AGENT)).to.deep.equal(b.profile.portrait(AGENT));
    expect(c.profile.followedTo("a")).to.equal(a.log.seq);
  });

  it("are of records on disk alone: what gets lost was never learned elsewhere", async () => {
    const { nodes, clock } = await startNodes(["a", "b"]);
    const [a, b] = nodes;
    clock.wall_ms = LAST_DAY;
    a.decide(act({ time_ms: LAST_DAY }));
    await b.followed.read();
    expect(b.profile.portrait(AGENT)).to.equal(null);
    a.log.fail();
    a.profile.unrecorded();
    a.log.recover();
    while (!a.profile.ready) await new Promise((resolve) => setTimeout(resolve, 5));
    a.decide(act({ agent: "support-8", time_ms: LAST_DAY }));
    a.log.sync();
    await b.followed.read();
    expect([b.profile.portrait(AGENT), b.profile.portrait("support-8")?.acts]).to.deep.equal([null, 1]);
  });

  it("are taken in the order of time, whichever node has more of them", async () => {
    const { nodes } = await startNodes(["a", "b", "c"]);
    const [a, b, c] = nodes;
    const acts = [...shift({ days: 30 })];
    // One has decided nearly all, and the other each fortieth.
    for (const [i, one] of acts.entries()) (i % 40 === 0 ? b : a).decide(one);
    for (const { log } of nodes) log.sync();
    c.clock.wall_ms = acts.at(-1)?.time_ms ?? 0;
    await c.followed.read();
    const alone = new BehaviorProfile({ agents_max: 100 });
    for (const one of acts) live(alone, one);
    expect(c.profile.portrait(AGENT)).to.deep.equal(alone.portrait(AGENT));
    expect(c.followed.late).to.equal(0);
  });

  it("that come late are counted and not learned, so that an hour's work is no burst", async () => {
    const { nodes } = await startNodes(["a", "b"]);
    const [a, b] = nodes;
    await inTurns(nodes, shift({ days: 12 }));
    a.answering = "silent";
    for (let i = 0; i < 200; i++) a.decide(act({ id: `c-${i}`, time_ms: LAST_DAY + i * 15 * SECOND }));
    a.log.sync();
    b.clock.wall_ms = LAST_DAY + 2 * HOUR;
    b.decide(act({ time_ms: LAST_DAY + 2 * HOUR }));
    const before = b.riskOf(AGENT);
    a.answering = "well";
    await b.followed.read();
    expect([b.followed.late, b.riskOf(AGENT)]).to.deep.equal([200, before]);
  });

  it("of a node whose clock is ahead move nobody's time", async () => {
    const { nodes, clock } = await startNodes(["a", "b"]);
    const [a, b] = nodes;
    clock.wall_ms = LAST_DAY;
    a.decide(act({ time_ms: LAST_DAY + DAY }));
    a.log.sync();
    await b.followed.read();
    expect(b.profile.lastOf(AGENT)).to.equal(LAST_DAY);
    b.decide(act({ time_ms: LAST_DAY + MINUTE }));
    expect(b.profile.lastOf(AGENT)).to.equal(LAST_DAY + MINUTE);
  });

  it("of a log that begins again are read from its first record on", async () => {
    const { nodes, clock } = await startNodes(["a", "b"]);
    const [a, b] = nodes;
    clock.wall_ms = LAST_DAY;
    b.profile.followOn("a", 5000);
    a.decide(act({ time_ms: LAST_DAY }));
    a.log.sync();
    await b.followed.read();
    expect([b.profile.followedTo("a"), b.profile.portrait(AGENT)?.acts]).to.deep.equal([1, 1]);
  });

  const good = { agent: "x", version: "1", owner: "", purpose: "p", verb: "read", verb_class: "read", type: "t", relation: "task" };
  const whole = { ...good, id: null, task: null, session: null, source: null, granted: false, amount: 1, time_ms: 1, offset_ms: 0 };
  const page = (lessons: unknown, more: object = {}): string => JSON.stringify({ v: 1, through: 9, more: false, lessons, ...more });
  const placed = (lesson: object): unknown[] => [[9, lesson]];
  const garbage: [what: string, says: string][] = [
    ["no JSON", "{"],
    ["null", "null"],
    ["another version", page([], { v: 2 })],
    ["a place below nothing", page([], { through: -1 })],
    ["a place that is no number", page([], { through: "9" })],
    ["no list", page({})],
    ["a lesson without a place", page([{ of: "forgiven" }])],
    ["a lesson of another kind", page(placed({ of: "obeyed", agent: "x" }))],
    ["an act without an agent", page(placed({ of: "act", act: { ...whole, agent: undefined }, outcome: "allow" }))],
    ["an act without a time", page(placed({ of: "act", act: { ...whole, time_ms: null }, outcome: "allow" }))],
    ["an act whose id is a number", page(placed({ of: "act", act: { ...whole, id: 7 }, outcome: "allow" }))],
    ["an act with labels that are none", page(placed({ of: "act", act: { ...whole, labels: [1] }, outcome: "allow" }))],
    ["an outcome that there isn't", page(placed({ of: "act", act: whole, outcome: "maybe" }))],
    ["verdicts on nothing", page(placed({ of: "expected", acts: {}, time_ms: 1 }))],
    ["a verdict without counts", page(placed({ of: "judged", calibrates: { purpose: "p" }, acts: [], time_ms: 1 }))],
    ["a rollback to no time", page(placed({ of: "rolled_back", agent: "x", time_ms: 1 }))],
    ["a rollback at no time", page(placed({ of: "rolled_back", agent: "x", to_ms: 1 }))],
  ];
  for (const [what, says] of garbage)
    it(`are not learned from an answer with ${what}, which counts as none`, async () => {
      const { nodes, clock } = await startNodes(["a", "b"]);
      const [a, b] = nodes;
      a.answering = { says };
      await b.followed.read();
      expect([b.profile.known, b.profile.followedTo("a")]).to.deep.equal([0, 0]);
      clock.monotonic_ms += 11_000;
      await b.followed.read();
      expect([b.followed.isBehind, b.unread]).to.deep.equal([true, [["a"]]]);
    });

  it("are told of when they are missing, once, and when they are there again", async () => {
    const { nodes, clock } = await startNodes(["a", "b", "c"]);
    const [a, b] = nodes;
    await b.followed.read();
    a.answering = "silent";
    for (let i = 0; i < 5; i++) {
      clock.monotonic_ms += 4000;
      await b.followed.read();
    }
    expect([b.unread, b.followed.behind_ms]).to.deep.equal([[["a"]], 20_000]);
    a.answering = "well";
    await b.followed.read();
    expect([b.unread, b.followed.behind_ms]).to.deep.equal([[["a"], []], 0]);
  });

  it("lead to what is done about an agent on its home alone, with what it made of the act there", async () => {
    const { nodes } = await startNodes(["a", "b", "c"]);
    const [a, b, c] = nodes;
    await inTurns(nodes, shift({ days: 12 }), 100);
    for (const node of nodes) node.settled.length = 0;
    b.home = new Set([AGENT]);
    const odd = spree(30);
    for (const one of odd) {
      b.clock.wall_ms = one.time_ms;
      a.decide(one, "flag");
      a.log.sync();
      for (const node of [b, c]) await node.followed.read();
    }
    expect([a.settled.length, b.settled.length, c.settled.length]).to.deep.equal([0, 30, 0]);
    const risks = b.settled.map(([, risk]) => risk);
    expect(Math.max(...risks)).to.be.at.least(60);
    expect(new Set(b.settled.map(([, , outcome]) => outcome))).to.deep.equal(new Set(["flag"]));
  });
});
