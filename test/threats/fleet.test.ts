import type { ApproveFinding, Finding, FindingState, JudgeFinding } from "../../src/contract/index.js";
import { Findings } from "../../src/findings/findings.js";
import type { Reviewer } from "../../src/findings/verdicts.js";
import { compileGrantEntry } from "../../src/bundle/grant_entry.js";
import { outside } from "../../src/client/outside.js";
import type { ClientExchange } from "../../src/client/transport.js";
import { FeedRead } from "../../src/cluster/feed_read.js";
import type { Mark } from "../../src/store/store.js";
import { sleep, system } from "../../src/system/index.js";
import { Feed } from "../cluster/feed.js";
import { AIMS, Simulation } from "../cluster/simulated/simulation.js";
import { REQUEST, World } from "../decision/world.js";
import { AGE_MS, FollowedNode } from "../embedded/followed_node.js";
import { EVERYTHING_IN_SIGHT } from "../../src/facts/reach.js";
import { StillTimers, World as FactsWorld } from "../facts/world.js";
import { MINUTE_MS, NOW, flag, seen, sighted } from "../findings/sightings.js";
import { NodeNet } from "../http/node_net.js";
import { cut } from "./cut.js";
import { threat } from "./threat.js";

const SEEDS = 60;
const AIMED_SEEDS = 5;
/** Milliseconds in which facts get current, or old. */
const WITHIN_MS = 5000;

threat("H1", "a revocation is claimed on the fleet when each node has acknowledged it or its lease has ended", {
  async check(tree) {
    const { Member } = await tree("cluster/member.js");
    const { Commands } = await tree("facts/commands.js");
    const { FeedFollowers } = await tree("store/followers.js");
    const { FeedBundles } = await tree("service/feed_bundles.js");
    const build = { Member, Commands, FeedFollowers, FeedBundles };
    for (const aim of AIMS)
      for (let seed = 1; seed <= AIMED_SEEDS; seed++) {
        const { violation } = await new Simulation(build, { seed, aim }).run();
        if (violation !== null) return `${aim}, seed ${seed}: ${violation}`;
      }
    for (let seed = 1; seed <= SEEDS; seed++) {
      const { violation } = await new Simulation(build, { seed }).run();
      if (violation !== null) return `seed ${seed}: ${violation}`;
    }
    return null;
  },
  without: {
    "the commit in the second feed": [
      cut.text("cluster/fleet.js", "isCommitted", "this.#committed.size === this.#seen.length", "this.#committed.size > 0"),
    ],
    "a look whether the second feed has it": [cut.returns("cluster/copies.js", "lacks", "false")],
    "waiting for silent nodes": [cut.never("cluster/fleet.js", "#silent", "#mayAllow", "mayAllow")],
    "counting from when a tick was sent": [
      cut.text(
        "cluster/lease.js",
        "returned",
        "this.#tenure = tenure",
        "this.#tenure = new Tenure(this.#clock, this.#options.lease_ms * (1 - DRIFT))",
      ),
    ],
    "an end of the lease": [cut.returns("cluster/lease.js", "isOver", "false")],
    "a look whether it is durable": [cut.text("facts/restrictions.js", "standing", "this.#registry.isHeld(key) ? null : ", "")],
    "the order of ticks and changes": [cut.text("store/followers.js", "#catchUp", "revision <= follower.from", "revision > 0")],
  },
});

threat("H2", "an answer that permits leaves within the lease under which its facts were gathered, and is valid for no longer", {
  async check(tree) {
    const { decider } = await tree("decision/decide.js");
    const good = new World(decider);
    good.lease = { left_ms: 700 };
    const { answer } = await good.decide(REQUEST);
    if (!answer.proceed) return "nothing was late, and it was refused";
    if (answer.valid_for_ms > 700) return `it is valid for ${answer.valid_for_ms} ms, the lease for 700`;
    for (const way of ["/decide", "/decide/batch"]) {
      const world = new World(decider);
      let asked = 0;
      // Over once the record is on disk; what has been renewed meanwhile is another lease.
      world.lease = {
        get left_ms() {
          return asked++ === 0 ? 700 : -1;
        },
      };
      const decided = await (way === "/decide" ? world.decide(REQUEST).then((one) => [one]) : world.batch([REQUEST])).catch(() => []);
      if (decided.some((one) => one.answer.proceed)) return `${way}: an answer left after its lease`;
    }
    return null;
  },
  without: {
    "the check when the answer leaves": [
      cut.never("decision/commit.js", "durable", "isLate"),
      cut.never("decision/decide.js", "inOrder", "isLate"),
    ],
    "the bound of its validity": [cut.never("decision/answer.js", "validUntil", "lease")],
  },
});

