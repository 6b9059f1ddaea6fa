import { expect } from "chai";
import { join } from "node:path";
import { beside, handedIn, recordsIn, shipped, type Beside } from "./desk.js";
import { NOTE } from "./records_support.js";

describe("what an engine in an application records", function () {
  this.timeout(60_000);
  let world: Beside;
  beforeEach(async () => {
    world = await beside();
  });
  afterEach(async () => {
    await world.close();
  });

  const idsHere = (dir: string): string[] =>
    recordsIn(join(dir, "log")).flatMap((record) => (record.kind === "decision" ? [record.answer.decision_id] : []));
  const idsThere = (): string[] => handedIn(world.service).map(({ answer }) => answer.decision_id);

  it("is on its disk before it is answered, and reaches the service once, however often the connection breaks", async () => {
    const dir = join(world.folder, "breaking");
    const engine = await world.open({ dir });
    const breaking = setInterval(() => {
      world.wire.break();
    }, 15);
    const answered: string[] = [];
    for (let i = 0; i < 60; i++) {
      for (const { decision_id } of await engine.decideBatch([NOTE, NOTE, NOTE, NOTE, NOTE])) answered.push(decision_id);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    clearInterval(breaking);
    expect(idsHere(dir)).to.deep.equal(answered);
    await shipped(engine);
    expect(idsThere()).to.deep.equal(answered);
    expect(engine.status.refused).to.equal(0);
  });
});
