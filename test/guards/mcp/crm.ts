/** A small MCP server, real and knowing nothing of a guard: a customer database, over standard input and output or HTTP. */
/* eslint-disable @typescript-eslint/no-deprecated -- the low-level server is what can misbehave, page and cancel */
import { createServer } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { Server } from "@modelcontextprotocol/sdk/server/index.js";
import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import {
  CallToolRequestSchema,
  GetPromptRequestSchema,
  ListPromptsRequestSchema,
  ListResourcesRequestSchema,
  ListResourceTemplatesRequestSchema,
  ListToolsRequestSchema,
  McpError,
  ReadResourceRequestSchema,
  type CallToolResult,
  type Tool,
} from "@modelcontextprotocol/sdk/types.js";

type Arguments = Record<string, unknown>;

const text = { type: "string" };
const tool = (name: string, description: string, properties: object, more: object = {}): Tool => ({
  name,
  description,
  inputSchema: {
    type: "object",
    properties: properties as Record<string, object>,
    required: Object.keys(properties),
    ...more,
  },
});

export const TOOLS: Tool[] = [
  { ...tool("get_customer", "A customer, by id", { customer_id: text }), annotations: { readOnlyHint: true } },
  tool("get_invoice", "An invoice of a customer", { invoice_id: text, customer_id: text }),
  tool("get_payment", "A payment of a customer", { payment_id: text, customer_id: text }),
  tool("update_customer", "Changes a customer's address", { customer_id: text, email: { type: "string", format: "email" } }),
  tool("watch_ticket", "Waits until a ticket changes", { ticket_id: text }),
  tool("list_tickets", "All tickets", {}),
  tool("search_orders", "Orders that hold a word", { filter: { type: "object", properties: { customer: text, word: text } } }),
  tool("export_everything", "All there is, as one file", {}),
];

/** What the server did, in order. */
export interface Crm {
  did: string[];
  tools: Tool[];
  instructions?: string;
  /** Tells clients that the tools are others now. */
  changed: () => Promise<void>;
}

/** One connection's server; all share what happened. */
export function serverOf(crm: Crm): Server {
  const capabilities = { tools: { listChanged: true }, resources: {}, prompts: {}, logging: {}, completions: {} };
  const { instructions } = crm;
  const server = new Server({ name: "crm", version: "1.0.0" }, { capabilities, ...(instructions !== undefined && { instructions }) });
  server.setRequestHandler(ListToolsRequestSchema, ({ params }) => {
    // In two pages.
    const half = Math.ceil(crm.tools.length / 2);
    return params?.cursor === "2" ? { tools: crm.tools.slice(half) } : { tools: crm.tools.slice(0, half), nextCursor: "2" };
  });
  server.setRequestHandler(CallToolRequestSchema, async ({ params }, extra) => {
    const { name, arguments: given = {} } = params;
    crm.did.push(`${name} ${JSON.stringify(given)}`);
    if (name === "watch_ticket") return watch(crm, extra);
    return {
      content: [{ type: "text", text: JSON.stringify(answer(name, given)) }],
      structuredContent: answer(name, given),
      isError: given["customer_id"] === "nobody",
    };
  });
  server.setRequestHandler(ListResourcesRequestSchema, () => ({
    resources: [
      { uri: "crm://customers/ada", name: "Ada" },
      { uri: "crm://secrets/all", name: "everything" },
    ],
  }));
  server.setRequestHandler(ListResourceTemplatesRequestSchema, () => ({
    resourceTemplates: [
      { uriTemplate: "crm://customers/{id}", name: "customers" },
      { uriTemplate: "crm://secrets/{id}", name: "secrets" },
    ],
  }));
  server.setRequestHandler(ReadResourceRequestSchema, ({ params: { uri } }) => {
    crm.did.push(`read ${uri}`);
    return { contents: [{ uri, text: JSON.stringify({ uri }) }] };
  });
  server.setRequestHandler(ListPromptsRequestSchema, () => ({ prompts: [{ name: "summary" }, { name: "jailbreak" }] }));
  server.setRequestHandler(GetPromptRequestSchema, ({ params: { name, arguments: given = {} } }) => {
    crm.did.push(`prompt ${name} ${JSON.stringify(given)}`);
    return { messages: [{ role: "user" as const, content: { type: "text" as const, text: `about ${given["customer"] ?? ""}` } }] };
  });
  return server;
}

function answer(name: string, given: Arguments): Arguments {
  if (name === "get_payment") return { id: given["payment_id"], amount: 4900, card_number: "4111111111111111", iban: "DE02" };
  return { tool: name, ...given };
}

type Extra = Parameters<Parameters<Server["setRequestHandler"]>[1]>[1];

/** Tells how far it is until it is cancelled. */
async function watch(crm: Crm, { signal, sendNotification, _meta }: Extra): Promise<CallToolResult> {
  const progressToken = _meta?.progressToken;
  for (let progress = 1; !signal.aborted; progress++) {
    if (progressToken !== undefined) {
      await sendNotification({ method: "notifications/progress", params: { progressToken, progress, message: "watching" } });
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  crm.did.push("cancelled");
  throw new McpError(-32800, "cancelled");
}

export interface CrmOverHttp extends Crm {
  url: string;
  close: () => Promise<void>;
}

export async function crmOverHttp(tools: Tool[] = TOOLS): Promise<CrmOverHttp> {
  const open = new Map<string, { transport: StreamableHTTPServerTransport; server: Server }>();
  const crm: Crm = {
    did: [],
    tools: [...tools],
    changed: async () => {
      for (const { server } of open.values()) await server.sendToolListChanged();
    },
  };
  const http = createServer((request, response) => {
    const enter = async (): Promise<void> => {
      const known = open.get(String(request.headers["mcp-session-id"]))?.transport;
      if (known !== undefined) return known.handleRequest(request, response);
      const server = serverOf(crm);
      const transport = new StreamableHTTPServerTransport({
        sessionIdGenerator: () => crypto.randomUUID(),
        onsessioninitialized: (id) => {
          open.set(id, { transport, server });
        },
      });
      await server.connect(transport);
      return transport.handleRequest(request, response);
    };
    void enter();
  });
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  return {
    ...crm,
    get did() {
      return crm.did;
    },
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}/mcp`,
    close: async () => {
      const closed = once(http, "close");
      http.close();
      http.closeAllConnections();
      await closed;
    },
  };
}

/** As a program of its own it says on standard error what it did, a line each. */
if (process.argv[1] === import.meta.filename) {
  const did: string[] = [];
  did.push = (...lines) => {
    process.stderr.write(`did ${lines.join()}\n`);
    return lines.length;
  };
  const server = serverOf({ did, tools: TOOLS, changed: () => Promise.resolve() });
  await server.connect(new StdioServerTransport());
}
