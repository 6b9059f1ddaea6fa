/** An attempt that is decided again by another policy, on the same facts: what a staged bundle would have said. */
import { expect } from "chai";
import type { PolicyInput, PolicyResult } from "../../src/contract/index.js";
import { concludeBeside } from "../../src/decision/beside.js";
import { Chain } from "../../src/decision/chain.js";
import { AGENT, ALLOWED, CALLER, REQUEST, TASK, World, policyOf } from "./world.js";
import type { Attempt } from "../../src/decision/question.js";

const DENIED: PolicyResult = {
  ...{ decision: "deny", proceed: false, obligations: [] },
  reasons: [{ effect: "deny", code: "read_only", severity: "high", params: {} }],
};

async function attemptIn(world: World, asked: unknown = REQUEST): Promise<Attempt> {
  const { intake, attempt } = world.decider;
  const policy = intake.activePolicy();
  return attempt(await intake.question(intake.read(asked, policy), CALLER, policy, intake.arrival()));
}
const chained = (): World => {
  const world = new World();
  world.agents.set("lead-1", { ...AGENT, id: "lead-1" });
  world.tasks.set("T-0", { ...TASK, id: "T-0", agent: "lead-1" }).set("T-1", { ...TASK, parent: "T-0" });
  return world;
};

describe("an attempt that is decided by another policy beside", () => {
  it("is what that policy says of each task, on the input of the first, and leaves its own conclusion alone", async () => {
    const own: PolicyInput[] = [];
    const beside: PolicyInput[] = [];
    const world = chained();
    world.active = policyOf((input) => (own.push(input), ALLOWED));
    const attempt = await attemptIn(world);
    const conclusion = concludeBeside(
      attempt,
      policyOf((input) => (beside.push(input), input.request.task === "T-0" ? DENIED : ALLOWED)),
    );
    expect([attempt.conclusion.decision, conclusion.decision, conclusion.proceed]).to.deep.equal(["allow", "deny", false]);
    expect(conclusion.reasons.map(({ code }) => code)).to.include("read_only");
    expect(own).to.have.lengthOf(2);
    expect(beside).to.deep.equal(own);
    expect(
      concludeBeside(
        attempt,
        policyOf(() => ALLOWED),
      ).decision,
    ).to.equal("allow");
  });

  it("is asked about every task, though the first policy was asked about none of them", async () => {
    const world = chained();
    world.active = { ...policyOf(() => DENIED), purposes: new Map() };
    const attempt = await attemptIn(world);
    const asked: (string | null)[] = [];
    const conclusion = concludeBeside(
      attempt,
      policyOf((input) => (asked.push(input.request.task), ALLOWED)),
    );
    expect([attempt.conclusion.decision, conclusion.decision, asked]).to.deep.equal(["deny", "allow", ["T-1", "T-0"]]);
  });

  it("is refused by the floor for a purpose that the other policy lacks, and for what the facts say, unasked", async () => {
    const world = chained();
    const attempt = await attemptIn(world);
    const asking = (): never => {
      throw new Error("asked");
    };
    expect(concludeBeside(attempt, { ...policyOf(asking), purposes: new Map() }).reasons.map(({ code }) => code)).to.deep.equal([
      "purpose_unknown",
    ]);
    world.agents.set("lead-1", { ...AGENT, id: "lead-1", status: "suspended" });
    const refused = concludeBeside(await attemptIn(world), policyOf(asking));
    expect([refused.decision, refused.proceed, refused.reasons.map(({ code }) => code)]).to.deep.equal([
      "deny",
      false,
      ["agent_suspended"],
    ]);
  });
});

describe("the last decision of each task", () => {
  it("is named by the next of that task alone, unless it never was or all was forgotten", () => {
    const chain = new Chain(2);
    const named = [
      chain.next("T-1", "d-1"),
      chain.next("T-2", "d-2"),
      chain.next("T-1", "d-3"),
      chain.next(null, "d-4"),
      chain.next(null, "d-5"),
    ];
    expect(named).to.deep.equal([null, null, "d-1", null, null]);
    chain.broken("T-1");
    chain.broken(null);
    expect([chain.next("T-1", "d-6"), chain.next("T-2", "d-7")]).to.deep.equal([null, "d-2"]);
    chain.forget();
    expect([chain.next("T-1", "d-8"), chain.next("T-2", "d-9")]).to.deep.equal([null, null]);
  });
});