threat("H3", "a node that the second feed alone reaches holds each restriction of it, and goes on by it for no longer than 20 s", {
  async check(tree) {
    const { Commands } = await tree("facts/commands.js");
    const { Lease } = await tree("cluster/lease.js");
    const there = await new FactsWorld().open(0, Commands);
    const here = await new FactsWorld().open(0, Commands);
    const [known, unknown] = ["a-1", "a-2"];
    for (const id of [known, unknown]) await there.createAgent({ id, owner: "ops@example.com", purposes: ["support"] }, "host");
    await here.createAgent({ id: known, owner: "ops@example.com", purposes: ["support"] }, "host");
    for (const id of [known, unknown]) await there.changeAgent(id, { status: "suspended", reason: "r" }, null, "ops");
    const changes = await there.deps.store.changes(0, 10);
    for (const change of changes.filter((one) => one.change === "agent_suspended")) here.holdAhead(change);
    if (here.registry.agent(known)?.status !== "suspended") return "an agent is active that the second feed has suspended";
    // The feed of facts goes on, and hasn't come to the suspensions yet.
    for (const change of changes.filter((one) => one.change === "agent_created")) here.registry.apply(change);
    if (here.registry.agent(unknown)?.status !== "suspended") return "an agent is active that was suspended before it was known";
    let now = 0;
    const clock = { monotonic: () => now, wall: () => now };
    const timers = { after: () => () => undefined, every: () => () => undefined, turnEnd: () => undefined };
    const start = { incarnation: "i-1", opened_at: 0 };
    const lease = new Lease(
      { clock, timers },
      { start, lease_ms: 2000 },
      { send: () => undefined, held: () => undefined, ended: () => undefined },
    );
    lease.start();
    lease.returned(0, start, 1);
    while (now < 60_000 && lease.tenure !== null) {
      now += 400;
      lease.tick();
      lease.returned(1, start, lease.sent);
    }
    return now < 30_000 ? null : "the second feed alone renews a lease for a minute";
  },
  without: {
    "what the second feed brings": [cut.call("facts/commands.js", "holdAhead", "ahead")],
    "what isn't known yet": [
      cut.text("facts/registry.js", "hold", "this.#held.set(key, held)", "if (held.value !== undefined) this.#held.set(key, held)"),
    ],
    "an end of going on by the second feed": [cut.text("cluster/lease.js", "returned", "< -ALONE_MS", "=== -Infinity")],
  },
});

