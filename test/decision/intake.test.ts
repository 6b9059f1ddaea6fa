/** What a decision asks the ports beside it for: the caller's scope, masks that are ready, and what is known of values and limits. */
import { expect } from "chai";
import { decider } from "../../src/decision/decide.js";
import type { ValueFlow } from "../../src/decision/ports.js";
import { ALLOWED, CALLER, PURPOSE, REQUEST, TASK, VOCABULARY, World, policyOf, problemOf } from "./world.js";

describe("what a decision asks for", () => {
  it("is a caller who may ask for decisions, by the token that it sent", async () => {
    const world = new World();
    const asked: unknown[] = [];
    world.authenticate = (...of) => {
      asked.push(of);
      return CALLER;
    };
    await world.decide();
    expect(asked).to.deep.equal([["Bearer x", "remit:decide"]]);
  });

  it("is masks that are ready, if the policy has any", async () => {
    const world = new World();
    world.active = { ...policyOf(() => ALLOWED), vocabulary: { ...VOCABULARY, masks: [] } };
    expect((await problemOf(world.decide())).code).to.equal("log_unavailable");
    expect(world.records).to.deep.equal([]);
  });

  const limits = [{ what: "actions" }] as never;
  const cases: [what: string, plan: boolean, limited: boolean, words: boolean, asked: boolean][] = [
    ["nothing of values, for a policy without words, limits or plan", false, false, false, false],
    ["what a task has seen, if it has a plan", true, false, false, true],
    ["what is left of limits, if the purpose has some", false, true, false, true],
    ["whose values are, if the policy has words for it", false, false, true, true],
  ];
  for (const [what, plan, limited, words, isAsked] of cases)
    it(`is ${what}`, async () => {
      const roots: unknown[] = [];
      const flow = {
        ask: ({ root }: Parameters<ValueFlow["ask"]>[0]) => {
          roots.push(root?.id);
          return { facts: { seen: true }, note: null };
        },
      } as unknown as ValueFlow;
      const world = new World((pdp) => decider({ ...pdp, flow }));
      const inputs: unknown[] = [];
      const policy = policyOf(({ facts }) => {
        inputs.push(facts.flow);
        return ALLOWED;
      });
      world.active = {
        ...policy,
        vocabulary: { ...VOCABULARY, ...(words && { flow: {} as never }) },
        purposes: new Map([["support", { ...PURPOSE, ...(limited && { limits }) }]]),
      };
      world.tasks.set(TASK.id, { ...TASK, ...(plan && { plan: [{ verb: "read", type: "invoice" }] }) });
      world.tasks.set("T-2", { ...TASK, id: "T-2", parent: TASK.id });
      await world.decide({ ...REQUEST, task: "T-2" });
      // Of the topmost task, whichever was handed on from it.
      expect(roots).to.deep.equal(isAsked ? [TASK.id] : []);
      expect(inputs).to.deep.equal(isAsked ? [{ seen: true }, { seen: true }] : [null, null]);
    });
});
