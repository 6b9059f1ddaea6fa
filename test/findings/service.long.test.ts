import { expect } from "chai";
import type { Answer, FindingPage } from "../../src/contract/index.js";
import { Desk } from "./desk.js";
import { OTHERS_INVOICE } from "./service_support.js";

describe("findings of a running service", function () {
  let desk: Desk;
  let answer: Answer;
  let id: string;
  before(async () => {
    desk = await Desk.open({}, undefined, 3);
    answer = await desk.decide(OTHERS_INVOICE);
    id = answer.finding ?? "";
    await desk.decide("read order/O-9 customer-9", 3);
  });
  after(() => desk.close());

  const list = async (query = "", token?: string): Promise<FindingPage> =>
    (await desk.ask("GET", `/findings${query}`, undefined, token === undefined ? {} : { token })).body as unknown as FindingPage;

  it("are what they were after a restart, and go on as the same incidents", async () => {
    const before = await list();
    const shown = (await desk.ask("GET", `/findings/${id}`)).body;
    await desk.restart();
    const after = await list();
    expect(after.items).to.deep.equal(before.items);
    expect({ ...(await desk.ask("GET", `/findings/${id}`)).body, indexed_to: 0 }).to.deep.equal({
      ...shown,
      indexed_to: 0,
    });
    expect((await desk.decide("read invoice/I-600 customer-9")).finding).to.equal(id);
    const other = await desk.decide("read order/O-79 customer-9", 3);
    expect(before.items.map(({ id: known }) => known)).to.include(other.finding);
    expect((await desk.finding(id)).actions.flag).to.equal(2);
  });
});