threat("H4", "findings of another node are shown, and approved, by the rights of the caller alone", {
  async check(tree) {
    const { OwnFindings } = await tree("http/findings_desk.js");
    const { FleetFindings, FINDINGS } = await tree("http/fleet_findings.js");
    const net = new NodeNet("a", "b");
    const approved: Reviewer[] = [];
    const ids: string[] = [];
    const [here] = ["a", "b"].map((name) => {
      const findings = new Findings({ revision: 0, finding: () => undefined }, { kept_max: 9, wait_ms: 0 }, new StillTimers());
      for (const agent of ["mine", "theirs"]) {
        const one = sighted({ agent, reasons: [flag(`odd_at_${name}`, "high")] });
        ids.push(`F-${one.decision_id}`);
        findings.take(seen(one, ids.at(-1) ?? "", ids.length));
      }
      const verdicts = {
        approve: (_id: string, _asked: ApproveFinding, by: Reviewer) => {
          approved.push(by);
          return Promise.resolve({ created: true, fact: {} });
        },
      };
      const approvals = (_filter: object, _by: unknown, sees: (finding: Finding) => boolean): unknown[] =>
        [...findings.newestFirst()]
          .filter(sees)
          .map(({ agent, id }) => ({ agent, state: "waiting", action: { until: "", decision_id: id, approval_digest: id } }));
      const room = { findings, verdicts, approvals, timeline: () => Promise.resolve({ timeline: [], indexed_to: 0 }) };
      const fleet = new FleetFindings(new OwnFindings(room as never), net.of(name));
      net.serve(name, (question) => fleet.answer(question.slice(FINDINGS.length)));
      return fleet;
    });
    if (here === undefined) throw new Error("no node");
    const ask = { filter: {}, limit: 9, sight: { agents: new Set(["mine"]), purposes: null } };
    const page = await here.page(ask, undefined);
    const list = await here.approvals({ ...ask, reviewer: null });
    if (page.items.length < 2 || list.items.length < 2) throw new Error("its own are missing");
    for (const { agent, node } of [...page.items, ...list.items])
      if (agent !== "mine") return `a finding of ${agent} is shown, of node ${node}`;
    const found = await here.find(ids[2] ?? "");
    await found.approve({ reason: "r", decision: "d" }, { id: "ada", roles: new Set(["lead"]) });
    const [by] = approved;
    return by?.id === "ada" && [...by.roles].join() === "lead" ? null : `it is approved by ${by?.id}, as ${[...(by?.roles ?? [])].join()}`;
  },
  without: {
    "a list of findings that is filtered": [cut.call("http/findings_desk.js", "before", "isInSight", "true")],
    "a list of what waits that is filtered": [cut.call("http/findings_desk.js", "approvals", "isInSight", "true")],
    "the caller's rights being sent": [cut.returns("http/fleet_findings.js", "toSent", "({ agents: null, purposes: null })")],
    "the reviewer's roles being sent": [cut.returns("http/fleet_findings.js", "toSentReviewer", '({ id: "remit", roles: ["lead"] })')],
  },
});

threat("H13", "a feed that is put back to an earlier copy ends every node that reads it", {
  async check(tree) {
    const { Member } = await tree("cluster/member.js");
    const tickOf = (by: string, n: number, applied: number, more: Partial<Mark> = {}): Mark => {
      const value = { incarnation: `${by}-1`, opened_at: 0, leaving: false, applied, chain: "9".repeat(64), version: "1" };
      return { by, n, value: { ...value, bundle: null, bundle_since: null }, ...more };
    };
    /** A node on feeds that hold these ticks when it starts. */
    const node = (facts: Mark[] = [], restrictions: Mark[] = []): { ended: () => boolean; tick: () => void; facts: Feed; second: Feed } => {
      const [feed, second] = [new Feed(), new Feed()];
      for (const mark of facts) feed.add(mark);
      for (const mark of restrictions) second.add(mark);
      const ends: string[] = [];
      const member = new Member(
        {
          ...{ store: feed, copies: second.copies, isCopied: () => false, holdAhead: () => true, read: new FeedRead(null) },
          link: { send: () => undefined, receive: () => () => undefined },
          system: {
            clock: { monotonic: () => 0, wall: () => 0 },
            timers: { after: () => () => undefined, every: () => () => undefined, turnEnd: () => undefined },
          },
          ...{ revision: () => Infinity, landed: () => Promise.resolve(), bundle: () => null, staged: () => null, hold: () => undefined },
          events: { held: () => undefined, ended: (why) => ends.push(why), claimed: () => undefined },
        },
        { node: "a", start: { incarnation: "a-1", opened_at: 0 }, lease_ms: 1000, fleet_within_ms: 100, nodes_max: 9, version: "1" },
      );
      member.start();
      const tick = (): void => {
        member.lease.tick();
      };
      return { ended: () => ends.includes("feed_forked") && member.tenure === null, tick, facts: feed, second };
    };
    const well = node();
    well.second.add({ ...(well.facts.items.at(-1) as Mark), by: "b" });
    well.tick();
    if (well.ended()) return "nothing was put back, and it ended";
    const passed = node();
    const own = passed.facts.items.at(-1) as Mark;
    passed.facts.add({ ...own, n: own.n + 1, passed: true });
    if (!passed.ended()) return "it goes on by a tick of its own at a place that it has passed";
    if (!node([tickOf("b", 1, 9, { passed: true })]).ended()) return "it starts on a feed that lacks what another had read";
    if (!node([], [tickOf("b", 1, 9, { passed: true })]).ended()) return "it starts on a feed that lacks what the second feed tells of";
    const running = node();
    running.second.add(tickOf("b", 1, 9));
    running.tick();
    return running.ended() ? null : "its tick came back without what another had read, and it goes on";
  },
  without: {
    "places that were passed": [cut.text("cluster/member.js", "#isInPlace", "n > (this.#brought[feed] ?? 0)", "false")],
    "changes that its sender has read coming later": [
      cut.text("cluster/member.js", "#isInPlace", "applied > this.#chain.last.revision", "false"),
    ],
    "what the second feed's ticks tell": [cut.returns("cluster/member.js", "#hasAllBefore", "true")],
  },
});

