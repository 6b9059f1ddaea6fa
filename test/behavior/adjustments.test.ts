import { expect } from "chai";
import { Adjustments, type Adjustable, type NarrowTo, type NarrowingFound } from "../../src/behavior/adjustments.js";
import { FLOOD } from "../../src/behavior/adjust.js";
import { BEHAVIOR_DEFAULTS, NOTHING_ODD, type Act, type BehaviorPolicy } from "../../src/contract/index.js";

const NOW = Date.UTC(2026, 2, 3, 9);

const act = (agent: string, time_ms: number): Act => ({
  agent,
  version: "1",
  owner: "",
  purpose: "support",
  verb: "read",
  verb_class: "read",
  type: "customer",
  id: "ada",
  task: "T-1",
  relation: "task",
  session: null,
  source: null,
  granted: false,
  amount: 1,
  time_ms,
  offset_ms: 0,
});

/** Facts that do what is proposed at once, a profile of given risks, and a clock that tests move. */
class World implements Adjustable {
  now = NOW;
  risks = new Map<string, number>();
  policy: BehaviorPolicy = BEHAVIOR_DEFAULTS;
  readonly found = new Map<string, NarrowingFound & Partial<NarrowTo>>();
  readonly suspended = new Map<string, string>();
  readonly told: string[] = [];
  /** Whether the store takes the end of a narrowing. */
  widens = true;
  /** Whether this process knows what agents did on others. */
  mayRestore = true;
  #look = (): void => undefined;

  open(): Adjustments {
    return new Adjustments({
      facts: this,
      riskOf: (agent) => this.risks.get(agent) ?? 0,
      policyOf: () => this.policy,
      mayRestore: () => this.mayRestore,
      system: {
        clock: { wall: () => this.now },
        timers: {
          every: (_ms, call) => {
            this.#look = call;
            return () => {
              this.#look = (): void => undefined;
            };
          },
        },
      },
    });
  }

  /** So many seconds go by. */
  async seconds(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      this.now += 1000;
      this.#look();
      await Promise.resolve();
    }
  }

  isActive(agent: string): boolean {
    return !this.suspended.has(agent);
  }

  narrowing(agent: string): NarrowingFound | undefined {
    return this.found.get(agent);
  }

  narrowings(): Iterable<NarrowingFound> {
    return this.found.values();
  }

  narrow(agent: string, to: NarrowTo): void {
    this.told.push(`narrow ${agent}`);
    this.found.set(agent, { agent, ...to, lifted: null });
  }

  suspend(agent: string, reason: string): void {
    this.told.push(`suspend ${agent}`);
    this.suspended.set(agent, reason);
  }

  async widen(agent: string, reason: string): Promise<void> {
    this.told.push(`widen ${agent}: ${reason}`);
    await Promise.resolve();
    if (this.widens) this.lift(agent);
  }

  lift(agent: string): void {
    const found = this.found.get(agent);
    if (found !== undefined) this.found.set(agent, { ...found, lifted: {} });
  }
}

