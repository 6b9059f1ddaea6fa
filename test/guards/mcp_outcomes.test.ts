/** Outcomes that the MCP guard reports: done is only what the server says was done. */
import { expect } from "chai";
import { listing, openRoughDesk, type Answering, type Rough, type RoughDesk } from "./mcp/rough.js";
import { until } from "./mcp/support.js";

const TEXT = { content: [{ type: "text", text: "no such customer" }] };

describe("the outcome of a call that the MCP guard let through", () => {
  let desk: RoughDesk;
  let between: Rough;
  before(async () => {
    desk = await openRoughDesk();
  });
  after(async () => {
    await desk.stop();
  });
  afterEach(async () => {
    await between.close();
  });

  const rows: [what: string, reply: object, outcome: string][] = [
    ["a result", { result: TEXT }, "done"],
    ["a result that says it is no error", { result: { ...TEXT, isError: false } }, "done"],
    ["a result that is an error", { result: { ...TEXT, isError: true } }, "failed"],
    ["an error of the protocol", { error: { code: -32603, message: "no" } }, "failed"],
  ];
  for (const [what, reply, outcome] of rows)
    it(`is ${outcome} after ${what}, which the client gets as the server sent it`, async () => {
      const answering: Answering = (asked, say) => {
        if (asked.method === "tools/call") say({ id: asked.id, ...reply });
        else listing(asked, say);
      };
      between = await desk.open({ answering });
      between.say({ id: 1, method: "tools/call", params: { name: "get_customer", arguments: { customer_id: "ada" } } });
      expect(await between.answered(1)).to.deep.equal({ jsonrpc: "2.0", id: 1, ...reply });
      const recorded = async (): Promise<unknown[]> => {
        const { items } = (await desk.ask("GET", `/decisions?agent=${between.as.agent}`)) as { items: { outcome?: string }[] };
        return items.map((item) => item.outcome);
      };
      await until(async () => (await recorded()).some((one) => one === "done" || one === "failed"));
      expect(await recorded()).to.deep.equal([outcome]);
    });
});