threat("H12", "what an agent does through several nodes is looked into as one", {
  async check(tree) {
    const { OwnFindings } = await tree("http/findings_desk.js");
    const { FleetFindings, FINDINGS } = await tree("http/fleet_findings.js");
    const started = () => {
      const net = new NodeNet("a", "b");
      const states = new Map<string, FindingState & { revision: number }>();
      const ids: string[] = [];
      const [a, b] = ["a", "b"].map((name) => {
        const findings = new Findings({ revision: 0, finding: (id) => states.get(id) }, { kept_max: 9, wait_ms: 0 }, new StillTimers());
        const one = sighted({ time_ms: NOW + ids.length * MINUTE_MS, reasons: [flag("odd", "high")] });
        ids.push(`F-${one.decision_id}`);
        findings.take(seen(one, ids.at(-1) ?? "", 1));
        const verdicts = {
          judge: (id: string, { state }: JudgeFinding) => {
            const judged = { state, at: new Date(NOW + 9 * MINUTE_MS).toISOString(), teaches: [], grants: [], proposal: null, revision: 1 };
            states.set(id, judged as unknown as FindingState & { revision: number });
            return findings.get(id);
          },
        };
        const room = { findings, verdicts, approvals: () => [], timeline: () => Promise.resolve({ timeline: [], indexed_to: 0 }) };
        const fleet = new FleetFindings(new OwnFindings(room as never), net.of(name));
        net.serve(name, (question) => fleet.answer(question.slice(FINDINGS.length)));
        return fleet;
      });
      if (a === undefined || b === undefined) throw new Error("no node");
      const open = async (): Promise<number> =>
        (await a.page({ filter: { state: "open" }, limit: 9, sight: EVERYTHING_IN_SIGHT }, undefined)).items.length;
      return { a, b, net, ids, open };
    };
    const reviewer = { id: "ada", roles: new Set<string>() };
    {
      const { a, b, ids, open } = started();
      if ((await open()) !== 1) return "what an agent does through two nodes is two findings";
      const found = await b.find(ids[1] ?? "");
      const said = await found.judge({ state: "expected", reason: "r", seen: 1 }, 0, reviewer).catch(() => null);
      if (said !== null) return "actions are found to be as expected that nobody has seen";
      await (await a.find(ids[1] ?? "")).judge({ state: "misuse", reason: "r" }, 0, reviewer);
      if ((await open()) !== 0) return "what was judged is still open on a node";
    }
    const { a, net, ids, open } = started();
    net.silent.add("b");
    await (await a.find(ids[0] ?? "")).judge({ state: "expected", reason: "r", seen: 1 }, 0, reviewer);
    net.silent.clear();
    return (await open()) === 1 ? null : "what a node had that was away when the rest was judged is no longer open";
  },
  without: {
    "joining what one service would have joined": [cut.text("findings/kin.js", "joinedBy", "opened - group.last_ms < QUIET_MS", "false")],
    "a look whether all was seen": [cut.call("http/finding_groups.js", "wholeOnDesk", "checkVerdict")],
    "a verdict on every part": [cut.text("http/finding_groups.js", "wholeOnDesk", "(const part of others)", "(const part of [])")],
    "what wasn't judged staying open": [cut.returns("findings/kin.js", "areJudgedAlike", "true")],
  },
});

