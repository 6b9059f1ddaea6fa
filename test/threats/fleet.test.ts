import { Simulation } from "../cluster/simulate.js";
import { REQUEST, World } from "../decision/world.js";
import { World as FactsWorld } from "../facts/world.js";
import { cut } from "./cut.js";
import { threat } from "./threat.js";

const SEEDS = 60;

threat("H1", "a revocation is claimed on the fleet when each node has acknowledged it or its lease has ended", {
  async check(tree) {
    const { Lease } = await tree("cluster/lease.js");
    const { Fleet } = await tree("cluster/fleet.js");
    const { Copies } = await tree("cluster/copies.js");
    for (let seed = 1; seed <= SEEDS; seed++)
      for (const feeds of [1, 2] as const) {
        const { violation } = new Simulation({ Lease, Fleet, Copies }, { seed, feeds }).run();
        if (violation !== null) return `seed ${seed}: ${violation}`;
      }
    for (const aim of ["stalled facts", "asked again"] as const) {
      const { violation } = new Simulation({ Lease, Fleet, Copies }, { seed: 1, feeds: 2, aim }).run();
      if (violation !== null) return `${aim}: ${violation}`;
    }
    return null;
  },
  without: {
    "the commit in the second feed": [
      cut.text("cluster/fleet.js", "isCommitted", "this.#committed.size === this.#seen.length", "this.#committed.size > 0"),
    ],
    "a look whether the second feed has it": [cut.returns("cluster/copies.js", "lacks", "false")],
    "waiting for silent nodes": [cut.never("cluster/fleet.js", "#silent", "#wait_ms", "mayAllow")],
    "counting from when a tick was sent": [
      cut.text(
        "cluster/lease.js",
        "returned",
        "this.#tenure = tenure",
        "this.#tenure = new Tenure(this.#clock, this.#options.lease_ms * (1 - DRIFT))",
      ),
    ],
    "an end of the lease": [cut.returns("cluster/lease.js", "isOver", "false")],
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
      cut.call("decision/commit.js", "durable", "mayLeave"),
      cut.call("decision/decide.js", "inOrder", "mayLeave"),
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
