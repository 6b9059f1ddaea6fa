/** A service and a guard with the set that the guard drafts of a server, as an author would release it at once. */
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { parse, stringify } from "yaml";
import { parseGuardConfig } from "../../../src/guards/mcp/config.js";
import { draft } from "../../../src/guards/mcp/draft.js";
import { startGuard } from "../../../src/guards/mcp/guard.js";
import { pinnedOf } from "../../../src/guards/mcp/pins.js";
import { asking } from "../../../src/guards/mcp/remit.js";
import { survey } from "../../../src/guards/mcp/survey.js";
import { system } from "../../../src/system/index.js";
import { openFlowDesk } from "../../flow/desk.js";
import { logged } from "./support.js";

type Purposes = Record<string, { flag?: Record<string, unknown>[]; allow?: object[] }>;
type ServerOptions = { url: string } | { command: string[] };

/** What waits for a person in the draft is allowed. */
function released(purposes: string): { text: string; purpose: string } {
  const all = parse(purposes) as Purposes;
  const [purpose = ""] = Object.keys(all);
  const { flag = [], ...rest } = all[purpose] ?? {};
  const allow = flag.map(({ code: _code, severity: _severity, proceed: _proceed, ...entry }) => entry);
  return { text: stringify({ [purpose]: { ...rest, allow } }), purpose };
}

export interface DraftedGuard {
  /** Names of the server's tools. */
  tools: string[];
  /** Calls a tool; true if the guard let it through and the server did it. */
  call: (name: string, given: Record<string, unknown>) => Promise<boolean>;
  /** Text of the last answer. */
  answer: () => string;
  close: () => Promise<void>;
}

/** @param instruction the user's own words on the task */
export async function draftedGuard(server: ServerOptions, instruction: string): Promise<DraftedGuard> {
  const limits = parseGuardConfig(stringify({ remit: { url: "http://x.example" }, agent: "a", purpose: "p", server }), "/tmp/g.yaml");
  const surveyed = await survey(limits, system);
  const { files } = draft(surveyed, { server });
  const { text, purpose } = released(files["purposes.yaml"]);
  const desk = await openFlowDesk(text, { vocabulary: files["vocabulary.yaml"], purpose, attributes: {} });
  const config = parseGuardConfig(
    stringify({
      ...(parse(files["guard.yaml"]) as object),
      remit: { url: desk.url },
      agent: "a-1",
      task: { attributes: { instruction } },
      server,
      hold_ms: 0,
      listen: { port: 0 },
    }),
    "/tmp/guard.yaml",
  );
  const tools = surveyed.tools.map((tool) => pinnedOf(tool)).filter((tool) => tool !== null);
  const pins = { instructions: surveyed.instructions, tools: new Map(tools.map((tool) => [tool.name, tool])) };
  const remit = asking(desk.url, () => desk.guardToken);
  const guard = await startGuard({ config, pins, remit, task: null, system, log: logged().log });
  const client = new Client({ name: "host", version: "1" });
  await client.connect(new StreamableHTTPClientTransport(new URL(guard.url ?? "")));
  let last = "";
  return {
    tools: tools.map(({ name }) => name),
    call: async (name, given) => {
      const { isError, content } = await client.callTool({ name, arguments: given });
      last = JSON.stringify(content);
      return isError !== true;
    },
    answer: () => last,
    close: async () => {
      await client.close();
      await guard.close();
      await desk.close();
    },
  };
}