threat("H5", "a node that was dismissed ends, whether it reads that at once or only after it was away for long", {
  async check(tree) {
    const { Member } = await tree("cluster/member.js");
    for (const isLate of [false, true]) {
      let now = 0;
      const feed = new Feed();
      const own = isLate ? new Feed() : feed;
      const second = new Feed();
      const join = (node: string, store: Feed): InstanceType<typeof Member> => {
        const member = new Member(
          {
            ...{
              store,
              revision: () => 0,
              landed: () => Promise.resolve(),
              bundle: () => null,
              staged: () => null,
              hold: () => undefined,
              read: new FeedRead(null),
            },
            ...{ copies: (isLate && node === "gone" ? new Feed() : second).copies, isCopied: () => false, holdAhead: () => true },
            link: { send: () => undefined, receive: () => () => undefined },
            system: { clock: { monotonic: () => now, wall: () => now }, timers: new StandingTimers() },
            events: { held: () => undefined, ended: () => undefined, claimed: () => undefined },
          },
          {
            ...{ node, start: { incarnation: `${node}-1`, opened_at: 0 }, lease_ms: 1000, fleet_within_ms: 1, nodes_max: 9 },
            version: "1",
          },
        );
        member.start();
        return member;
      };
      const [here, gone] = [join("here", feed), join("gone", own)];
      const hasLease = (): boolean => gone.tenure !== null;
      if (!hasLease()) throw new Error("it never had a lease");
      now += 5000;
      here.dismiss({ node: "gone", incarnation: "gone-1" });
      now += 5000;
      gone.lease.tick();
      if (isLate) {
        // Its feed goes on without what is no longer kept; its tick reaches the others, and what these say to it reaches it.
        const before = feed.items.length;
        const tick = own.items.at(-1);
        if (tick !== undefined) feed.add(tick);
        for (const item of feed.items.slice(before + 1)) own.add(item);
      }
      now += 100;
      gone.lease.tick();
      if (hasLease()) return `it has a lease again${isLate ? ", after it was away for long" : ""}`;
    }
    return null;
  },
  without: {
    "its end": [cut.call("cluster/member.js", "#dismiss", "lease.finish")],
    "being told again": [cut.returns("cluster/member.js", "#repeatDismissal", "undefined")],
  },
});

threat("H6", "an engine decides on what a node knew when it asked, for as long as facts may be old, and on nothing that is only heard", {
  async check(tree) {
    const { Feed: Followed } = await tree("embedded/feed.js");
    const follow = (node: FollowedNode): InstanceType<typeof Followed> => {
      const events = { live: () => undefined, silent: () => undefined, refused: () => undefined };
      const options = { age_ms_max: AGE_MS, behind_ms_max: 60_000, head_ms: 2000 };
      const feed = new Followed(
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
      return feed;
    };
    const until = async (holds: () => boolean): Promise<boolean> => {
      const began = performance.now();
      while (!holds() && performance.now() - began < WITHIN_MS) await sleep(5);
      return holds();
    };
    const node = new FollowedNode();
    const feed = follow(node);
    try {
      if (!(await until(() => !feed.facts.stale))) throw new Error("facts never are current");
      node.echoes = "never";
      await sleep(2 * AGE_MS);
      // Looked at right after it is heard, however late this machine comes to it.
      for (let beats = 0; beats < 20; beats++) {
        node.beat();
        for (let turns = 0; turns < 10; turns++) {
          await new Promise((resolve) => setImmediate(resolve));
          if (!feed.facts.stale) return "facts are current for ever, by what is only heard";
        }
      }
    } finally {
      feed.close();
      node.close();
    }
    const [ahead, behind] = [new FollowedNode(), new FollowedNode()];
    ahead.revision = 30;
    const nodes = [ahead, behind];
    const both = follow(
      Object.assign(new FollowedNode(), {
        open: () => (nodes.shift() ?? behind).open(),
        send: (exchange: ClientExchange) => (nodes.length > 0 ? ahead : behind).send(exchange),
      }),
    );
    try {
      if (!(await until(() => both.sharedRevision === 30))) throw new Error("the node is never followed");
      ahead.claims = 1;
      await until(() => behind.opened > 0);
      await until(() => both.registry.revision < 30);
      return both.registry.revision < 30 ? "it takes facts that are older than those it had" : null;
    } finally {
      both.close();
      ahead.close();
      behind.close();
    }
  },
  without: {
    "only what was asked for counting": [cut.text("embedded/feed.js", "Feed.constructor", "this.#shared === null", "true")],
    "a node that is behind being refused": [cut.never("embedded/feed.js", "#ready", "facts_revision", "revision", "feed")],
  },
});

class StandingTimers {
  after(): () => void {
    return () => undefined;
  }

  every(): () => void {
    return () => undefined;
  }

  turnEnd(): void {
    // Nothing here waits for a turn.
  }
}
