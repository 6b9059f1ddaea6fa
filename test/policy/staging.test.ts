import { expect } from "chai";
import { BundleError } from "../../src/bundle/errors.js";
import type { PolicyResult } from "../../src/contract/index.js";
import { decider } from "../../src/decision/decide.js";
import type { ActivePolicy, Evaluation } from "../../src/decision/ports.js";
import { Staging, isInShare, type StageEnd, type StageLimits, type StageStatus } from "../../src/policy/staging.js";
import { AGENT, ALLOWED, CALLER, PURPOSE, REQUEST, VOCABULARY, WAITING, World, live, policyOf } from "../decision/world.js";

const LIMITS: StageLimits = { compared_min: 10, flips_percent_max: 20, errors_max: 2 };
const DENIED: PolicyResult = {
  decision: "deny",
  proceed: false,
  reasons: [{ effect: "deny", code: "read_only", severity: "high", params: {} }],
  obligations: [],
};

/** A bundle with a higher sequence than the active one. */
const next = (evaluate: Parameters<typeof policyOf>[0], more: Partial<ActivePolicy> = {}): ActivePolicy => ({
  ...policyOf(evaluate, 2),
  ...more,
});

describe("a staged bundle", () => {
  let world: World;
  let staging: Staging;
  let ended: { why: StageEnd; status: StageStatus }[];
  /** What was put off until later turns. */
  let later: (() => void)[];

  beforeEach(() => {
    ended = [];
    later = [];
    world = new World((pdp) => {
      staging = new Staging({
        clock: pdp.system.clock,
        timers: { turnEnd: (call) => later.push(call) },
        limits: LIMITS,
        ended: (why, status) => ended.push({ why, status }),
      });
      return decider({ ...pdp, stage: staging });
    });
    for (let i = 0; i < 200; i++) world.agents.set(`a-${i}`, { ...AGENT, id: `a-${i}` });
  });

  const begin = (candidate: ActivePolicy, share = 0): void => {
    if (world.active === null) throw new Error("no policy is active");
    staging.begin(candidate, world.active, share);
  };
  const ask = async (more: object = {}): Promise<{ decision: string; sequence: number }> => {
    const { answer } = await world.decider.decideAction({ ...REQUEST, ...more }, CALLER);
    return { decision: answer.decision, sequence: answer.policy.sequence };
  };
  const compare = (): void => {
    for (let call = later.shift(); call !== undefined; call = later.shift()) call();
  };
  const askTimes = async (times: number): Promise<void> => {
    for (let i = 0; i < times; i++) await ask();
    compare();
  };

  it("in shadow decides nothing, and its differences are counted by reason and agent", async () => {
    begin(next(() => DENIED));
    expect(await ask()).to.deep.equal({ decision: "allow", sequence: 1 });
    expect(staging.status).to.include({ compared: 0 });
    compare();
    expect(staging.status).to.deep.include({
      ...{ share: 0, compared: 1, flips: 1, errors: 0, skipped: 0, other_reasons: 0 },
      differences: [{ from: "allow", to: "deny", reason: "read_only", agent: "support-7", count: 1 }],
    });
    expect(world.records).to.have.length(1);
  });

  it("is compared on the facts of the decision: a use that was taken is there for both", async () => {
    world.grants = [live("g-1", { counted: true })];
    world.uses.set("g-1", 1);
    const uses: ActivePolicy = policyOf(({ facts }) => {
      const [grant] = facts.grants;
      if (grant === undefined) return DENIED;
      return { ...ALLOWED, reasons: [{ ...ALLOWED.reasons[0], code: "granted", params: { grant: grant.id } }] };
    });
    world.active = uses;
    begin({ ...uses, identity: { ...uses.identity, sequence: 2 } });
    await ask();
    expect(world.uses.get("g-1")).to.equal(0);
    compare();
    expect(staging.status).to.include({ compared: 1, flips: 0, other_reasons: 0 });
  });

  it("sees purposes of its own, and actions that only the active bundle refuses", async () => {
    world.agents.set("support-7", { ...AGENT, purposes: new Set(["support", "auditing"]) });
    begin(next(() => ALLOWED, { purposes: new Map([["auditing", { ...PURPOSE, task: "optional" }]]) }));
    expect(await ask({ purpose: "auditing", task: undefined })).to.include({ decision: "deny" });
    compare();
    expect(staging.status?.differences).to.deep.include({ from: "deny", to: "allow", reason: "read_own", agent: "support-7", count: 1 });
    await ask();
    compare();
    expect(staging.status?.differences.map(({ reason }) => reason)).to.include("purpose_unknown");
  });

  it("decides for its share of the agents, always the same, and for none besides", async () => {
    begin(
      next(() => ALLOWED, {}),
      30,
    );
    world.tasks.clear();
    const by = new Map<string, number>();
    for (const id of world.agents.keys()) by.set(id, (await ask({ agent: id, purpose: "roaming", task: undefined })).sequence);
    for (const [id, sequence] of by) {
      expect(sequence).to.equal(isInShare(id, 30) ? 2 : 1);
      expect((await ask({ agent: id, purpose: "roaming", task: undefined })).sequence).to.equal(sequence);
    }
    expect([...by.values()].filter((sequence) => sequence === 2).length).to.be.within(35, 85);
    compare();
    expect(staging.status).to.include({ flips: 0 });
  });

  it("has in a larger share every agent of a smaller one", () => {
    for (const id of world.agents.keys()) {
      let before = false;
      for (let share = 0; share <= 100; share += 5) {
        const now = isInShare(id, share);
        expect(now || !before).to.equal(true);
        before = now;
      }
      expect(before).to.equal(true);
    }
  });

  it("takes decisions back when too many differ, whichever bundle made them", async () => {
    begin(
      next(() => WAITING),
      99,
    );
    expect(isInShare("support-7", 99)).to.equal(true);
    expect(await ask()).to.deep.equal({ decision: "flag", sequence: 2 });
    await askTimes(LIMITS.compared_min);
    expect(ended.map(({ why }) => why)).to.deep.equal(["flips"]);
    expect(ended[0]?.status).to.deep.include({ compared: LIMITS.compared_min, flips: LIMITS.compared_min });
    expect(staging.status).to.equal(null);
    expect(await ask()).to.deep.equal({ decision: "allow", sequence: 1 });
  });

  it("stays while few enough differ", async () => {
    let asked = 0;
    begin(next(() => (++asked % 10 === 0 ? DENIED : ALLOWED)));
    await askTimes(100);
    expect(ended).to.deep.equal([]);
    expect(staging.status).to.include({ compared: 100, flips: 10 });
  });

  const failures: [what: string, evaluate: () => Evaluation][] = [
    ["fail", () => ({ ok: false, code: "evaluation_failed", detail: "conflict" })],
    ["run out of fuel", () => ({ ok: false, code: "evaluation_budget", detail: "fuel", fuel: 9 })],
    ["answer what no result is", () => ({ ok: true, result: { decision: "allow" }, fuel: 1 })],
    [
      "throw, which nobody expects",
      () => {
        throw new Error("odd");
      },
    ],
  ];
  for (const [what, evaluate] of failures) {
    it(`is dropped once its evaluations ${what} too often`, async () => {
      begin(next(() => ALLOWED, { evaluate }));
      await askTimes(LIMITS.errors_max);
      expect(ended).to.deep.equal([]);
      await askTimes(1);
      expect(ended.map(({ why }) => why)).to.deep.equal(["errors"]);
    });
  }

  it("decides nothing once it has expired", async () => {
    begin(
      next(() => DENIED, { expires_ms: world.now_ms + 1 }),
      99,
    );
    expect(await ask()).to.include({ sequence: 2 });
    world.now_ms += 1;
    expect(await ask()).to.include({ sequence: 1 });
    expect(ended.map(({ why }) => why)).to.deep.equal(["expired"]);
  });

  it("decides nothing beside another bundle than the one it was staged beside", async () => {
    begin(
      next(() => DENIED),
      99,
    );
    world.active = policyOf(() => ALLOWED, 3);
    expect(await ask()).to.deep.equal({ decision: "allow", sequence: 3 });
    compare();
    expect(staging.status).to.include({ compared: 0 });
  });

  it("isn't staged if it reads requests by another vocabulary", () => {
    const other = next(() => ALLOWED, {
      vocabulary: { ...VOCABULARY, verbs: { ...VOCABULARY.verbs, erase: { class: "write", collection: false } } },
    });
    expect(() => {
      begin(other);
    })
      .to.throw(BundleError)
      .with.property("code", "stage_vocabulary");
    expect(staging.status).to.equal(null);
  });

  it("keeps no decision waiting: what is too much isn't compared, and counted", async () => {
    begin(next(() => ALLOWED));
    for (let i = 0; i < 1_005; i++) await ask();
    compare();
    expect(staging.status).to.include({ compared: 1_000, skipped: 5 });
  });

  it("is told of with its counts when another takes its place, and begins with none", async () => {
    begin(next(() => DENIED));
    await askTimes(2);
    begin(
      next(() => ALLOWED),
      10,
    );
    expect(ended).to.have.length(1);
    expect(ended[0]).to.deep.include({ why: "replaced" });
    expect(ended[0]?.status).to.include({ compared: 2, flips: 2 });
    expect(staging.status).to.include({ compared: 0, share: 10 });
  });
});