describe("adjustments while a service runs", () => {
  let world: World;
  let adjustments: Adjustments;
  beforeEach(() => {
    world = new World();
    adjustments = world.open();
  });
  const acts = (agent: string, risk: number, decision: "allow" | "flag" | "deny" = "allow", why = ["odd"]): void => {
    adjustments.settled(act(agent, world.now), { ...NOTHING_ODD, risk, reasons: why }, { decision });
  };

  it("are there when the action that they come from has been handed over, with its reasons", () => {
    acts("a-1", 61, "flag", ["40 distinct customers in 5 min; usual at most 4", "hour 03 has 0.1 % of its activity"]);
    expect(world.found.get("a-1")).to.deep.include({
      purpose: "support",
      reason: "risk 61 is at least 60",
      why: ["40 distinct customers in 5 min; usual at most 4", "hour 03 has 0.1 % of its activity"],
      ...BEHAVIOR_DEFAULTS.narrowed,
    });
    acts("a-1", 88);
    expect(world.told).to.deep.equal(["narrow a-1", "suspend a-1"]);
    expect(world.suspended.get("a-1")).to.equal("risk 88 is at least 85; odd");
  });

  it("come once, however many actions of one turn say the same", () => {
    for (let i = 0; i < 10; i++) acts("a-1", 90);
    expect(world.told).to.deep.equal(["narrow a-1", "suspend a-1"]);
  });

  it("are each agent's own", () => {
    acts("a-1", 60);
    acts("a-2", 59);
    expect(world.told).to.deep.equal(["narrow a-1"]);
  });

  it("say no more than a fact may hold", () => {
    acts(
      "a-1",
      99,
      "deny",
      Array.from({ length: 40 }, () => "x".repeat(2000)),
    );
    expect(world.suspended.get("a-1")).to.have.length(512);
    expect(world.found.get("a-1")?.why?.map(({ length }) => length)).to.deep.equal([512, 512, 512, 512, 512]);
  });

  it("end by themselves only where it is known what the agent did elsewhere, and calm counts from then on", async () => {
    acts("a-1", 60);
    world.mayRestore = false;
    const { for_ms } = BEHAVIOR_DEFAULTS.narrowed;
    await world.seconds(2 * (for_ms / 1000));
    acts("a-1", 0);
    expect(world.told).to.deep.equal(["narrow a-1"]);
    world.mayRestore = true;
    await world.seconds(for_ms / 1000 - 1);
    expect(world.told).to.deep.equal(["narrow a-1"]);
    await world.seconds(2);
    expect(world.told).to.have.length(2);
  });

  it("end by themselves, though the agent does nothing more, when it has been calm for as long as was said", async () => {
    acts("a-1", 60);
    world.risks.set("a-1", 45);
    await world.seconds(60);
    world.risks.set("a-1", 39);
    await world.seconds(15 * 60);
    expect(world.told).to.deep.equal(["narrow a-1"]);
    await world.seconds(2);
    expect(world.told.slice(1)).to.deep.equal(["widen a-1: risk has been below 40 for 15 min"]);
    await world.seconds(60);
    expect(world.told).to.have.length(2);
  });

  it("don't end sooner for what was reported to have happened long ago", async () => {
    acts("a-1", 60);
    await world.seconds(60);
    adjustments.settled(act("a-1", world.now - 20 * 60_000), NOTHING_ODD, { decision: "allow" });
    await world.seconds(60);
    expect(world.told).to.deep.equal(["narrow a-1"]);
    await world.seconds(15 * 60);
    expect(world.told).to.have.length(2);
  });

  it("begin anew where one is being lifted just then", async () => {
    acts("a-1", 60);
    await world.seconds(15 * 60 + 1);
    world.now += 1000;
    expect(world.told.at(-1)).to.match(/^widen/);
    world.told.length = 0;
    world.found.set("a-1", { agent: "a-1", below: 40, for_ms: 1000, lifted: null });
    let lifted = (): void => undefined;
    world.widen = () => new Promise((resolve) => (lifted = resolve));
    await world.seconds(3);
    acts("a-1", 70);
    expect(world.told).to.deep.equal(["narrow a-1"]);
    lifted();
  });

  it("end later where the store fails, and are tried again until it doesn't", async () => {
    acts("a-1", 60);
    world.widens = false;
    await world.seconds(15 * 60 + 10);
    expect(world.told.length).to.be.above(5);
    world.widens = true;
    await world.seconds(2);
    const { length } = world.told;
    await world.seconds(60);
    expect(world.told).to.have.length(length);
  });

  it("don't end by themselves where a person made them, nor while the agent is stopped", async () => {
    world.narrow("by-hand", { reason: "r", purpose: "", why: [], actions_per_minute: 1, below: null as never, for_ms: null as never });
    acts("a-1", 90);
    await world.seconds(60 * 60);
    expect(world.told).to.deep.equal(["narrow by-hand", "narrow a-1", "suspend a-1"]);
    world.suspended.clear();
    await world.seconds(15 * 60 + 2);
    expect(world.told.slice(3)).to.have.length(1);
  });

  it("count the flags that come after a person has let the agent go on, and none before", () => {
    for (let i = 1; i < FLOOD.flags; i++) acts("a-1", 0, "flag");
    adjustments.letGoOn("a-1");
    acts("a-1", 0, "flag");
    expect(world.told).to.be.empty;
    for (let i = 1; i < FLOOD.flags; i++) acts("a-1", 0, "flag");
    expect(world.told).to.deep.equal(["narrow a-1"]);
  });

  it("narrow an agent that floods people with flags", () => {
    for (let i = 0; i < 10_000; i++) acts("a-1", 0, "flag");
    expect(world.told).to.deep.equal(["narrow a-1"]);
    expect(world.found.get("a-1")?.reason).to.equal(`${FLOOD.flags} flags within a minute`);
  });

  it("follow the purpose as it is now", () => {
    world.policy = { ...BEHAVIOR_DEFAULTS, narrow: null, suspend: null };
    for (let i = 0; i < 100; i++) acts("a-1", 100, "flag");
    expect(world.told).to.be.empty;
    world.policy = BEHAVIOR_DEFAULTS;
    acts("a-1", 100, "flag");
    expect(world.told).to.deep.equal(["narrow a-1", "suspend a-1"]);
  });

  it("stop with the service", async () => {
    acts("a-1", 60);
    adjustments.close();
    await world.seconds(60 * 60);
    expect(world.told).to.deep.equal(["narrow a-1"]);
  });
});
