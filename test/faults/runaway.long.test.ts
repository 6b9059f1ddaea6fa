import { expect } from "chai";
import type { Answer } from "../../src/contract/index.js";
import { post, run, type Running } from "../http/running.js";
import { action, decisionRecords, faultsBundle, permitted, told } from "./support.js";

const STOPPED = "deny evaluation_budget";
const IN_A_ROW = 10;

describe("rules that run away", () => {
  let service: Running;
  before(async () => {
    service = await run({}, await faultsBundle());
  });
  after(() => service.stop());

  async function decide(asked: object): Promise<string> {
    const response = await post(service, "/decide", asked);
    return response.status === 200 ? told((await response.json()) as Answer) : `status ${response.status}`;
  }

  it("are stopped and denied; the next decision is as if nothing had been", async () => {
    expect(await decide(action("n-0", "endless"))).to.equal(STOPPED);
    expect(await decide(action("n-1"))).to.equal(permitted("n-1"));
  });

  it("leave the others of their batch, and those that came with them, as they are", async () => {
    const actions = Array.from({ length: 20 }, (_, i) => action(`n-${i}`, i === 11 ? "endless" : undefined));
    const beside = Array.from({ length: 30 }, (_, i) => decide(action(`by-${i}`)));
    const response = await post(service, "/decide/batch", { actions });
    expect(response.status).to.equal(200);
    const { answers } = (await response.json()) as { answers: Answer[] };
    expect(answers.map(told)).to.deep.equal(actions.map((_, i) => (i === 11 ? STOPPED : permitted(`n-${i}`))));
    expect(await Promise.all(beside)).to.deep.equal(beside.map((_, i) => permitted(`by-${i}`)));
  });

  it(`may come ${IN_A_ROW} times in a row, each another, and once more all at once`, async () => {
    for (let i = 0; i < IN_A_ROW; i++) {
      const [stopped, other] = await Promise.all([decide(action(`r-${i}`, "endless")), decide(action(`by-${i}`))]);
      expect([stopped, other]).to.deep.equal([STOPPED, permitted(`by-${i}`)]);
    }
    const asked = Array.from({ length: 3 }, (_, i) => decide(action(`s-${i}`, "endless")));
    expect(await Promise.all(asked)).to.deep.equal(asked.map(() => STOPPED));
    expect(await decide(action("n-2"))).to.equal(permitted("n-2"));
  });

  it("are each on record as what they were", async () => {
    await service.stopKeeping();
    const found = decisionRecords(service.folder).map(({ answer }) => told(answer));
    expect(found.filter((text) => text === STOPPED)).to.have.length(2 + IN_A_ROW + 3);
    expect(found.filter((text) => !text.startsWith("allow") && text !== STOPPED)).to.deep.equal([]);
  });
});
