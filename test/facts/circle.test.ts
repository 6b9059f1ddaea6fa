import { expect } from "chai";
import { MemoryDisk } from "../../src/store/memory.js";
import { HOUR_MS, NOW, World, at, outcome } from "./world.js";

describe("tasks of a damaged store that go round in a circle", () => {
  it("are no one's to hand on, and hold nobody up", async () => {
    const disk = new MemoryDisk();
    const work = {
      agent: "a-1",
      purpose: "support",
      principal: null,
      subjects: {},
      attributes: {},
      verbs: null,
      expires: null,
      ended: null,
    };
    for (const [id, parent] of [
      ["T-1", "T-2"],
      ["T-2", "T-1"],
      ["T-3", "T-3"],
    ] as const) {
      const value = JSON.stringify({ id, parent, ...work });
      disk.rows.push({
        revision: disk.rows.length + 1,
        key: `task/${id}`,
        value,
        by: "host",
        time: new Date(NOW).toISOString(),
        reason: null,
        change: "task_created",
      });
    }
    const facts = await new World(disk).open(3);
    await facts.createAgent({ id: "a-1", owner: "ops", purposes: ["support"], delegates: ["support"] }, "host");
    for (const parent of ["T-1", "T-3"]) {
      const asked = { id: "T-4", agent: "a-1", purpose: "support", parent, expires: at(HOUR_MS) };
      expect(await outcome(facts.createTask(asked, "host"))).to.equal("parent_not_live /parent");
    }
  });
});
