import { expect } from "chai";
import type { Commands } from "../../src/facts/commands.js";
import { World, lines, outcome } from "./world.js";
import { agent, run } from "./import_support.js";

describe("an import", () => {
  let world: World;
  let facts: Commands;
  beforeEach(async () => {
    world = new World();
    facts = await world.open();
  });

  it("of 100,000 lines with a bad one changes nothing and names the line", async () => {
    const all = Array.from({ length: 100_000 }, (_, i) => agent(`a-${i}`));
    all[77_776] = agent("a-77776", { purposes: ["suport"] });
    const file = await lines(all);
    expect(await outcome(run(facts, file))).to.equal("import_invalid /agent/purposes/0 line 77777");
    expect([facts.registry.revision, world.store.revision, facts.registry.sizes.agents]).to.deep.equal([0, 0, 0]);
  });
});
