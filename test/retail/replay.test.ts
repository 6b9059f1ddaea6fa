import { expect } from "chai";
import type { Answer } from "../../src/contract/index.js";
import type { Benchmark } from "../../demo/benchmark.js";
import type { Verdict } from "../../demo/parties.js";
import { replayRecordings, replayUntilRevoked, type Counter, type Interrupted } from "../../demo/replay.js";
import { reportInterrupted } from "../../demo/report.js";

const CONVERSATIONS = 50;
const CALLS_EACH = 4;
const REVISION = 7;

const bench: Benchmark = {
  database: {
    customers: new Map(),
    paymentMethods: new Map(),
    orders: new Map(),
    items: new Map(),
    products: new Set(["mug"]),
  },
  access: new Map([["get_product_details", "read"]]),
  conversations: Array.from({ length: CONVERSATIONS }, (_, i) => ({
    id: String(i),
    customer: "ada",
    calls: Array.from({ length: CALLS_EACH }, () => ({ name: "get_product_details", kwargs: { product_id: "mug" } })),
  })),
  broken: [],
  rules: [],
};

function verdict(because: string | null, revision: number): Verdict {
  const then = because === null ? "allow" : "deny";
  const answer = { decision: then, proceed: because === null, obligations: [], facts_revision: revision } as object;
  const outcome = { then, because: because === null ? [] : [because] } as const;
  return { mayAct: because === null, answer: answer as Answer, outcome: { then, because: [...outcome.because] } };
}

/** A service with an agent that can be revoked; what it then says, by which facts. */
class Service implements Counter {
  revoked = false;
  readonly events: string[] = [];

  constructor(private readonly afterwards: Verdict) {}

  open(task: string): ReturnType<Counter["open"]> {
    this.events.push(`open ${task}`);
    return Promise.resolve({
      decide: async () => {
        await Promise.resolve();
        this.events.push(`decide ${task}`);
        return this.revoked ? this.afterwards : verdict(null, REVISION - 1);
      },
      isAbout: () => Promise.resolve(),
      close: () => {
        this.events.push(`close ${task}`);
        return Promise.resolve();
      },
    });
  }

  revoke(): Promise<void> {
    this.revoked = true;
    return Promise.resolve();
  }
}

describe("the demo's replay", () => {
  it("gives each conversation a task of its own, and ends it after the last call", async () => {
    const service = new Service(verdict(null, REVISION));
    await replayRecordings(bench, service, () => undefined);
    for (let i = 0; i < CONVERSATIONS; i++) {
      const own = service.events.filter((event) => event.endsWith(`-${i}`)).map((event) => event.split(" ")[0]);
      expect(own).to.deep.equal(["open", ...Array<string>(CALLS_EACH).fill("decide"), "close"]);
    }
  });

  const interrupted = async (service: Service, revoke = true): Promise<Interrupted> =>
    replayUntilRevoked(bench, service, () => (revoke ? service.revoke() : Promise.resolve()));
  const revocation = { revision: REVISION, took_ms: 1 };
  const failures = async (service: Service, revoke = true): Promise<readonly string[]> =>
    reportInterrupted(await interrupted(service, revoke), revocation, CONVERSATIONS).failures;

  it("stops every conversation at its first call after the revocation", async () => {
    const found = await interrupted(new Service(verdict("agent_revoked", REVISION)));
    expect(found.acted).to.be.within(1, CONVERSATIONS * CALLS_EACH - 1);
    expect(found.asked - found.acted).to.equal(found.stopped);
    expect(found.after.every(({ attempt }) => !attempt.acted)).to.equal(true);
  });

  it("asks for something once the revocation is answered, however long that takes", async () => {
    const service = new Service(verdict("agent_revoked", REVISION));
    const { after } = await replayUntilRevoked(bench, service, async () => {
      await service.revoke();
      for (let turn = 0; turn < 1000; turn++) await new Promise(setImmediate);
    });
    expect(after).to.have.length.above(0);
  });

  it("finds nothing wrong where the agent is denied for it, by facts that include it", async () => {
    expect(await failures(new Service(verdict("agent_revoked", REVISION)))).to.deep.equal([]);
  });

  const wrong: [string, Verdict, boolean][] = [
    ["a service that goes on", verdict(null, REVISION), true],
    ["a revocation that revokes nothing", verdict("agent_revoked", REVISION), false],
    ["a deny for something else", verdict("agent_suspended", REVISION), true],
    ["a deny by facts that are older", verdict("agent_revoked", REVISION - 1), true],
    ["a problem in place of an answer", { ...verdict("agent_revoked", REVISION), answer: null }, true],
  ];
  for (const [title, afterwards, revoke] of wrong) {
    it(`finds ${title}`, async () => {
      expect(await failures(new Service(afterwards), revoke)).to.have.length.above(0);
    });
  }
});
