import { expect } from "chai";
import { join } from "node:path";
import type { DecideRequest } from "../../src/contract/index.js";
import { ask } from "../http/asking.js";
import { tokenFor } from "../http/running.js";
import { action, beside, handedIn, recordsIn, shipped, type Beside } from "./desk.js";
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

  it("is one incident there, however often the same is flagged, as it would be had the service decided", async () => {
    const engine = await world.open();
    for (let i = 0; i < 40; i++) await engine.decideBatch(Array.from({ length: 5 }, () => action("ticket") as DecideRequest));
    await shipped(engine);
    const findings = new Set(handedIn(world.service).map(({ answer }) => answer.finding));
    expect(handedIn(world.service)).to.have.lengthOf(200);
    expect(findings).to.have.lengthOf(1);
    const [id] = findings;
    const { body } = await ask(world.service, "GET", `/findings/${id ?? ""}`, { token: tokenFor("remit:review") });
    expect(body).to.deep.include({ agent: "a-1", code: "noticed", state: "open" });
  });
});
