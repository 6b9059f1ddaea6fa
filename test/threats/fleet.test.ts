import { Simulation } from "../cluster/simulate.js";
import { REQUEST, World } from "../decision/world.js";
import { cut } from "./cut.js";
import { threat } from "./threat.js";

const SEEDS = 60;

threat("H1", "a revocation is claimed on the fleet when each node has acknowledged it or its lease has ended", {
  async check(tree) {
    const { Lease } = await tree("cluster/lease.js");
    const { Fleet } = await tree("cluster/fleet.js");
    for (let seed = 1; seed <= SEEDS; seed++)
      for (const feeds of [1, 2] as const) {
        const { violation } = new Simulation({ Lease, Fleet }, { seed, feeds }).run();
        if (violation !== null) return `seed ${seed}: ${violation}`;
      }
    return null;
  },
  without: {
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
