/** The specification's own examples, each where it stands in a conversation, through the guard. */
import { readFileSync } from "node:fs";
import { expect } from "chai";
import { draft } from "../../src/guards/mcp/draft.js";
import { parseGuardConfig } from "../../src/guards/mcp/config.js";
import { pinnedOf, type Pins } from "../../src/guards/mcp/pins.js";
import { without } from "../../src/system/without.js";
import { asset } from "../../src/system/paths.js";
import { INITIALIZE, callOf, codeOf, listing, openRoughDesk, type Answering, type Message, type RoughDesk } from "./mcp/rough.js";
import { until } from "./mcp/support.js";

const EXAMPLES = Object.entries(
  JSON.parse(readFileSync(asset("test", "vectors", "mcp", "examples-2026-07-28.json"), "utf8")) as Record<string, Message>,
);

type Shown = (example: Message, desk: RoughDesk) => Promise<void>;

/** A tool that may be called with anything, as far as the policy of these tests goes. */
const anyCall = (name: string, given: object): object => ({ tools: { [name]: { search: "order", ignore: Object.keys(given) } } });
const pinned = (...tools: object[]): Pins => {
  const found = tools.map(pinnedOf).filter((tool) => tool !== null);
  return { instructions: null, tools: new Map(found.map((tool) => [tool.name, tool])) };
};
const tool = (name: string): object => ({ name, inputSchema: { type: "object" } });
const withTools =
  (tools: unknown, answer: object | null = null): Answering =>
  (asked, say) => {
    if (asked.method === "tools/list") say({ id: asked.id, result: { tools } });
    else if (asked.method === "tools/call" && answer !== null) say({ id: asked.id, ...answer });
    else listing(asked, say);
  };

/** The call reaches the server as it came, but for `_meta`, of which it gets the guard's own. */
const calls: Shown = async (example, desk) => {
  const params = example.params ?? example;
  const { name, arguments: given, _meta } = params as { name: string; arguments: object; _meta: Record<string, unknown> };
  const between = await desk.open({ answering: withTools([tool(name)]), pins: pinned(tool(name)), changes: anyCall(name, given) });
  between.say({ id: "call-tool-example", method: "tools/call", params });
  expect(codeOf(await between.answered("call-tool-example"))).to.equal("done");
  const [call] = between.calls();
  // What no policy has seen stays here; the client's token for progress is another's to the server.
  const expected = _meta["progressToken"] === undefined ? {} : { _meta: { progressToken: call?.id } };
  expect(call?.params).to.deep.equal({ ...without(params, "_meta"), ...expected });
  await between.close();
};

/** What the server answers to a call reaches the client as it is. */
const answers =
  (part: (example: Message) => object): Shown =>
  async (example, desk) => {
    const between = await desk.open({
      answering: withTools([tool("t")], part(example)),
      pins: pinned(tool("t")),
      changes: anyCall("t", {}),
    });
    between.say(callOf("call-tool-example", "t", {}));
    expect(await between.answered("call-tool-example")).to.deep.equal({
      jsonrpc: "2.0",
      id: "call-tool-example",
      ...part(example),
    });
    await between.close();
  };
const result = answers((example) => ({ result: example }));
const response = answers(({ result: of }) => ({ result: of }));
const error = answers((example) => ({ error: example["error"] ?? example }));

/** Approved as it is, it is listed as it is; and a first policy is drafted from it. */
const listsTool: Shown = async (example, desk) => {
  const name = String(example["name"]);
  const between = await desk.open({ answering: withTools([example]), pins: pinned(example), changes: anyCall(name, {}) });
  between.say({ id: 1, method: "tools/list" });
  expect(((await between.answered(1))["result"] as { tools: object[] }).tools).to.deep.equal([example]);
  await between.close();
  const nothing = { instructions: null, prompts: [], resources: [], templates: [] };
  const { files } = draft({ server: "example", tools: [example], ...nothing }, { server: { command: ["server"] } });
  expect([...parseGuardConfig(files["guard.yaml"], "guard.yaml").tools.keys()]).to.deep.equal([name]);
};

const lists: Shown = async (example, desk) => {
  const { tools, ...rest } = (example["result"] ?? example) as { tools: { name: string }[]; nextCursor?: string };
  const between = await desk.open({
    answering: (asked, say) => {
      const last = asked.params?.["cursor"] !== undefined;
      if (asked.method === "tools/list") say({ id: asked.id, result: last ? { tools: [] } : { ...rest, tools } });
      else listing(asked, say);
    },
    pins: pinned(...tools),
    changes: { tools: Object.fromEntries(tools.map(({ name }) => [name, { search: "order" }])) },
  });
  between.say({ id: 1, method: "tools/list" });
  // All pages are one; what else the result says stays.
  expect((await between.answered(1))["result"]).to.deep.equal({ ...without(rest, "nextCursor"), tools });
  await between.close();
};

const asksForList: Shown = async ({ params }, desk) => {
  const between = await desk.open();
  between.say({ id: "list-tools-example", method: "tools/list", params: { _meta: params?.["_meta"] } });
  expect(codeOf(await between.answered("list-tools-example"))).to.equal("done");
  // A cursor is another server's, which the guard never gave.
  between.say({ id: 2, method: "tools/list", params });
  expect(codeOf(await between.answered(2))).to.equal(params?.["cursor"] === undefined ? "done" : -32602);
  await between.close();
};

