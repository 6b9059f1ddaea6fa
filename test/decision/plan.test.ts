import { expect } from "chai";
import type { DecisionRecord, FlowFactsInput } from "../../src/contract/index.js";
import { TASK, World } from "./world.js";

/** Facts of flow that the policy was asked with. */
function flowOf({ records }: World): FlowFactsInput | null {
  const [record] = records.map((text) => JSON.parse(text) as DecisionRecord);
  return (record?.input as { facts: { flow: FlowFactsInput | null } }).facts.flow;
}

describe("a task with a plan where nobody watches what it sees", () => {
  it("has an argument that is unknown, of which the policy's library permits nothing", async () => {
    const world = new World();
    world.tasks.set(TASK.id, { ...TASK, plan: [{ verb: "read", type: "invoice" }] });
    await world.decide();
    expect(flowOf(world)).to.deep.include({ complete: false, plan: { arguments: { "*": "unknown" }, fits: true, step: null } });
  });

  it("differs from one without a plan, of which nothing is said", async () => {
    const world = new World();
    await world.decide();
    expect(flowOf(world)).to.equal(null);
  });
});
