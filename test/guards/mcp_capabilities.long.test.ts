/** Tools that a server shows only to clients that can be asked: a survey sees them, so that they can be approved, and each client has those that are its own. */
import { join } from "node:path";
import { expect } from "chai";
import { stringify } from "yaml";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { ElicitRequestSchema, type ClientCapabilities } from "@modelcontextprotocol/sdk/types.js";
import { startGuard, type RunningGuard } from "../../src/guards/mcp/guard.js";
import { pinnedOf, type Pins } from "../../src/guards/mcp/pins.js";
import { asking } from "../../src/guards/mcp/remit.js";
import { survey } from "../../src/guards/mcp/survey.js";
import { declined } from "../../src/guards/mcp/client_capabilities.js";
import { system } from "../../src/system/index.js";
import { remit } from "../cli/remit.js";
import { SHOWN } from "./mcp/asking.js";
import { META, STATELESS, ask, json, statelessServer } from "./mcp/stateless.js";
import { MAPPING, configOf, folderWith, logged, openDesk, type Desk } from "./mcp/support.js";

const COMMAND = [process.execPath, join(import.meta.dirname, "mcp", "asking.js")];
const NAMES = Object.keys(SHOWN);
const TOOLS = Object.fromEntries(NAMES.map((name) => [name, { read: "customer", id: "customer_id" }]));
const CAPABILITIES = "io.modelcontextprotocol/clientCapabilities";

describe("tools that a server shows only to clients with a capability", () => {
  let desk: Desk;
  before(async () => {
    desk = await openDesk();
  });
  after(() => desk.stop());
  const pinsFrom = async (of: Parameters<typeof survey>[0]): Promise<Pins> => {
    const { tools, instructions } = await survey(of, system);
    const pinned = tools.map((tool) => pinnedOf(tool)).filter((tool) => tool !== null);
    return { instructions, tools: new Map(pinned.map((tool) => [tool.name, tool])) };
  };

  it("are drafted and approved, though the server asks for an answer before it lists them", async () => {
    const { dir, remove } = folderWith({
      "guard.yaml": stringify({ ...MAPPING, remit: { url: "http://127.0.0.1:9" }, server: { command: COMMAND }, tools: TOOLS }),
    });
    const drafted = await remit("guard", "mcp", "--draft", join(dir, "new"), "--json", "--", ...COMMAND);
    expect(drafted.exit, drafted.err).to.equal("ok");
    const approved = await remit("guard", "mcp", "--config", join(dir, "guard.yaml"), "--approve", "--json");
    expect(JSON.parse(approved.out)).to.deep.include({ added: NAMES, missing: [] });
    remove();
  });

  const ASKED: [method: string, answer: object][] = [
    ["ping", { result: {} }],
    ["roots/list", { result: { roots: [] } }],
    ["elicitation/create", { result: { action: "decline" } }],
    ["sampling/createMessage", { error: { code: -1, message: "User rejected sampling request" } }],
    ["tasks/list", { error: { code: -32601, message: "Method not found" } }],
    ["constructor", { error: { code: -32601, message: "Method not found" } }],
  ];
  for (const [method, answer] of ASKED) {
    it(`are surveyed without telling the server anything: ${method}`, () => {
      expect(declined({ method })).to.deep.equal(answer);
    });
  }

  describe("in a session,", () => {
    let guard: RunningGuard;
    before(async () => {
      const config = configOf({ remit: desk.remit(), server: { command: COMMAND }, tools: TOOLS, listen: { port: 0 } });
      const pins = await pinsFrom(config);
      guard = await startGuard({ config, pins, remit: asking(desk.service.url, () => desk.token), task: null, system, log: logged().log });
    });
    after(() => guard.close());
    const open = async (capabilities: ClientCapabilities): Promise<Client> => {
      const client = new Client({ name: "host", version: "1" }, { capabilities });
      if (capabilities.elicitation !== undefined) {
        client.setRequestHandler(ElicitRequestSchema, () => ({ action: "accept" as const, content: { password: "Rosenweg" } }));
      }
      await client.connect(new StreamableHTTPClientTransport(new URL(guard.url ?? "")));
      return client;
    };

    it("are its client's to see and to call", async () => {
      const client = await open({ elicitation: {} });
      const { tools } = await client.listTools();
      expect(tools.map(({ name }) => name)).to.deep.equal(["get_anything", "ask_person"]);
      const { content } = await client.callTool({ name: "ask_person", arguments: { customer_id: "ada" } });
      expect(JSON.stringify(content)).to.contain("Rosenweg");
      await client.close();
    });

    for (const name of ["ask_person", "think", "list_folders"]) {
      it(`aren't seen, and can't be called, by a client without it: ${name}`, async () => {
        const client = await open({});
        const { tools } = await client.listTools();
        expect(tools.map((tool) => tool.name)).to.deep.equal(["get_anything"]);
        const { _meta } = await client.callTool({ name, arguments: { customer_id: "ada" } });
        expect(_meta?.["remit/refused"]).to.deep.include({ code: "tool_unavailable" });
        await client.close();
      });
    }
  });

  it("without sessions are called by a client that has it; another hears from the server what it lacks", async () => {
    const server = await statelessServer();
    const gated = server.tools.filter((tool) => (tool as { name: string }).name === "get_customer");
    const shownTo = (declared: unknown): object[] => ((declared as Record<string, unknown>)["elicitation"] === undefined ? [] : gated);
    const declaredIn = (params: Record<string, unknown> | undefined): unknown =>
      (params?.["_meta"] as Record<string, unknown>)[CAPABILITIES];
    Object.defineProperty(server, "tools", { get: () => shownTo(declaredIn(server.of("tools/list").at(-1)?.message.params)) });
    server.calls(({ id, params }, response) => {
      if (shownTo(declaredIn(params)).length > 0) json(response, id, { result: { resultType: "complete", content: [] } });
      else json(response, id, { error: { code: -32021, message: "elicitation is missing" } }, 400);
    });
    const config = configOf({ remit: desk.remit(), server: { url: server.url, revision: STATELESS }, listen: { port: 0 } });
    const pins = await pinsFrom(config);
    expect([...pins.tools.keys()]).to.deep.equal(["get_customer"]);
    const guard = await startGuard({
      config,
      pins,
      remit: asking(desk.service.url, () => desk.token),
      task: null,
      system,
      log: logged().log,
    });
    const called = { name: "get_customer", arguments: { customer_id: "ada" } };
    const able = await ask(guard.url ?? "", "tools/call", called, { meta: { ...META, [CAPABILITIES]: { elicitation: {} } } });
    expect(able.answer["result"]).to.deep.include({ content: [] });
    const unable = await ask(guard.url ?? "", "tools/call", called);
    expect([unable.status, (unable.answer["error"] as { code: number }).code]).to.deep.equal([400, -32021]);
    // A client with a session can't be asked through such a server, so it sees none of them.
    const client = new Client({ name: "host", version: "1" }, { capabilities: { elicitation: {} } });
    await client.connect(new StreamableHTTPClientTransport(new URL(guard.url ?? "")));
    expect((await client.listTools()).tools).to.deep.equal([]);
    await client.close();
    await guard.close();
    await server.close();
    expect(server.faults).to.deep.equal([]);
  });
});
