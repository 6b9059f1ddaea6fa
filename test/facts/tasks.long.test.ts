import { expect } from "chai";
import fc from "fast-check";
import type { Registry } from "../../src/facts/registry.js";
import { World, at, outcome } from "./world.js";
import { task, withAgents } from "./tasks_support.js";

describe("tasks", () => {
  let world: World;
  beforeEach(async () => {
    world = new World();
    await withAgents(world);
  });

  it("never have a subject, a verb or a moment that their parent lacks, whatever is asked and added", async () => {
    const some = (words: string[]) => fc.subarray(words);
    const asked = fc.record({
      parent: fc.nat({ max: 8 }),
      customer: some(["ada", "bob", "eve"]),
      ticket: some(["K-1", "K-2"]),
      verbs: fc.option(some(["read", "update", "search"])),
      life: fc.integer({ min: 1, max: 5 }),
      add: fc.option(fc.record({ to: fc.nat({ max: 8 }), customer: some(["ada", "bob", "eve"]) })),
    });
    let [made, refused] = [0, 0];
    await fc.assert(
      fc.asyncProperty(fc.array(asked, { minLength: 5, maxLength: 15 }), async (steps) => {
        const here = new World(undefined, { task_depth_max: 100 }, false);
        const tree = await withAgents(here);
        const ids: string[] = [];
        for (const [i, { parent, customer, ticket, verbs, life, add }] of steps.entries()) {
          const above = ids.length === 0 ? null : (ids[parent % ids.length] ?? null);
          const wanted = task({
            id: `T-${i}`,
            parent: above,
            subjects: { customer, ticket },
            expires: at(life * 1000),
          });
          const result = await outcome(tree.createTask({ ...wanted, ...(verbs !== null && { verbs }) }, "host"));
          if (result === "done") ids.push(`T-${i}`);
          else refused++;
          const to = ids[(add?.to ?? 0) % (ids.length || 1)];
          if (add !== null && to !== undefined) await outcome(tree.changeTask(to, { subjects: { customer: add.customer } }, null, "host"));
        }
        made += ids.length;
        for (const id of ids) expectNarrower(tree.registry, id);
      }),
      { numRuns: 1000 },
    );
    expect(made).to.be.above(1000);
    expect(refused).to.be.above(500);
  });
});

function expectNarrower(registry: Registry, id: string): void {
  const child = registry.task(id);
  const parent = registry.task(child?.parent ?? "");
  if (child === undefined || parent === undefined) return;
  expect(child.purpose).to.equal(parent.purpose);
  expect(child.expires_ms).to.be.at.most(parent.expires_ms ?? Infinity);
  if (parent.verbs !== null) for (const verb of child.verbs ?? ["every verb"]) expect(parent.verbs).to.include(verb);
  for (const [type, ids] of Object.entries(child.subjects)) for (const one of ids) expect(parent.subjects[type]).to.include(one);
}