/** A client of the revision without sessions learns what the server is, which has begun with the guard as it would with any client. */
const discovers: Shown = async (example, desk) => {
  const between = await desk.open({ initialized: false });
  between.say({ ...example, id: 1 });
  expect((await between.answered(1))["result"]).to.deep.include({ resultType: "complete", capabilities: { tools: {} } });
  expect(between.reached.map(({ method }) => method)).to.deep.equal(["initialize", "notifications/initialized"]);
  between.say({ id: 2, ...INITIALIZE });
  expect(codeOf(await between.answered(2))).to.equal(-32602);
  await between.close();
};

/** What a server asks of a client, and what the client answers, pass. */
const asks =
  (asked: (example: Message) => { method: string; params: unknown }, answered: (example: Message) => object): Shown =>
  async (example, desk) => {
    const between = await desk.open();
    between.serverSays({ id: "ask", ...asked(example) });
    const found = (): Message | undefined => between.got.find(({ method }) => method === asked(example).method);
    await until(() => found() !== undefined);
    expect(found()?.params).to.deep.equal(asked(example).params);
    between.say({ id: found()?.id, result: answered(example) });
    await until(() => between.reached.some(({ id }) => id === "ask"));
    expect(between.reached.find(({ id }) => id === "ask")?.["result"]).to.deep.equal(answered(example));
    await between.close();
  };
const elicits = asks(
  ({ params }) => ({ method: "elicitation/create", params }),
  () => ({ action: "decline" }),
);
const elicitsWith = asks(
  (params) => ({ method: "elicitation/create", params }),
  () => ({ action: "decline" }),
);
const elicited = asks(
  () => ({ method: "elicitation/create", params: { message: "?" } }),
  (example) => example,
);
const samples = asks(
  (content) => ({ method: "sampling/createMessage", params: { messages: [{ role: "user", content: [content] }] } }),
  () => ({ role: "assistant" }),
);

/** The client hears of it, and the next call is held against the tools as they are then. */
const changes: Shown = async ({ method, params }, desk) => {
  const between = await desk.open();
  const listed = (): number => between.reached.filter((message) => message.method === "tools/list").length;
  between.say(callOf(1, "get_customer", { customer_id: "ada" }));
  await between.answered(1);
  expect(listed()).to.equal(1);
  between.serverSays({ method, params });
  await until(() => between.got.some((message) => message.method === method));
  between.say(callOf(2, "get_customer", { customer_id: "ada" }));
  await between.answered(2);
  expect(listed()).to.equal(2);
  await between.close();
};

/** The retry of a call that wants more input is a call of its own: decided again. */
const wantsInput: Shown = async (example, desk) => {
  await result(example, desk);
  const between = await desk.open({
    answering: withTools([tool("t")], { result: example }),
    pins: pinned(tool("t")),
    changes: anyCall("t", {}),
  });
  between.say(callOf(1, "t", {}));
  await between.answered(1);
  const { requestState } = example;
  between.say(callOf(2, "t", {}, { requestState, inputResponses: {} }));
  await between.answered(2);
  expect(between.calls()[1]?.params).to.deep.include({ requestState, inputResponses: {} });
  expect(await decisions(desk, between.as.task)).to.equal(2);
  await between.close();
};

async function decisions(desk: RoughDesk, task: string): Promise<number> {
  const { items } = (await desk.ask("GET", `/decisions?task=${task}`)) as { items: unknown[] };
  return items.length;
}

const SHOWN: Readonly<Record<string, Shown>> = {
  CallToolRequest: calls,
  CallToolRequestParams: calls,
  CallToolResult: result,
  CallToolResultResponse: response,
  DiscoverRequest: discovers,
  DiscoverResult: result,
  DiscoverResultResponse: response,
  ElicitRequest: elicits,
  ElicitRequestFormParams: elicitsWith,
  ElicitRequestURLParams: elicitsWith,
  ElicitResult: elicited,
  HeaderMismatchError: error,
  InputRequiredResult: wantsInput,
  InternalError: error,
  InvalidParamsError: error,
  ListToolsRequest: asksForList,
  ListToolsResult: lists,
  ListToolsResultResponse: lists,
  MethodNotFoundError: error,
  MissingRequiredClientCapabilityError: error,
  ParseError: error,
  Tool: listsTool,
  ToolListChangedNotification: changes,
  ToolResultContent: samples,
  ToolUseContent: samples,
  UnsupportedProtocolVersionError: error,
};

describe("the examples of the Model Context Protocol's schema", () => {
  let desk: RoughDesk;
  before(async () => {
    desk = await openRoughDesk();
  });
  after(async () => {
    await desk.stop();
  });

  it("are all there", () => {
    expect(EXAMPLES).to.have.lengthOf(42);
  });

  for (const [name, example] of EXAMPLES) {
    it(name, async () => {
      const shown = SHOWN[name.split("/")[0] ?? ""];
      if (shown === undefined) throw new Error("no place for it in a conversation");
      await shown(example, desk);
    });
  }
});
