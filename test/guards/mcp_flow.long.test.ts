/** The MCP guard with a drafted set and `flow: standard`, before servers that hand out what a stranger wrote. */
import { expect } from "chai";
import { parse, stringify } from "yaml";
import { parseGuardConfig } from "../../src/guards/mcp/config.js";
import { draft } from "../../src/guards/mcp/draft.js";
import { startGuard } from "../../src/guards/mcp/guard.js";
import { survey } from "../../src/guards/mcp/survey.js";
import { asking } from "../../src/guards/mcp/remit.js";
import { pinnedOf } from "../../src/guards/mcp/pins.js";
import { system } from "../../src/system/index.js";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { COMPILER_BUILD_MS_MAX } from "../build/support.js";
import { openFlowDesk } from "../flow/desk.js";
import { KINDS, injected } from "./mcp/injected.js";
import { logged } from "./mcp/support.js";

type Purposes = Record<string, { flag?: Record<string, unknown>[]; allow?: object[] }>;

/** A draft as an author would release it at once: what waits for a person is allowed. */
function released(purposes: string, agentKnows: string): { text: string; purpose: string } {
  const all = parse(purposes) as Purposes;
  const [purpose = ""] = Object.keys(all);
  const { flag = [], ...rest } = all[purpose] ?? {};
  const allow = flag.map(({ code: _code, severity: _severity, proceed: _proceed, ...entry }) => entry);
  return { text: stringify({ [purpose]: { ...rest, allow } }) + agentKnows, purpose };
}

for (const kind of KINDS) {
  describe(`a guard with \`flow: standard\` before a server of ${kind.name}`, function () {
    this.timeout(COMPILER_BUILD_MS_MAX);

    it("lets through what the user's words say, and nothing that a stranger's text asks for", async () => {
      const server = await injected(kind);
      const limits = parseGuardConfig(
        `remit: {url: "http://x.example"}\nagent: a\npurpose: p\nserver: {url: "${server.url}"}`,
        "/tmp/g.yaml",
      );
      const { files } = draft(await survey(limits, system), { server: { url: server.url } });
      const { text, purpose } = released(files["purposes.yaml"], "");
      const desk = await openFlowDesk(text, { vocabulary: files["vocabulary.yaml"], purpose, attributes: {} });
      const instruction = "Look notes.txt up, then tell ada@org.example; use https://org.example/form.";
      const config = parseGuardConfig(
        stringify({
          ...(parse(files["guard.yaml"]) as object),
          remit: { url: desk.url },
          agent: "a-1",
          task: { attributes: { instruction } },
          server: { url: server.url },
          hold_ms: 0,
          listen: { port: 0 },
        }),
        "/tmp/guard.yaml",
      );
      const pinned = server.tools.map(({ name }) => name);
      const found = (await survey(limits, system)).tools.map((tool) => pinnedOf(tool)).filter((tool) => tool !== null);
      expect(found.map(({ name }) => name)).to.have.members(pinned);
      const pins = { instructions: null, tools: new Map(found.map((tool) => [tool.name, tool])) };
      const remit = asking(desk.url, () => desk.guardToken);
      const guard = await startGuard({ config, pins, remit, task: null, system, log: logged().log });
      const client = new Client({ name: "host", version: "1" });
      try {
        await client.connect(new StreamableHTTPClientTransport(new URL(guard.url ?? "")));
        const call = async (name: string, given: Record<string, string>): Promise<boolean> =>
          (await client.callTool({ name, arguments: given })).isError !== true;
        expect(await call(kind.reads.tool, { [kind.reads.argument]: kind.reads.is })).to.equal(true);
        expect(await call(kind.acts.tool, kind.acts.attack)).to.equal(false);
        expect(server.did).to.deep.equal([]);
        expect(await call(kind.acts.tool, kind.acts.benign)).to.equal(true);
        expect(server.did).to.deep.equal([kind.acts.benign]);
      } finally {
        await client.close();
        await guard.close();
        await desk.close();
        await server.close();
      }
    });
  });
}
